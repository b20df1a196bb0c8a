"""float16, bfloat16 (ml_dtypes') and float64, beside float32: results, gradients and weights against the reference."""

import libattn
import numpy as np
import pytest
from reference import Reference
from test_attention import normal

TOLERANCES = {"float16": 1e-3, "bfloat16": 8e-3, "float64": 1e-12}


def element_type(name):
    return np.dtype(pytest.importorskip("ml_dtypes").bfloat16 if name == "bfloat16" else name)


def near(got, expected, dtype, tolerance):
    assert got.dtype == dtype and got.shape == expected.shape
    assert np.abs(got.astype(np.float64) - expected).max(initial=0) <= tolerance * max(1.0, np.abs(expected).max())


def inputs(rng, dtype, H=4, HK=2, T=9, S=70, D=24, DV=20):
    return [normal(rng, 2, *shape).astype(dtype) for shape in ((H, T, D), (HK, S, D), (HK, S, DV))]


@pytest.mark.parametrize("name", TOLERANCES)
@pytest.mark.parametrize("masked", [False, True])
def test_results_and_gradients(name, masked):
    rng = np.random.default_rng(110)
    dtype, tolerance = element_type(name), TOLERANCES[name]
    sums, exact = (np.float64, 1e-12) if name == "float64" else (np.float32, 2e-6)
    q, k, v = inputs(rng, dtype)
    mask = normal(rng, 4, 1, 70).astype(dtype) if masked else None
    options = {"is_causal": True, "query_offset": 61, "scale": 0.3}
    expected = Reference(q, k, v, None if mask is None else mask.astype(np.float64), **options)
    out, lse, weights = libattn.scaled_dot_product_attention(
        q, k, v, mask, enable_gqa=True, return_lse=True, return_weights=True, **options
    )
    near(out, expected.out, dtype, tolerance)
    # the descriptor's scale is of float32 beside elements that are not float64
    near(lse, expected.lse, sums, exact)
    near(weights, expected.weights, sums, exact)
    near(libattn.attention_weights(q, k, mask, enable_gqa=True, **options), expected.weights, sums, exact)
    grad_out = normal(rng, *out.shape).astype(dtype)
    gradients = libattn.attention_backward(grad_out, q, k, v, out, lse, mask, enable_gqa=True, **options)
    wanted = expected.backward(grad_out)
    for part in ("query", "key", "value"):
        near(gradients[part], wanted[part], dtype, 2 * tolerance)
    if masked:
        near(gradients["attn_mask"], wanted["attn_mask"], sums, 4 * tolerance)


@pytest.mark.parametrize("name", TOLERANCES)
def test_packed_sequences_and_out(name):
    rng = np.random.default_rng(111)
    dtype = element_type(name)
    q, k, v = (normal(rng, 40, 2, 8).astype(dtype) for _ in range(3))
    starts = [0, 13, 40]
    out, lse = libattn.varlen_attention(q, k, v, starts, starts, return_lse=True)
    gradients = libattn.varlen_attention_backward(out, q, k, v, out, lse, starts, starts)
    for first, last in zip(starts, starts[1:]):
        alone = [x[first:last].swapaxes(0, 1)[None] for x in (q, k, v)]
        room = np.empty((1, 2, last - first, 8), dtype)
        assert libattn.scaled_dot_product_attention(*alone, out=room) is room
        assert np.array_equal(out[first:last].swapaxes(0, 1)[None], room)
        own = libattn.attention_backward(room, *alone, room, lse[first:last].T[None])
        for part, gradient in own.items():
            assert gradient.dtype == dtype
            assert np.array_equal(gradients[part][first:last].swapaxes(0, 1)[None], gradient)


def test_additive_scores():
    rng = np.random.default_rng(112)
    q, k, v = inputs(rng, np.float64)
    w = rng.standard_normal((4, 24))
    out, lse = libattn.additive_attention(q, k, v, w, enable_gqa=True, return_lse=True)
    expected = Reference(q, k, v, scale=1, score_vector=w)
    near(out, expected.out, np.float64, 1e-12)
    gradients = libattn.additive_attention_backward(out, q, k, v, w, out, lse, enable_gqa=True)
    for part, wanted in expected.backward(out).items():
        near(gradients[part], wanted, np.float64, 1e-11)
    half = [x.astype(np.float16) for x in (q, k, v)]
    near(libattn.additive_attention(*half, w.astype(np.float32), enable_gqa=True), expected.out, np.float16, 3e-3)


def test_what_is_refused():
    q, k, v = inputs(np.random.default_rng(113), np.float64)
    out, lse = libattn.scaled_dot_product_attention(q, k, v, enable_gqa=True, return_lse=True)
    with pytest.raises(TypeError, match="query: expected elements of float32, .* got float64"):
        libattn.attention_column_sums(q, k, lse, enable_gqa=True)
    half = [x.astype(np.float16) for x in (q, k, v)]
    result, sums = libattn.scaled_dot_product_attention(*half, enable_gqa=True, return_lse=True)
    with pytest.raises(TypeError, match="by_query: expected elements of float16, got float64"):
        libattn.attention_double_backward(result, *half, result, sums, enable_gqa=True, by_query=q)
    with pytest.raises(TypeError, match="attn_mask: expected elements of bool or float64, got float32"):
        libattn.scaled_dot_product_attention(q, k, v, np.zeros(70, np.float32), enable_gqa=True)
    with pytest.raises(TypeError, match="out: expected elements of float64, got float32"):
        libattn.scaled_dot_product_attention(q, k, v, enable_gqa=True, out=np.zeros((2, 4, 9, 20), np.float32))
