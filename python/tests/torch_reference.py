"""What the tests of libattn.torch compare with: PyTorch in float64. Tests that import this are skipped where PyTorch is not installed."""

import pytest

torch = pytest.importorskip("torch")

sdpa = torch.nn.functional.scaled_dot_product_attention


def close(got, expected, tolerance=2e-5):
    assert got.shape == expected.shape
    assert got.dtype == torch.float32
    assert (got.double() - expected.double()).abs().max() <= tolerance * max(1.0, expected.abs().max().item())


def inputs(H=4, HK=4, T=9, S=13, D=8, DV=6):
    torch.manual_seed(60)
    return [torch.randn(2, *shape, requires_grad=True) for shape in ((H, T, D), (HK, S, D), (HK, S, DV))]


def doubled(tensors):
    return [x.detach().double().requires_grad_() for x in tensors]


def compare(function, reference, tensors):
    doubles = doubled(tensors)
    out, expected = function(*tensors), reference(*doubles)
    close(out, expected)
    grad_out = torch.randn_like(out)
    gradients = torch.autograd.grad(out, tensors, grad_out)
    for got, wanted in zip(gradients, torch.autograd.grad(expected, doubles, grad_out.double())):
        close(got, wanted)


def dense(q, k, v, bias=None, sinks=None, softcap=0.0):
    k, v = (x.repeat_interleave(q.size(1) // x.size(1), 1) for x in (k, v))
    scores = q @ k.mT / q.size(-1) ** 0.5
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    if bias is not None:
        scores = scores + bias
    if sinks is not None:
        scores = torch.cat([scores, sinks[:, None, None].expand(*scores.shape[:-1], 1)], -1)
    return scores.softmax(-1)[..., : k.size(2)] @ v


def gradients_twice(function, tensors, weights):
    """The gradients, by the tensors and the outer gradient, of a loss of the first gradients."""
    grad_out, *factors = weights
    grad_out = grad_out.detach().requires_grad_()
    first = torch.autograd.grad(function(*tensors), tensors, grad_out, create_graph=True)
    loss = sum((x * w).sum() + x.square().sum() for x, w in zip(first, factors))
    return torch.autograd.grad(loss, [*tensors, grad_out])
