"""The package on JAX's arrays. Run where JAX is installed."""

import libattn
import numpy as np
import pytest
from reference import Reference, near

jax = pytest.importorskip("jax")


def test_arrays_come_and_go():
    rng = np.random.default_rng(50)
    q, k, v = (rng.standard_normal((2, 3, n, 16)).astype(np.float32) for n in (5, 9, 9))
    mask = rng.random((5, 9)) < 0.7
    out, lse = libattn.scaled_dot_product_attention(
        *map(jax.numpy.asarray, (q, k, v, mask)), key_lengths=jax.numpy.array([9, 4]), return_lse=True
    )
    assert isinstance(out, jax.Array)
    expected = Reference(q, k, v, mask, key_lengths=[9, 4])
    near(out, expected.out)
    near(lse, expected.lse)
    with pytest.raises(TypeError, match="out: expected an array of NumPy or PyTorch"):
        libattn.scaled_dot_product_attention(out, out, out, out=out)
