"""The operator Attention of ONNX, opset 23 to 25, on NumPy's arrays.

https://onnx.ai/onnx/operators/onnx__Attention.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .attention import scaled_dot_product_attention

__all__ = ["attention"]

_DOUBLE = 11
_PRECISIONS = (1, 10, _DOUBLE, 16)
"""TensorProto's FLOAT, FLOAT16, DOUBLE and BFLOAT16."""

_ATTRIBUTES = {
    "is_causal": 23,
    "kv_num_heads": 23,
    "q_num_heads": 23,
    "qk_matmul_output_mode": 23,
    "scale": 23,
    "softcap": 23,
    "softmax_precision": 23,
    "left_window_size": 25,
    "right_window_size": 25,
}
"""The opset that each came with."""


def attention(
    Q: np.ndarray,
    K: np.ndarray,
    V: np.ndarray,
    attn_mask: np.ndarray | None = None,
    past_key: np.ndarray | None = None,
    past_value: np.ndarray | None = None,
    nonpad_kv_seqlen: np.ndarray | None = None,
    *,
    opset: int = 25,
    num_outputs: int = 1,
    **attributes: Any,
) -> tuple[np.ndarray, ...]:
    """The outputs (Y, present_key, present_value, qk_matmul_output) of a node, the first num_outputs of them.

    Q: (B, H, T, D), or (B, T, H * D) with the attributes q_num_heads and kv_num_heads
    K, V: (B, HK, S, D) and (B, HK, S, DV), or (B, S, HK * D) and (B, S, HK * DV)
    attn_mask: broadcasts to (B, H, T, P + S); of bool, True where a query attends, or of Q's type, added. Fewer columns
        leave the last keys out, from opset 24 on one column too; in opset 23 one repeats.
    past_key, past_value: (B, HK, P, D) and (B, HK, P, DV), what stands before K and V
    nonpad_kv_seqlen: (B,), how many of K's rows count; from opset 24
    opset: 23, 24 or 25, whose meaning of inputs and attributes is followed
    attributes: is_causal, kv_num_heads, q_num_heads, qk_matmul_output_mode, scale, softcap, softmax_precision and, from
        opset 25, left_window_size and right_window_size

    Elements are of float32, float16, bfloat16 (ml_dtypes') or float64, all of the same. The softmax, as all sums, is in
    float64 where they are or softmax_precision is, else in float32. Y has the dimensions of Q; present_key and
    present_value have four, and without past ones are views of K and V; qk_matmul_output is (B, H, T, P + S).
    """
    inputs = {"Q": Q, "K": K, "V": V, "attn_mask": attn_mask, "past_key": past_key, "past_value": past_value}
    for name, x in inputs.items():
        if not isinstance(x, np.ndarray) and (x is not None or name in "QKV"):
            raise TypeError(f"{name}: expected an array of NumPy, got {type(x).__name__}")
    _check(opset, num_outputs, attributes, nonpad_kv_seqlen, past_key, past_value)
    packed = Q.ndim == 3
    heads, kv_heads = _heads(Q, K, V, packed, opset, attributes)
    q, k, v = _split(Q, heads), _split(K, kv_heads), _split(V, kv_heads)
    offset: Any = 0
    if past_key is not None and past_value is not None:
        _check_past(past_key, past_value, k, v)
        k, v = np.concatenate((past_key, k), axis=2), np.concatenate((past_value, v), axis=2)
        offset = past_key.shape[2]
    elif nonpad_kv_seqlen is not None:
        nonpad_kv_seqlen = _nonpad(nonpad_kv_seqlen, q.shape[0], k.shape[2])
        offset = nonpad_kv_seqlen - q.shape[2]
    present_key, present_value = k, v
    if attributes.get("softmax_precision") == _DOUBLE:
        q, k, v = (x.astype(np.float64) for x in (q, k, v))
        if attn_mask is not None and attn_mask.dtype != bool:
            attn_mask = attn_mask.astype(np.float64)
    columns = k.shape[2] if attn_mask is None else _columns(attn_mask, k.shape[2], opset)
    options = {
        "is_causal": bool(attributes.get("is_causal", 0)),
        "window": (attributes.get("left_window_size", -1), attributes.get("right_window_size", -1)),
        "query_offset": offset,
        "key_lengths": _lengths(nonpad_kv_seqlen, columns),
        "softcap": attributes.get("softcap", 0.0),
        "scale": attributes.get("scale"),
    }
    room = np.empty((q.shape[0], q.shape[2], heads, v.shape[3]) if packed else (*q.shape[:3], v.shape[3]), q.dtype)
    out = room.swapaxes(1, 2) if packed else room
    mode = attributes.get("qk_matmul_output_mode", 0)
    weighted = num_outputs == 4 and mode == 3
    results = scaled_dot_product_attention(
        q, k[:, :, :columns], v[:, :, :columns], attn_mask, enable_gqa=True, return_weights=weighted, out=out, **options
    )
    Y = (room.reshape(*room.shape[:2], -1) if packed else room).astype(Q.dtype, copy=False)
    outputs = (Y, present_key, present_value)[:num_outputs]
    if num_outputs < 4:
        return outputs
    if not weighted:
        return *outputs, _scores(_wide(q), _wide(k), attn_mask, columns, mode, options).astype(Q.dtype, copy=False)
    weights = np.zeros((*q.shape[:3], k.shape[2]), Q.dtype)
    weights[..., :columns] = results[1]
    return *outputs, weights


def _check(
    opset: int, num_outputs: int, attributes: dict[str, Any], nonpad: Any, past_key: Any, past_value: Any
) -> None:
    if opset not in (23, 24, 25):
        raise ValueError(f"opset: expected 23, 24 or 25, got {opset}")
    if num_outputs not in (1, 2, 3, 4):
        raise ValueError(f"num_outputs: expected 1 to 4, got {num_outputs}")
    for name in attributes:
        if _ATTRIBUTES.get(name, opset + 1) > opset:
            raise ValueError(f"{name}: no attribute of Attention in opset {opset}")
    mode = attributes.get("qk_matmul_output_mode", 0)
    if mode not in (0, 1, 2, 3):
        raise ValueError(f"qk_matmul_output_mode: expected 0 to 3, got {mode}")
    if attributes.get("softmax_precision", _DOUBLE) not in _PRECISIONS:
        raise ValueError(f"softmax_precision: expected one of {_PRECISIONS}, got {attributes['softmax_precision']}")
    if nonpad is not None and opset < 24:
        raise ValueError(f"nonpad_kv_seqlen: no input of Attention in opset {opset}")
    if (past_key is None) != (past_value is None):
        raise ValueError("past_key and past_value: expected both or neither")
    if nonpad is not None and past_key is not None:
        raise ValueError("nonpad_kv_seqlen: expected without past_key and past_value")


def _heads(
    Q: np.ndarray, K: np.ndarray, V: np.ndarray, packed: bool, opset: int, attributes: dict[str, Any]
) -> tuple[int, int]:
    """How many query heads and key heads there are."""
    shapes = f"Q {Q.shape}, K {K.shape}, V {V.shape}"
    if Q.ndim not in (3, 4) or K.ndim != Q.ndim or V.ndim != Q.ndim:
        raise ValueError(f"Q, K, V: expected three arrays of 3 or of 4 dimensions, got {shapes}")
    heads, kv_heads = attributes.get("q_num_heads"), attributes.get("kv_num_heads")
    if not packed:
        if opset >= 25 and (heads is not None or kv_heads is not None):
            raise ValueError(f"q_num_heads, kv_num_heads: expected none with 4 dimensions, got {heads}, {kv_heads}")
        if heads not in (None, Q.shape[1]) or kv_heads not in (None, K.shape[1]):
            raise ValueError(f"q_num_heads, kv_num_heads: {heads}, {kv_heads} do not agree with {shapes}")
        return Q.shape[1], K.shape[1]
    if not heads or not kv_heads or Q.shape[2] % heads or K.shape[2] % kv_heads or V.shape[2] % kv_heads:
        raise ValueError(
            f"q_num_heads, kv_num_heads: {heads}, {kv_heads} do not divide the last dimensions of {shapes}"
        )
    return heads, kv_heads


def _split(x: np.ndarray, heads: int) -> np.ndarray:
    """(B, T, H * D) as (B, H, T, D), where it lies; four dimensions as they are."""
    return x if x.ndim == 4 else x.reshape(*x.shape[:2], heads, x.shape[2] // heads).swapaxes(1, 2)


def _wide(x: np.ndarray) -> np.ndarray:
    """What sums are made of: float32 in place of what is narrower."""
    return x if x.dtype == np.float64 else x.astype(np.float32, copy=False)


def _columns(attn_mask: np.ndarray, S: int, opset: int) -> int:
    """How many keys a mask speaks of: fewer than S leave the last out, or in opset 23 one repeats."""
    columns = attn_mask.shape[-1] if attn_mask.ndim else 1
    if columns > S or (columns < S and columns != 1 and opset < 24):
        raise ValueError(f"attn_mask: shape {attn_mask.shape} does not agree with {S} keys")
    return S if columns == 1 and (opset < 24 or attn_mask.ndim == 0) else columns


def _check_past(past_key: np.ndarray, past_value: np.ndarray, k: np.ndarray, v: np.ndarray) -> None:
    for name, past, new in (("past_key", past_key, k), ("past_value", past_value, v)):
        if past.ndim != 4 or past.shape[:2] != new.shape[:2] or past.shape[3] != new.shape[3]:
            raise ValueError(f"{name}: shape {past.shape} does not agree with new rows of {new.shape}")
    if past_key.shape[2] != past_value.shape[2]:
        raise ValueError(f"past_key, past_value: {past_key.shape[2]} and {past_value.shape[2]} rows, expected as many")


def _nonpad(nonpad: Any, B: int, S: int) -> np.ndarray:
    lengths = np.asarray(nonpad)
    if lengths.shape != (B,) or lengths.dtype.kind not in "iu" or not ((0 <= lengths) & (lengths <= S)).all():
        raise ValueError(f"nonpad_kv_seqlen: expected shape ({B},) of integers from 0 to {S}, got {nonpad!r}")
    return lengths.astype(np.int64)


def _lengths(nonpad: np.ndarray | None, columns: int) -> np.ndarray | None:
    return None if nonpad is None else np.minimum(nonpad, columns)  # a mask may leave the last keys out


def _scores(
    q: np.ndarray, k: np.ndarray, mask: np.ndarray | None, columns: int, mode: int, options: dict[str, Any]
) -> np.ndarray:
    """(B, H, T, S): what an output of that size asks for; mode 0 before the cap, 1 after it, 2 masked."""
    B, H, T, D = q.shape
    S = k.shape[2]
    scale = options["scale"] if options["scale"] is not None else 1 / np.sqrt(D) if D else 1.0
    grouped = q.reshape(B, k.shape[1], -1, T, D) * q.dtype.type(scale)
    scores = (grouped @ k[:, :, None].swapaxes(-1, -2)).reshape(B, H, T, S)
    cap = q.dtype.type(options["softcap"])
    if mode >= 1 and cap:
        scores = cap * np.tanh(scores / cap)
    if mode < 2:
        return scores
    position = np.arange(T)[:, None] + np.reshape(options["query_offset"], (-1, 1, 1, 1))
    key, (left, right) = np.arange(S), options["window"]
    keep = np.ones((B, 1, T, S), bool)
    if options["is_causal"]:
        keep &= key <= position
    if left >= 0:
        keep &= key >= position - left
    if right >= 0:
        keep &= key <= position + right
    if options["key_lengths"] is not None:
        keep &= key < options["key_lengths"][:, None, None, None]
    if mask is not None:
        keep[..., columns:] = False
        if mask.dtype == bool:
            keep = keep & np.ones((H, 1, 1), bool)
            keep[..., :columns] &= mask
        else:
            scores[..., :columns] += mask
    return np.where(keep, scores, q.dtype.type(-np.inf))
