"""libattn.torch: gradients of gradients against PyTorch's own in float64, and what has none."""

import pytest

from torch_reference import close, dense, doubled, gradients_twice, inputs, torch

import libattn.torch as lt

FAR = torch.triu(torch.ones(9, 13, dtype=torch.bool), 2)


@pytest.mark.parametrize("case", ["plain", "grouped", "causal", "mask", "bias", "lengths", "softcap", "sinks", "learnt bias"])
def test_gradients_of_gradients(case):
    tensors = inputs(HK=2 if case == "grouped" else 4)
    if case == "sinks":
        tensors.append(torch.randn(4, requires_grad=True))
    if case == "learnt bias":
        tensors.append(torch.randn(4, 1, 13, requires_grad=True))
    options, wide = {}, {}
    if case == "grouped":
        options["enable_gqa"] = True
    if case == "causal":
        after = torch.triu(torch.ones(9, 13, dtype=torch.bool), 1)
        options, wide = {"is_causal": True}, {"bias": torch.zeros(9, 13).masked_fill(after, -torch.inf)}
    if case == "mask":
        options, wide = {"attn_mask": ~FAR}, {"bias": torch.zeros(9, 13).masked_fill(FAR, -torch.inf)}
    if case == "bias":
        options["attn_mask"] = wide["bias"] = torch.randn(4, 9, 13)
    if case == "lengths":
        gone = torch.arange(13) >= torch.tensor([13, 5])[:, None, None, None]
        options, wide = {"key_lengths": [13, 5]}, {"bias": torch.zeros(2, 1, 1, 13).masked_fill(gone, -torch.inf)}
    if case == "softcap":
        options = wide = {"softcap": 0.7}

    def ours(q, k, v, fourth=None):
        if case == "learnt bias":
            return lt.scaled_dot_product_attention(q, k, v, fourth)
        return lt.scaled_dot_product_attention(q, k, v, **options, sinks=fourth)

    def reference(q, k, v, fourth=None):
        if case == "learnt bias":
            return dense(q, k, v, bias=fourth)
        return dense(q, k, v, sinks=fourth, **{n: x.double() if n == "bias" else x for n, x in wide.items()})

    weights = [torch.randn(2, 4, 9, 6), *(torch.randn_like(x) for x in tensors)]
    got = gradients_twice(ours, tensors, weights)
    expected = gradients_twice(reference, doubled(tensors), [x.double() for x in weights])
    for a, b in zip(got, expected):
        close(a, b, 1e-4)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float16, 2e-3), (torch.bfloat16, 1.6e-2)])
@pytest.mark.parametrize("case", ["plain", "learnt bias", "narrow bias", "sinks"])
def test_gradients_of_gradients_of_narrow_elements(case, dtype, tolerance):
    tensors = [x.detach().to(dtype).requires_grad_() for x in inputs(HK=2)]
    if "bias" in case:
        tensors.append(torch.randn(4, 1, 13).to(dtype if case == "narrow bias" else torch.float32).requires_grad_())
    if case == "sinks":
        tensors.append(torch.randn(4, requires_grad=True))
    after = torch.zeros(9, 13).masked_fill(torch.triu(torch.ones(9, 13, dtype=torch.bool), 1), -torch.inf)

    def ours(q, k, v, fourth=None):
        options = {"sinks": fourth} if case == "sinks" else {"attn_mask": fourth}
        return lt.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True, **options)

    def reference(q, k, v, fourth=None):
        sinks = fourth if case == "sinks" else None
        return dense(q, k, v, bias=after if fourth is sinks else after + fourth, sinks=sinks)

    weights = [torch.randn(2, 4, 9, 6).to(dtype), *(torch.randn_like(x) for x in tensors)]
    got = gradients_twice(ours, tensors, weights)
    expected = gradients_twice(reference, doubled(tensors), [x.double() for x in weights])
    for a, b, x in zip(got, expected, [*tensors, weights[0]]):
        assert a.dtype == x.dtype and a.shape == b.shape
        assert (a.double() - b).abs().max() <= tolerance * max(1.0, b.abs().max().item())


def test_gradcheck_and_gradgradcheck():
    tensors = [x.detach().double().requires_grad_() for x in inputs(H=4, HK=2, T=3, S=4, D=5, DV=2)]
    bias = torch.randn(4, 1, 4, dtype=torch.float64, requires_grad=True)
    for options in ({}, {"is_causal": True}, {"softcap": 2.0}, {"window": (1, 0), "dropout_p": 0.3, "seed": 5}):

        def function(*x):
            return lt.scaled_dot_product_attention(*x, enable_gqa=True, **options)

        for arguments in (tensors, [*tensors, bias]):
            assert torch.autograd.gradcheck(function, arguments)
            assert torch.autograd.gradgradcheck(function, arguments)


def test_a_gradient_penalty_is_learnt_from():
    """As of a module whose loss contains a gradient."""
    torch.manual_seed(63)
    module = lt.MultiheadAttention(8, 2, batch_first=True)
    reference = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
    reference.load_state_dict(module.state_dict())
    x = torch.randn(2, 5, 8)
    results = []
    for net, y in ((module, x), (reference, x.double())):
        y = y.requires_grad_()
        (slope,) = torch.autograd.grad(net(y, y, y, need_weights=True)[0].square().sum(), y, create_graph=True)
        slope.square().sum().backward()
        results.append([p.grad for p in net.parameters()])
    for a, b in zip(*results):
        close(a, b, 1e-4)


def test_what_is_not_differentiated_twice_is_refused():
    q, k, v = inputs()
    w = torch.randn(4, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(lt.additive_attention(q, k, v, w).sum(), q, create_graph=True)
    with pytest.raises(NotImplementedError, match="additive scores"):
        gradient.sum().backward()
    (gradient,) = torch.autograd.grad(lt.scaled_dot_product_attention(q, k, v).sum(), q, create_graph=True)
    (second,) = torch.autograd.grad(gradient.sum(), k, create_graph=True)
    with pytest.raises(NotImplementedError, match="third"):
        second.sum().backward()
