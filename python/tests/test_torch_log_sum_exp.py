"""libattn.torch: gradients through the log-sum-exp."""

import pytest

from torch_reference import close, doubled, inputs, torch

import libattn.torch as lt


@pytest.mark.parametrize("case", ["plain", "mask", "sinks", "additive", "lse alone", "packed"])
def test_gradients_of_the_log_sum_exp(case):
    """As merging partial results has them, or a penalty on large scores."""
    tensors = inputs()
    if case == "mask":
        tensors.append(torch.randn(4, 1, 13, requires_grad=True))
    if case == "sinks":
        tensors.append(torch.randn(4, requires_grad=True))
    if case == "additive":
        tensors.append(torch.randn(4, 8, requires_grad=True))

    def ours(q, k, v, more=None):
        options = {"attn_mask": more} if case == "mask" else {"sinks": more} if case == "sinks" else {}
        if case == "additive":
            return lt.additive_attention(q, k, v, more, return_lse=True)
        if case == "packed":
            x = [x.transpose(1, 2).flatten(0, 1) for x in (q, k, v)]
            out, lse = lt.varlen_attention(*x, [0, 9, 18], [0, 13, 26], return_lse=True)
            return out.unflatten(0, (2, 9)).transpose(1, 2), lse.unflatten(0, (2, 9)).transpose(1, 2)
        return lt.scaled_dot_product_attention(q, k, v, **options, return_lse=True)

    def reference(q, k, v, more=None):
        scores = q @ k.mT / q.size(-1) ** 0.5
        if case == "additive":
            scores = torch.einsum("bhijd,hd->bhij", torch.tanh(q[:, :, :, None] + k[:, :, None]), more)
        if case == "mask":
            scores = scores + more
        if case == "sinks":
            scores = torch.cat([scores, more[:, None, None].expand(*scores.shape[:-1], 1)], -1)
        return scores.softmax(-1)[..., :13] @ v, scores.logsumexp(-1)

    weights = torch.randn(2, 4, 9, 6), torch.randn(2, 4, 9)
    doubles = doubled(tensors)
    loss, expected = (
        sum((x * w).sum() for x, w in zip(results, weights) if case != "lse alone" or w.dim() == 3)
        for results in (ours(*tensors), reference(*doubles))
    )
    close(loss, expected, 1e-4)
    got = torch.autograd.grad(loss, tensors)
    wanted = torch.autograd.grad(expected, doubles, allow_unused=True, materialize_grads=True)
    for a, b in zip(got, wanted):
        close(a, b)


@pytest.mark.parametrize("loss_scale, keys_scale", [(1e5, 1), (1e-8, 100)])
def test_the_log_sum_exps_gradient_keeps_its_range_beside_float16(loss_scale, keys_scale):
    q, k, v = (torch.randn(1, 2, 50, 16).half() for _ in range(3))
    k *= keys_scale
    q.requires_grad_()
    lse = lt.scaled_dot_product_attention(q, k, v, return_lse=True)[1]
    (got,) = torch.autograd.grad(lse.sum() * loss_scale, q)
    exact = q.detach().double().requires_grad_()
    (want,) = torch.autograd.grad((exact @ k.double().mT / 4).logsumexp(-1).sum() * loss_scale, exact)
    assert got.dtype == torch.float16
    torch.testing.assert_close(got.double(), want, rtol=2e-3, atol=1e-7)


def test_gradgradcheck_of_the_log_sum_exp():
    tensors = [x.detach().double().requires_grad_() for x in inputs(H=4, HK=2, T=3, S=4, D=5, DV=2)]
    bias = torch.randn(4, 1, 4, dtype=torch.float64, requires_grad=True)
    for options in ({"softcap": 2.0, "is_causal": True}, {"window": (1, 0), "dropout_p": 0.3, "seed": 5}):

        def function(*x):
            return lt.scaled_dot_product_attention(*x, enable_gqa=True, **options, return_lse=True)

        assert torch.autograd.gradcheck(function, [*tensors, bias])
        assert torch.autograd.gradgradcheck(function, [*tensors, bias])
    assert torch.autograd.gradgradcheck(lambda *x: function(*x)[1], tensors)
    rows = [x.transpose(1, 2).flatten(0, 1).detach().requires_grad_() for x in tensors]

    def packed(*x):
        return lt.varlen_attention(*x, [0, 2, 6], [0, 5, 8], enable_gqa=True, return_lse=True)

    assert torch.autograd.gradgradcheck(packed, rows)


def test_second_gradients_of_the_log_sum_exp_and_sinks():
    """As dense tensors have them, in float32; a sink of float32 is nothing that a check by differences can step on."""

    def reference(q, k, v, z):
        scores = torch.cat([q @ k.mT / q.size(-1) ** 0.5, z[:, None, None].expand(2, 4, 9, 1)], -1)
        return scores.softmax(-1)[..., :13] @ v, scores.logsumexp(-1)

    def second(function, tensors, weights):
        out, lse = function(*tensors)
        loss = (out * weights[0]).sum() + (lse.square() * weights[1]).sum()
        first = torch.autograd.grad(loss, tensors, create_graph=True)
        return torch.autograd.grad(sum(x.square().sum() for x in first), tensors)

    tensors = [*inputs(), torch.randn(4, requires_grad=True)]
    weights = torch.randn(2, 4, 9, 6), torch.randn(2, 4, 9)

    def ours(q, k, v, z):
        return lt.scaled_dot_product_attention(q, k, v, sinks=z, return_lse=True)

    expected = second(reference, doubled(tensors), [x.double() for x in weights])
    for got, wanted in zip(second(ours, tensors, weights), expected):
        close(got, wanted, 1e-4)


def test_a_sink_without_keys_is_its_log_sum_exp():
    q = torch.randn(2, 4, 3, 8, requires_grad=True)
    sinks = torch.tensor([0.5, -1.0, 2.0, 0.0], requires_grad=True)
    weights = torch.randn(2, 4, 3)
    nothing = torch.zeros(3, 3, dtype=torch.bool)
    for options in ({"key_lengths": [0, 0]}, {"attn_mask": nothing}, {"window": (0, 0), "query_offset": 9}):
        lse = lt.scaled_dot_product_attention(q, q, q, sinks=sinks, **options, return_lse=True)[1]
        close(lse, sinks.detach()[:, None].expand(2, 4, 3))
        by_q, by_sinks = torch.autograd.grad((lse * weights).sum(), [q, sinks])
        assert not by_q.any()
        close(by_sinks, weights.sum((0, 2)))
    none = q[:, :, :0].detach()
    lse = lt.scaled_dot_product_attention(q, none, none, sinks=sinks, return_lse=True)[1]
    close(torch.autograd.grad((lse * weights).sum(), sinks)[0], weights.sum((0, 2)))
