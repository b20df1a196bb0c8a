"""Bahdanau's additive attention and its gradients."""

from __future__ import annotations

from collections.abc import Sequence

from . import _core
from .arrays import Array, Integers, SupportsDLPack
from .block_mask import BlockMask, described
from .tile_functions import AnyMaskFunction, AnyScoreFunction, described_mask, described_score


def _check(score_vector: object) -> None:
    if score_vector is None:
        raise TypeError("score_vector: expected an array (H, D), got NoneType")


def additive_attention(
    query: Array,
    key: SupportsDLPack,
    value: SupportsDLPack,
    score_vector: SupportsDLPack,
    attn_mask: SupportsDLPack | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    enable_gqa: bool = False,
    *,
    window: tuple[int, int] | None = None,
    softcap: float = 0.0,
    alibi_slopes: SupportsDLPack | None = None,
    sinks: SupportsDLPack | None = None,
    block_mask: BlockMask | None = None,
    score_function: AnyScoreFunction | None = None,
    mask_function: AnyMaskFunction | None = None,
    query_offset: int | Integers | None = None,
    key_lengths: Integers | None = None,
    seed: int | Integers | None = None,
    return_lse: bool = False,
    return_weights: bool = False,
    out: SupportsDLPack | None = None,
    threads: int | None = None,
) -> Array | tuple[Array, ...]:
    """softmax(mask(softcap(w^T tanh(q_i + k_j)) + bias)) V, without an array of T x S x D.

    Bahdanau et al., "Neural Machine Translation by Jointly Learning to Align and Translate" (2015), appendix A.1.2, on
    queries and keys that were projected already: query = W s, key = U h.

    query: (..., H, T, D)
    key: (..., HK, S, D)
    value: (..., HK, S, DV)
    score_vector: w, (H, D)

    The other arguments, and what is returned, are those of ``scaled_dot_product_attention``.
    """
    _check(score_vector)
    return _core.forward(
        query,
        key,
        value,
        attn_mask,
        dropout_p,
        is_causal,
        None,
        enable_gqa,
        window,
        softcap,
        alibi_slopes,
        sinks,
        query_offset,
        key_lengths,
        seed,
        score_vector,
        threads,
        None,
        None,
        described(block_mask),
        described_score(score_function),
        described_mask(mask_function),
        return_lse,
        return_weights,
        out,
    )


def additive_attention_backward(
    grad_out: SupportsDLPack,
    query: Array,
    key: SupportsDLPack,
    value: SupportsDLPack,
    score_vector: SupportsDLPack,
    out: SupportsDLPack,
    lse: SupportsDLPack,
    attn_mask: SupportsDLPack | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    enable_gqa: bool = False,
    *,
    grad_lse: SupportsDLPack | None = None,
    window: tuple[int, int] | None = None,
    softcap: float = 0.0,
    alibi_slopes: SupportsDLPack | None = None,
    sinks: SupportsDLPack | None = None,
    block_mask: BlockMask | None = None,
    score_function: AnyScoreFunction | None = None,
    mask_function: AnyMaskFunction | None = None,
    query_offset: int | Integers | None = None,
    key_lengths: Integers | None = None,
    seed: int | Integers | None = None,
    gradients: Sequence[str] | None = None,
    threads: int | None = None,
) -> dict[str, Array]:
    """The gradients of a loss by what ``additive_attention`` read.

    As ``attention_backward``, whose dict here has "score_vector" (H, D) too.
    """
    _check(score_vector)
    return _core.backward(
        grad_out,
        query,
        key,
        value,
        out,
        lse,
        grad_lse,
        attn_mask,
        dropout_p,
        is_causal,
        None,
        enable_gqa,
        window,
        softcap,
        alibi_slopes,
        sinks,
        query_offset,
        key_lengths,
        seed,
        score_vector,
        threads,
        None,
        None,
        described(block_mask),
        described_score(score_function),
        described_mask(mask_function),
        gradients,
    )
