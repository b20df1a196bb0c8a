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


def test_the_log_sum_exps_gradient_is_not_differentiated():
    q, k, v = inputs()
    lse = lt.scaled_dot_product_attention(q, k, v, return_lse=True)[1]
    (gradient,) = torch.autograd.grad(lse.sum(), q, create_graph=True)
    with pytest.raises(NotImplementedError, match="log-sum-exp"):
        gradient.sum().backward()
    out = lt.scaled_dot_product_attention(q, k, v, return_lse=True)[0]
    (gradient,) = torch.autograd.grad(out.sum(), q, create_graph=True)
    gradient.sum().backward()  # of the result alone they are
