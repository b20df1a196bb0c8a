"""Scaled dot-product attention and its gradients."""

from __future__ import annotations

from collections.abc import Sequence

from . import _core
from .arrays import Array, Integers, SupportsDLPack
from .block_mask import BlockMask, described
from .tile_functions import AnyMaskFunction, AnyScoreFunction, described_mask, described_score


def scaled_dot_product_attention(
    query: Array,
    key: SupportsDLPack,
    value: SupportsDLPack,
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
    return_weights: bool = False,
    out: SupportsDLPack | None = None,
    threads: int | None = None,
) -> Array | tuple[Array, ...]:
    """softmax(mask(softcap(scale * Q K^T) + bias)) V, with softcap(x) = c * tanh(x / c).

    The arguments up to ``enable_gqa`` mean what they mean in ``torch.nn.functional.scaled_dot_product_attention``.

    query: (..., H, T, D). Two dimensions or more; with two, one head; with three, one sequence.
    key: (..., HK, S, D). The dimensions before HK are the query's.
    value: (..., HK, S, DV)
    attn_mask: broadcasts to (..., H, T, S). Of bool: True where a query attends to a key. Of float32 (float64
        beside that, or a copied float16 or bfloat16): added to the (capped) scores; -inf masks.
    dropout_p: the probability with which a weight is zeroed; the others are divided by 1 - dropout_p. Always applied:
        pass 0 when not training.
    is_causal: query i attends to the keys j <= i + query_offset. May stand beside a mask.
    scale: multiplies the scores; 1 / sqrt(D) where it is None.
    enable_gqa: lets HK be less than H, which it must divide: query head h reads key head h // (H // HK).
    window: (left, right): query i attends to i + query_offset - left <= j <= i + query_offset + right; -1 is unbounded.
    softcap: c, or 0 for none.
    alibi_slopes: (H,); -slope * |i + query_offset - j| is added to the bias (Press et al., 2022).
    sinks: (H,); exp(sink) joins the softmax's sum, as a score without a value (gpt-oss).
    block_mask: a BlockMask; the key blocks that it does not keep cost no work.
    score_function: a function of (scores, tile), a ScoreFunction or a CFunction, applied to the capped scores.
    mask_function: a function of (tile) or a CFunction, which says what of a tile is kept. Functions of Python take turns
        by the interpreter's lock; what they raise this call raises, an out then half written.
    query_offset: one number, or one for each sequence; None is 0, which aligns the first query with the first key, as
        in PyTorch. S - T aligns the last with the last.
    key_lengths: for each sequence, how many of its keys count; the others are not read.
    seed: of the dropout: one number, or one of 64 bits for each sequence, which then keeps its draw in another batch.
        None draws one from the system; the backward pass needs the same seed.
    return_lse: also return the log-sum-exp of each row of scores, (..., H, T), which the backward pass needs.
    return_weights: also return the weights, (..., H, T, S), without dropout.
    out: an array (..., H, T, DV), of NumPy or PyTorch, to write into and return. Must not share memory with an input.
    threads: at most so many; None is what OMP_NUM_THREADS says, else as many as this process may use. Results do not depend on it.

    Returns an array (..., H, T, DV), or a tuple of it, the log-sum-exp and the weights, those that were asked for. A
    query without any key left gives zeros, and a log-sum-exp of -inf, or with a sink of the sink.

    Elements of query, key, value and out are of one type: float32, or float16 or bfloat16 (ml_dtypes' in NumPy), made
    float32 as they are read, out rounded once; or float64, computed plainly, for checking. The log-sum-exp and the
    weights are of float32, beside float64 of that; alibi_slopes and sinks of float32 in any case.

    Raises ValueError, with the shape, where sizes do not agree, and TypeError where elements are of another type.
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
        None,
        None,
        described(block_mask),
        described_score(score_function),
        described_mask(mask_function),
        return_lse,
        return_weights,
        out,
    )


def attention_backward(
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
    """The gradients of a loss by what ``scaled_dot_product_attention`` read, in memory linear in T + S.

    grad_out: (..., H, T, DV), the loss's gradient by out.
    out, lse: (..., H, T, DV) and (..., H, T), what the forward pass returned with ``return_lse=True``.
    grad_lse: (..., H, T), the loss's gradient by lse, or None where it does not depend on that.
    gradients: the names of those to compute; None is all of them.

    The other arguments are the forward pass's, the seed too where dropout_p is not 0. A score_function needs its
    derivative.

    Returns a dict: "query" (..., H, T, D), "key" (..., HK, S, D), "value" (..., HK, S, DV); of a mask of floats
    "attn_mask", of the log-sum-exp's type, in the mask's own shape, summed over the dimensions that broadcast; of sinks
    "sinks" (H,) and of slopes "alibi_slopes" (H,).
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
        None,
        None,
        described(block_mask),
        described_score(score_function),
        described_mask(mask_function),
        gradients,
    )
