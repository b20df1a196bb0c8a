"""additive_attention and its gradients against the reference in float64."""

import libattn
import numpy as np
import pytest
from reference import Reference, near
from test_attention import draw, normal


@pytest.mark.parametrize("case", range(30))
def test_random_problems(case):
    rng = np.random.default_rng([30, case])
    (q, k, v), options = draw(rng)
    options.pop("scale", None)
    w = normal(rng, q.shape[1], q.shape[3])
    expected = Reference(q, k, v, score_vector=w, scale=1, **options)
    out, lse, weights = libattn.additive_attention(
        q, k, v, w, enable_gqa=True, return_lse=True, return_weights=True, **options
    )
    near(out, expected.out)
    near(lse, expected.lse)
    near(weights, expected.weights)
    grad_out = normal(rng, *out.shape)
    gradients = libattn.additive_attention_backward(grad_out, q, k, v, w, out, lse, enable_gqa=True, **options)
    expected = expected.backward(grad_out)
    assert gradients.keys() == expected.keys()
    for name in expected:
        near(gradients[name], expected[name], 2e-5)


def test_errors():
    q = np.zeros((2, 3, 4, 8), np.float32)
    for shape in ((3, 7), (2, 8), (8,), (1, 3, 8)):
        with pytest.raises(ValueError, match="score_vector"):
            libattn.additive_attention(q, q, q, np.zeros(shape, np.float32))
    deep, w = np.zeros((2, 2, 3, 4, 8), np.float32), np.zeros((3, 8), np.float32)
    out, lse = libattn.additive_attention(deep, deep, deep, w, return_lse=True)
    with pytest.raises(ValueError, match="reshape"):
        libattn.additive_attention_backward(out, deep, deep, deep, w, out, lse)
