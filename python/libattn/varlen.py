"""Attention over packed sequences, each of its own length, without padding."""

from __future__ import annotations

from collections.abc import Sequence

from . import _core
from .arrays import Array, Integers, SupportsDLPack
from .block_mask import BlockMask, described
from .tile_functions import AnyMaskFunction, AnyScoreFunction, described_mask, described_score


def varlen_attention(
    query: Array,
    key: SupportsDLPack,
    value: SupportsDLPack,
    cu_seqlens_q: Integers,
    cu_seqlens_k: Integers,
    attn_mask: SupportsDLPack | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
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
    out: SupportsDLPack | None = None,
    threads: int | None = None,
) -> Array | tuple[Array, Array]:
    """``scaled_dot_product_attention`` of B sequences that lie one after another.

    query: (T, H, D), T the queries of all sequences
    key: (S, HK, D), S the keys of all
    value: (S, HK, DV)
    cu_seqlens_q: (B + 1), where each sequence's queries start: b's are cu_seqlens_q[b] to cu_seqlens_q[b + 1] - 1
    cu_seqlens_k: (B + 1), likewise of keys and values
    attn_mask: broadcasts to (B, H, the longest sequence's queries, the longest one's keys); rows and columns count from
        each sequence's first
    query_offset, key_lengths, seed: count within each sequence. None aligns its first query with its first key.
    out: an array (T, H, DV), of NumPy or PyTorch, to write into and return

    Each sequence has the bits that it has alone. Returns (T, H, DV), or a tuple of it and the log-sum-exp (T, H). Rows
    of no sequence are not read; in an out they stay as they are, elsewhere they are zeros.
    """
    return _core.forward(
        query,
        key,
        value,
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
        (cu_seqlens_q, cu_seqlens_k),
        None,
        described(block_mask),
        described_score(score_function),
        described_mask(mask_function),
        return_lse,
        False,
        out,
    )


def varlen_attention_backward(
    grad_out: SupportsDLPack,
    query: Array,
    key: SupportsDLPack,
    value: SupportsDLPack,
    out: SupportsDLPack,
    lse: SupportsDLPack,
    cu_seqlens_q: Integers,
    cu_seqlens_k: Integers,
    attn_mask: SupportsDLPack | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
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
    """The gradients of a loss by what ``varlen_attention`` read, as ``attention_backward`` gives them: "query"
    (T, H, D), "key" (S, HK, D), "value" (S, HK, DV), "attn_mask" in its own shape, "sinks" and "alibi_slopes" (H,).

    grad_out, out: (T, H, DV); lse, grad_lse: (T, H)
    """
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
        (cu_seqlens_q, cu_seqlens_k),
        None,
        described(block_mask),
        described_score(score_function),
        described_mask(mask_function),
        gradients,
    )


def varlen_attention_double_backward(
    grad_out: SupportsDLPack,
    query: Array,
    key: SupportsDLPack,
    value: SupportsDLPack,
    out: SupportsDLPack,
    lse: SupportsDLPack,
    cu_seqlens_q: Integers,
    cu_seqlens_k: Integers,
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
    """The gradients of a loss that was made of ``varlen_attention_backward``'s results, as
    ``attention_double_backward`` gives them: by_query (T, H, D), by_key (S, HK, D) and so on are the loss's gradients
    by these; "query", "key", "value", "grad_out" (T, H, DV), "sinks" and "attn_mask" what is returned.
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
        (cu_seqlens_q, cu_seqlens_k),
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
