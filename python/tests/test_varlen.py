"""varlen_attention and its gradients: each sequence as the reference has it alone."""

import libattn
import numpy as np
import pytest
from reference import Reference, near
from test_attention import normal


@pytest.mark.parametrize("case", range(12))
def test_each_sequence_alone(case):
    rng = np.random.default_rng([80, case])
    B, HK, D, DV = 4, 2, 8, 6
    H = HK * int(rng.integers(1, 3))
    queries, keys = rng.integers(0, 40, B), rng.integers(0, 40, B)
    q, k, v = normal(rng, queries.sum(), H, D), normal(rng, keys.sum(), HK, D), normal(rng, keys.sum(), HK, DV)
    starts = [np.concatenate(([0], np.cumsum(n))) for n in (queries, keys)]
    options, mask, by_sequence = {"is_causal": case % 2 == 0, "window": (int(rng.integers(-1, 9)), -1)}, None, {}
    if case % 3 == 0:
        options["sinks"] = normal(rng, H)
    if case % 3 == 1:
        mask = normal(rng, B, 1, queries.max(initial=0), keys.max(initial=0))
        by_sequence["query_offset"] = [int(n) for n in keys - queries]
    if case % 4 == 3:
        starts = [list(map(int, s)) for s in starts]
    out, lse = libattn.varlen_attention(
        q, k, v, *starts, mask, enable_gqa=True, return_lse=True, **options, **by_sequence
    )
    grad_out = normal(rng, *out.shape)
    gradients = libattn.varlen_attention_backward(
        grad_out, q, k, v, out, lse, *starts, mask, enable_gqa=True, **options, **by_sequence
    )
    sinks = np.zeros(H)
    for b in range(B):
        rows, columns = (slice(s[b], s[b + 1]) for s in starts)

        def four(x):
            return x.swapaxes(0, 1)[None]

        own = {name: values[b] for name, values in by_sequence.items()}
        part = None if mask is None else mask[b, :, : queries[b], : keys[b]]
        if queries[b] == 0:
            continue
        expected = Reference(four(q[rows]), four(k[columns]), four(v[columns]), part, **options, **own)
        near(four(out[rows]), expected.out)
        near(lse[rows].T[None], expected.lse)
        wanted = expected.backward(four(grad_out[rows]))
        near(four(gradients["query"][rows]), wanted["query"], 2e-5)
        near(four(gradients["key"][columns]), wanted["key"], 2e-5)
        near(four(gradients["value"][columns]), wanted["value"], 2e-5)
        sinks += wanted.get("sinks", 0)
        if mask is not None:
            near(gradients["attn_mask"][b, :, : queries[b], : keys[b]], wanted["attn_mask"], 2e-5)
            gradients["attn_mask"][b, :, : queries[b], : keys[b]] = 0
    if mask is not None:
        assert not gradients["attn_mask"].any()  # what no pair of a sequence has an entry of
    if "sinks" in options:
        near(gradients["sinks"], sinks, 2e-5)


def test_out():
    rng = np.random.default_rng(81)
    q = normal(rng, 10, 2, 4)
    out = np.full((10, 2, 4), 7, np.float32)
    assert libattn.varlen_attention(q, q, q, [1, 4, 9], [1, 4, 9], out=out) is out
    near(out[1:4].swapaxes(0, 1)[None], Reference(*[q[1:4].swapaxes(0, 1)[None]] * 3).out)
    assert (out[0] == 7).all() and (out[9] == 7).all()


def test_rows_of_no_sequence_are_zeros():
    q = np.ones((100, 2, 16), np.float32)
    q[:3] = q[90:] = np.nan
    used = [np.full((100, 2, 16), 7, np.float32) for _ in range(20)]
    del used  # whose memory comes again
    out, lse = libattn.varlen_attention(q, q, q, [3, 9], [3, 90], return_lse=True)
    gradients = libattn.varlen_attention_backward(q, q, q, q, out, lse, [3, 9], [3, 90])
    assert not np.isnan(lse).any()
    for name, x, last in (("out", out, 9), *((n, x, 9 if n == "query" else 90) for n, x in gradients.items())):
        assert (x[:3] == 0).all() and (x[last:] == 0).all() and not np.isnan(x).any(), name


def test_errors():
    q = np.zeros((10, 2, 4), np.float32)
    for starts, match in (
        (([0, 11], [0, 10]), "cu_seqlens_q"),
        (([0, 5, 4], [0, 5, 10]), "cu_seqlens_q"),
        (([0, 10], [0, 5, 10]), "cu_seqlens_k: expected a length of 2, got 3"),
        (([], []), "cu_seqlens_q"),
    ):
        with pytest.raises(ValueError, match=match):
            libattn.varlen_attention(q, q, q, *starts)
    with pytest.raises(TypeError, match="cu_seqlens_q"):
        libattn.varlen_attention(q, q, q, 10, [0, 10])
    with pytest.raises(ValueError, match=r"query: expected shape \(T, H, D\)"):
        libattn.varlen_attention(q[None], q, q, [0, 10], [0, 10])
    with pytest.raises(ValueError, match=r"value: shape \(9, 2, 4\) .* query's \(10, 2, 4\)"):
        libattn.varlen_attention(q, q, q[:9], [0, 10], [0, 10])
    with pytest.raises(ValueError, match=r"out: expected shape \(10, 2, 4\), got \(2, 10, 4\)"):
        libattn.varlen_attention(q, q, q, [0, 10], [0, 10], out=np.zeros((2, 10, 4), np.float32))
    with pytest.raises(ValueError, match=r"lse: expected shape \(10, 2\), got \(2, 10\)"):
        lse = np.zeros((2, 10), np.float32)
        libattn.varlen_attention_backward(q, q, q, q, q, lse, [0, 10], [0, 10])


def test_each_sequence_alone_twice():
    rng = np.random.default_rng(82)
    starts = [0, 3, 3, 10, 21], [0, 5, 9, 20, 26]
    q, k, v, grad_out = (normal(rng, n, h, 8) for n, h in ((21, 4), (26, 2), (26, 2), (21, 4)))
    mask, sinks = normal(rng, 1, 4, 1, 11), normal(rng, 4)
    options = {"sinks": sinks, "is_causal": True, "enable_gqa": True}
    out, lse = libattn.varlen_attention(q, k, v, *starts, mask, return_lse=True, **options)
    by = {"by_query": normal(rng, *q.shape), "by_key": normal(rng, *k.shape), "by_value": normal(rng, *v.shape)}
    by |= {"by_sinks": normal(rng, 4), "by_attn_mask": normal(rng, *mask.shape)}
    twice = libattn.varlen_attention_double_backward(grad_out, q, k, v, out, lse, *starts, mask, **options, **by)
    sums = {"sinks": np.zeros(4), "attn_mask": np.zeros(mask.shape)}
    for b in range(4):
        rows, columns = (slice(s[b], s[b + 1]) for s in starts)
        part = {name: columns if name in ("key", "value") else rows for name in ("grad_out", "query", "key", "value")}

        def alone(x, name):
            return x if name in sums else x[part[name]].swapaxes(0, 1)[None]

        S = columns.stop - columns.start
        own = {name: alone(x, name.removeprefix("by_")) for name, x in by.items()}
        own["by_attn_mask"] = own["by_attn_mask"][..., :S]
        cut = (grad_out, rows), (q, rows), (k, columns), (v, columns), (out, rows)
        arrays = [x[s].swapaxes(0, 1)[None] for x, s in cut]
        expected = libattn.attention_double_backward(*arrays, lse[rows].T[None], mask[..., :S], **options, **own)
        for name in part:
            near(alone(twice[name], name), expected[name], 2e-6)
        sums["sinks"] += expected["sinks"]
        sums["attn_mask"][..., :S] += expected["attn_mask"]
    for name, expected in sums.items():
        near(twice[name], expected, 2e-6)
