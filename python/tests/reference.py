"""Attention in float64 on dense T x S matrices, from the formulas alone: what the package is compared with.

Arrays are (B, H, T, D), (B, HK, S, D), (B, HK, S, DV); a mask of bool keeps, one of floats is added.
"""

import numpy as np


def kept(T, S, B=1, is_causal=False, window=None, query_offset=0, key_lengths=None):
    """(B, 1, T, S): whether query i attends to key j."""
    p = np.arange(T)[None, :, None] + np.broadcast_to(np.asarray(query_offset), (B,))[:, None, None]
    j = np.arange(S)[None, None, :]
    keep = np.ones((B, T, S), bool)
    if is_causal:
        keep &= j <= p
    left, right = window or (-1, -1)
    if left >= 0:
        keep &= j >= p - left
    if right >= 0:
        keep &= j <= p + right
    if key_lengths is not None:
        keep &= j < np.asarray(key_lengths)[:, None, None]
    return keep[:, None]


def shared(x, H):
    """Key or value heads, each repeated for the query heads that read it."""
    return np.repeat(np.asarray(x, np.float64), H // x.shape[1], axis=1)


class Reference:
    """One problem: ``out``, ``lse`` and ``weights``, and after ``backward`` its gradients."""

    def __init__(
        self,
        q,
        k,
        v,
        attn_mask=None,
        scale=None,
        softcap=0.0,
        score_vector=None,
        alibi_slopes=None,
        sinks=None,
        score_function=None,
        **rules,
    ):
        self.q = np.asarray(q, np.float64)
        B, H, T, D = q.shape
        self.heads, self.groups = H, k.shape[1]
        self.k, self.v = shared(k, H), shared(v, H)
        S = k.shape[2]
        self.w, self.softcap = score_vector, softcap
        self.scale = (1 / np.sqrt(D) if D else 1.0) if scale is None else scale
        if score_vector is None:
            self.raw = self.scale * self.q @ self.k.swapaxes(-1, -2)
        else:
            self.w = np.asarray(score_vector, np.float64)
            self.t = np.tanh(self.q[:, :, :, None] + self.k[:, :, None])
            self.raw = np.einsum("bhijd,hd->bhij", self.t, self.w)
        s = softcap * np.tanh(self.raw / softcap) if softcap else self.raw
        self.slope = 1 - np.tanh(self.raw / softcap) ** 2 if softcap else np.ones_like(self.raw)
        if score_function is not None:  # of the capped scores: what becomes of them, and its derivative
            s, slope = score_function(s)
            self.slope *= slope
        keep = np.broadcast_to(kept(T, S, B, **rules), s.shape)
        self.mask = attn_mask
        if attn_mask is not None and attn_mask.dtype == bool:
            keep = keep & attn_mask
        elif attn_mask is not None:
            s = s + attn_mask
        if alibi_slopes is not None:
            p = np.arange(T) + np.broadcast_to(np.asarray(rules.get("query_offset", 0)), (B,))[:, None]
            distance = np.abs(p[:, None, :, None] - np.arange(S))
            s = s - np.asarray(alibi_slopes, np.float64)[:, None, None] * distance
        self.distance = None if alibi_slopes is None else distance
        s = np.where(keep, s, -np.inf)
        z = np.full(H, -np.inf) if sinks is None else np.asarray(sinks, np.float64)
        self.sinks = z[:, None, None]
        top = np.maximum(np.max(s, axis=-1, keepdims=True, initial=-np.inf), self.sinks)
        e = np.where(s == -np.inf, 0, np.exp(s - np.where(np.isfinite(top), top, 0)))
        with np.errstate(invalid="ignore"):
            total = e.sum(-1, keepdims=True) + np.where(self.sinks == -np.inf, 0, np.exp(self.sinks - top))
        self.weights = np.divide(e, total, out=np.zeros_like(e), where=total > 0)
        with np.errstate(divide="ignore"):
            self.lse = (np.where(np.isfinite(top), top, 0) + np.log(total))[..., 0]
        self.out = self.weights @ self.v

    def unshared(self, gradient):
        B, H, S, C = gradient.shape
        return gradient.reshape(B, self.groups, H // self.groups, S, C).sum(2)

    def backward(self, grad_out):
        g = np.asarray(grad_out, np.float64)
        dp = g @ self.v.swapaxes(-1, -2)
        dx = self.weights * (dp - (g * self.out).sum(-1, keepdims=True))
        ds = dx * self.slope
        gradients = {"value": self.unshared(self.weights.swapaxes(-1, -2) @ g)}
        if self.w is None:
            gradients["query"] = self.scale * ds @ self.k
            gradients["key"] = self.unshared(self.scale * ds.swapaxes(-1, -2) @ self.q)
        else:
            slope = ds[..., None] * (1 - self.t**2) * self.w[None, :, None, None]
            gradients["query"] = slope.sum(3)
            gradients["key"] = self.unshared(slope.sum(2))
            gradients["score_vector"] = np.einsum("bhij,bhijd->hd", ds, self.t)
        if (self.sinks > -np.inf).any():
            delta = (g * self.out).sum(-1)
            gradients["sinks"] = -(np.exp(self.sinks[..., 0] - self.lse) * delta).sum((0, 2))
        if self.distance is not None:
            gradients["alibi_slopes"] = -(dx * self.distance).sum((0, 2, 3))
        if self.mask is not None and self.mask.dtype != bool:
            shape = (1,) * (4 - self.mask.ndim) + self.mask.shape
            axes = tuple(i for i in range(4) if shape[i] == 1 and dx.shape[i] != 1)
            gradients["attn_mask"] = dx.sum(axes, keepdims=True).reshape(self.mask.shape)
        return gradients


def near(got, expected, tolerance=3e-6):
    """Within a tolerance of the largest element expected; infinities and shapes the same."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape
    assert got.dtype == np.float32
    finite = np.isfinite(expected)
    assert np.array_equal(got[~finite], expected[~finite].astype(np.float32), equal_nan=True)
    bound = tolerance * max(1.0, np.abs(expected[finite]).max(initial=0))
    assert np.abs(got[finite] - expected[finite]).max(initial=0) <= bound
