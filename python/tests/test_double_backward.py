"""attention_double_backward against differences of the float64 reference's gradients."""

import libattn
import numpy as np
import pytest
from reference import Reference, near

rng = np.random.default_rng(70)


def draw(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def by_differences(inputs, grad_out, given, options, name, at):
    """The derivative by inputs[name][at] (or grad_out's) of the sum of the gradients times what is given."""

    def loss(step):
        moved = {n: x.astype(np.float64) for n, x in {**inputs, "grad_out": grad_out}.items()}
        moved[name][at] += step
        outer = moved.pop("grad_out")
        first = Reference(moved["query"], moved["key"], moved["value"], sinks=moved.get("sinks"), **options)
        gradients = first.backward(outer)
        return sum((gradients[n] * x).sum() for n, x in given.items())

    return (loss(1e-5) - loss(-1e-5)) / 2e-5


@pytest.mark.parametrize("rules", [{}, {"is_causal": True}, {"window": (2, 1)}, {"softcap": 1.5}, {"sinks": True}])
def test_against_differences(rules):
    inputs = {"query": draw(2, 4, 5, 3), "key": draw(2, 2, 6, 3), "value": draw(2, 2, 6, 4)}
    rules = dict(rules)
    if rules.pop("sinks", False):
        inputs["sinks"] = draw(4)
    out, lse = libattn.scaled_dot_product_attention(**inputs, **rules, enable_gqa=True, return_lse=True)
    grad_out = draw(*out.shape)
    given = {name: draw(*x.shape) for name, x in inputs.items()}
    got = libattn.attention_double_backward(
        grad_out, **inputs, out=out, lse=lse, **rules, enable_gqa=True, **{f"by_{n}": x for n, x in given.items()}
    )
    assert set(got) == {*inputs, "grad_out"}
    for name, gradient in got.items():
        shape = inputs[name].shape if name in inputs else grad_out.shape
        assert gradient.shape == shape and gradient.dtype == np.float32
        for at in [tuple(rng.integers(0, n) for n in shape) for _ in range(6)]:
            want = by_differences(inputs, grad_out, given, rules, name, at)
            assert abs(gradient[at] - want) <= 2e-5 * max(1, np.abs(gradient).max())


def test_what_is_not_given_is_zero_and_what_is_not_asked_for_is_not_made():
    q, k, v = draw(3, 5, 4), draw(3, 6, 4), draw(3, 6, 2)
    out, lse = libattn.scaled_dot_product_attention(q, k, v, return_lse=True)
    g, u = draw(3, 5, 2), draw(3, 5, 4)
    got = libattn.attention_double_backward(g, q, k, v, out, lse, by_query=u, gradients=("key",))
    assert set(got) == {"key"}
    zeros = np.zeros_like
    all_of_it = libattn.attention_double_backward(
        g, q, k, v, out, lse, by_query=u, by_key=zeros(k), by_value=zeros(v), threads=1
    )
    near(got["key"], all_of_it["key"])
    nothing = libattn.attention_double_backward(g, q, k, v, out, lse)
    assert all((x == 0).all() for x in nothing.values())


def test_calls_of_more_than_four_dimensions_and_none_at_all():
    q, k, v, g, u = (draw(2, 3, 2, 5, 4) for _ in range(5))
    out, lse = libattn.scaled_dot_product_attention(q, k, v, return_lse=True)
    got = libattn.attention_double_backward(g, q, k, v, out, lse, by_query=u)
    one = libattn.attention_double_backward(g[1], q[1], k[1], v[1], out[1], lse[1], by_query=u[1])
    for name in got:
        assert np.array_equal(got[name][1], one[name])
    none = np.zeros((0, 2, 5, 4), np.float32)
    got = libattn.attention_double_backward(none, none, none, none, none, np.zeros((0, 2, 5), np.float32))
    assert got["grad_out"].shape == (0, 2, 5, 4)


def test_errors():
    q, k, v = draw(2, 5, 4), draw(2, 6, 4), draw(2, 6, 3)
    out, lse = libattn.scaled_dot_product_attention(q, k, v, return_lse=True)
    g = draw(2, 5, 3)
    call = libattn.attention_double_backward
    with pytest.raises(ValueError, match=r"by_key: expected shape \(2, 6, 4\), got \(2, 5, 4\)"):
        call(g, q, k, v, out, lse, by_key=q)
    with pytest.raises(ValueError, match="by_sinks: expected None"):
        call(g, q, k, v, out, lse, by_sinks=draw(2))
    with pytest.raises(ValueError, match="by_attn_mask: expected None"):
        call(g, q, k, v, out, lse, np.ones((5, 6), bool), by_attn_mask=draw(5, 6))
    with pytest.raises(ValueError, match=r"by_attn_mask: expected shape \(1, 6\), got \(5, 6\)"):
        call(g, q, k, v, out, lse, draw(1, 6), by_attn_mask=draw(5, 6))
    five = [np.broadcast_to(x, (2, 3, *x.shape)) for x in (g, q, k, v, out, lse)]
    with pytest.raises(ValueError, match="at most 4 dimensions"):
        call(*five, draw(1, 6))
    with pytest.raises(ValueError, match="gradients: expected names among 'query', 'key', 'value', 'grad_out', got 'out'"):
        call(g, q, k, v, out, lse, gradients=["out"])
    with pytest.raises(ValueError, match="seed"):
        call(g, q, k, v, out, lse, dropout_p=0.5)
    with pytest.raises(TypeError, match="by_value"):
        call(g, q, k, v, out, lse, by_value=v.astype(np.float64))
