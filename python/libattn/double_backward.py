"""The gradients of attention's gradients."""

from __future__ import annotations

from collections.abc import Sequence

from . import _core
from .arrays import Array, Integers, SupportsDLPack
from .block_mask import BlockMask, described
from .tile_functions import AnyMaskFunction, AnyScoreFunction, described_mask, described_score


def attention_double_backward(
    grad_out: SupportsDLPack,
    query: Array,
    key: SupportsDLPack,
    value: SupportsDLPack,
    out: SupportsDLPack,
    lse: SupportsDLPack,
    attn_mask: SupportsDLPack | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    grad_lse: SupportsDLPack | None = None,
    by_query: SupportsDLPack | None = None,
    by_key: SupportsDLPack | None = None,
    by_value: SupportsDLPack | None = None,
    by_sinks: SupportsDLPack | None = None,
    by_attn_mask: SupportsDLPack | None = None,
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
    """The gradients of a loss that was made of ``attention_backward``'s results, in memory linear in T + S.

    by_query, by_key, by_value, by_sinks, by_attn_mask: the loss's gradients by ``attention_backward``'s "query", "key",
        "value", "sinks" and "attn_mask", in their shapes; None is zeros.
    gradients: the names of those to compute; None is all of them.

    The other arguments are those that ``attention_backward`` was given.

    Returns a dict: "query" (..., H, T, D), "key" (..., HK, S, D), "value" (..., HK, S, DV), "grad_out" (..., H, T, DV);
    where there is a grad_lse "grad_lse" (..., H, T); of sinks "sinks" (H,); of a mask of floats "attn_mask", as there.
    out and lse are what the forward pass makes of query, key, value and sinks: their share is in the gradients by these.
    """
    return _core.double_backward(
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
        scale,
        enable_gqa,
        window,
        softcap,
        alibi_slopes,
        sinks,
        query_offset,
        key_lengths,
        seed,
        None,
        threads,
        None,
        None,
        described(block_mask),
        described_score(score_function),
        described_mask(mask_function),
        by_query,
        by_key,
        by_value,
        by_sinks,
        by_attn_mask,
        gradients,
    )
