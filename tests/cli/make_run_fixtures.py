"""Makes the arrays of data/run_*.npy: inputs, and what NumPy computes from them in 64-bit floats.

usage: python3 make_run_fixtures.py  (needs numpy; writes beside itself, into data/)
"""

import os

import numpy as np

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def attention(q, k, v, scale=None, keep=None, bias=None, softcap=0.0):
    """Outputs, weights and log-sum-exp of (B, H, T, D), (B, HK, S, D) and (B, HK, S, DV)."""
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    k, v = (np.repeat(x, q.shape[1] // k.shape[1], axis=1) for x in (k, v))
    score = q @ k.swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if softcap:
        score = softcap * np.tanh(score / softcap)
    if bias is not None:
        score = score + bias
    if keep is not None:
        score = np.where(keep, score, -np.inf)
    largest = score.max(axis=-1, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0)
    exponential = np.exp(score - largest)
    total = exponential.sum(axis=-1, keepdims=True)
    weights = exponential / np.where(total == 0, 1, total)
    with np.errstate(divide="ignore"):
        lse = (np.log(total) + largest)[..., 0]
    return weights @ v, weights, lse


def save(name, array, kind=np.float32):
    np.save(os.path.join(FOLDER, f"run_{name}.npy"), array.astype(kind))


def main():
    random = np.random.default_rng(20170612)
    T, S = 5, 7
    q = random.standard_normal((2, 4, T, 8)).astype(np.float32)
    k = random.standard_normal((2, 2, S, 8)).astype(np.float32)
    v = random.standard_normal((2, 2, S, 3)).astype(np.float32)
    for name, array in (("q", q), ("k", k), ("v", v)):
        save(name, array)
        save(f"{name}_head", array[1])
        save(f"{name}_one", array[1, 1], np.float64)
    i, j = np.arange(T)[:, None], np.arange(S)[None]
    keep = random.random((4, 1, S)) < 0.4
    keep[2] = False  # a head that attends to nothing
    bias = random.standard_normal((T, 1)) * random.standard_normal((1, S))
    bias[1, 3] = -np.inf
    save("keep", keep, np.bool_)
    save("bias", bias, np.float64)
    cases = {
        "plain": attention(q, k, v),
        "causal": attention(q, k, v, scale=0.3, softcap=1.5, keep=j <= i - 2),
        "window": attention(q, k, v, keep=(i + 1 - 2 <= j) & (j <= i + 1 + 1)),
        "keep": attention(q, k, v, keep=keep),
        "bias": attention(q, k, v, bias=bias),
        "half": attention(*(x.astype(np.float16) for x in (q, k, v))),
    }
    for name, array in (("q", q), ("k", k), ("v", v)):
        save(f"{name}_half", array, np.float16)
    for name, (output, weights, lse) in cases.items():
        save(f"{name}_o", output)
        save(f"{name}_w", weights)
        save(f"{name}_l", lse)
    output, weights, lse = cases["plain"]
    save("head_o", output[1])
    save("head_w", weights[1])
    save("head_l", lse[1])
    output, weights, lse = attention(q[1:, 1:2], k[1:, 1:2], v[1:, 1:2])
    save("one_o", output[0, 0])
    save("one_w", weights[0, 0])
    save("one_l", lse[0, 0])


main()
