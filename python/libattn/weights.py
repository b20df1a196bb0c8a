"""What attends to what: weights of chosen rows and heads, and how much each key is attended to."""

from __future__ import annotations

from typing import Any

from . import _core
from .arrays import Array, Integers, SupportsDLPack
from .block_mask import BlockMask, described
from .tile_functions import AnyMaskFunction, AnyScoreFunction, described_mask, described_score


def attention_weights(
    query: Array,
    key: SupportsDLPack,
    attn_mask: SupportsDLPack | None = None,
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
    score_vector: SupportsDLPack | None = None,
    sequences: tuple[int, int] | None = None,
    heads: tuple[int, int] | None = None,
    rows: tuple[int, int] | None = None,
) -> Array:
    """softmax(mask(softcap(scale * Q K^T) + bias)) of the chosen part alone, (sequences, heads, rows, S).

    query, key: (B, H, T, D) and (B, HK, S, D), or without the first dimensions
    sequences, heads, rows: (start, stop) of what is chosen; None is all
    score_vector: (H, D); with it the scores are those of ``additive_attention``

    The other arguments are those of ``scaled_dot_product_attention``. With sinks a row sums to less than 1.
    """
    masks = (described(block_mask), described_score(score_function), described_mask(mask_function))
    options = (attn_mask, is_causal, scale, enable_gqa, window, softcap, alibi_slopes, sinks, query_offset, key_lengths)
    return _weights(query, key, options, score_vector, None, masks, None, (sequences, heads, rows))


def attention_column_sums(
    query: Array,
    key: SupportsDLPack,
    lse: SupportsDLPack,
    attn_mask: SupportsDLPack | None = None,
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
    score_vector: SupportsDLPack | None = None,
    sequences: tuple[int, int] | None = None,
    heads: tuple[int, int] | None = None,
    rows: tuple[int, int] | None = None,
    threads: int | None = None,
) -> Array:
    """How much is attended to each key, (sequences, heads, S): the sums of ``attention_weights`` over the chosen rows,
    in memory that does not grow with T.

    lse: (B, H, T), what ``scaled_dot_product_attention`` returned with ``return_lse=True`` and the same options
    """
    masks = (described(block_mask), described_score(score_function), described_mask(mask_function))
    options = (attn_mask, is_causal, scale, enable_gqa, window, softcap, alibi_slopes, sinks, query_offset, key_lengths)
    return _weights(query, key, options, score_vector, threads, masks, lse, (sequences, heads, rows))


def _weights(
    query: Array,
    key: SupportsDLPack,
    options: tuple[Any, ...],
    score_vector: SupportsDLPack | None,
    threads: int | None,
    masks: tuple[Any, ...],
    lse: SupportsDLPack | None,
    region: tuple[Any, ...],
) -> Array:
    mask, *rest, offset, lengths = options
    seed = packed = cache = None
    return _core.weights(
        query, key, mask, 0.0, *rest, offset, lengths, seed, score_vector, threads, packed, cache, *masks, lse, region
    )
