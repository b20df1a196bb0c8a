"""libattn.torch: the module beside PyTorch's."""

import pytest

from torch_reference import close, torch

import libattn.torch as lt


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("case", ["self", "cross", "unbatched", "dimensions", "bias", "zeros", "bias and zeros"])
def test_module(case, batch_first):
    torch.manual_seed(61)
    sizes = {"kdim": 10, "vdim": 7} if case == "dimensions" else {}
    sizes.update(add_bias_kv=case.startswith("bias"), add_zero_attn=case.endswith("zeros"))
    ours = lt.MultiheadAttention(12, 3, batch_first=batch_first, **sizes)
    theirs = torch.nn.MultiheadAttention(12, 3, batch_first=batch_first, **sizes)
    theirs.load_state_dict(ours.state_dict())
    theirs.double()

    def draw(length, size):
        shape = (length, size) if case == "unbatched" else (2, length, size) if batch_first else (length, 2, size)
        return torch.randn(shape, requires_grad=True)

    q = draw(5, 12)
    tensors = [q, q, q] if case == "self" else [q, draw(7, sizes.get("kdim", 12)), draw(7, sizes.get("vdim", 12))]
    S = 5 if case == "self" else 7
    padding = torch.zeros(2, S, dtype=torch.bool)
    padding[0, -2:] = True
    padding = padding[0] if case == "unbatched" else padding
    far = torch.triu(torch.ones(5, S, dtype=torch.bool), 2)
    batch = 1 if case == "unbatched" else 2
    for options in (
        {},
        {"need_weights": False},
        {"average_attn_weights": False},
        {"attn_mask": far},
        {"attn_mask": torch.randn(5, S)},
        {"attn_mask": torch.randn(3 * batch, 5, S), "key_padding_mask": padding},
        {"attn_mask": far, "key_padding_mask": padding},
        {"attn_mask": torch.triu(torch.ones(5, S, dtype=torch.bool), 1), "is_causal": True},
    ):
        doubles = [x.detach().double().requires_grad_() for x in tensors]
        doubles = [doubles[0]] * 3 if case == "self" else doubles
        wide = {n: x.double() if getattr(x, "dtype", None) == torch.float32 else x for n, x in options.items()}
        got, expected = ours(*tensors, **options), theirs(*doubles, **wide)
        close(got[0], expected[0])
        assert (got[1] is None) == (expected[1] is None)
        if got[1] is not None:
            close(got[1], expected[1])
        ours.zero_grad()
        theirs.zero_grad()
        losses = [sum(x.square().sum() for x in results if x is not None) for results in (got, expected)]
        gradient = torch.autograd.grad(losses[0], [q, *ours.parameters()])
        for a, b in zip(gradient, torch.autograd.grad(losses[1], [doubles[0], *theirs.parameters()])):
            close(a, b)


def test_module_without_what_pytorchs_lacks():
    torch.manual_seed(62)
    module = lt.MultiheadAttention(12, 3, batch_first=True, dropout=0.5)
    x = torch.randn(2, 5, 12)
    causal = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    module.eval()
    close(module(x, x, x, is_causal=True)[0], module(x, x, x, attn_mask=causal)[0])
    nothing = module(x, x, x, key_padding_mask=torch.ones(2, 5, dtype=torch.bool))
    close(nothing[0], module.out_proj.bias.expand(2, 5, 12))
    still = module(x, x, x)[0]
    module.train()
    assert not torch.equal(module(x, x, x)[0], still)


def test_added_keys_are_seen_by_causal_queries():
    torch.manual_seed(63)
    module = lt.MultiheadAttention(12, 3, batch_first=True, add_bias_kv=True, add_zero_attn=True)
    x = torch.randn(2, 5, 12)
    causal = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    for got, expected in zip(module(x, x, x, is_causal=True), module(x, x, x, attn_mask=causal)):
        close(got, expected)
    (weights,) = module(x, x, x, is_causal=True)[1:]
    assert weights.shape == (2, 5, 7) and (weights[:, 0, 1:5] == 0).all() and (weights[:, :, 5:] > 0).all()


def test_weights_are_differentiated_with_their_mask_and_twice():
    from libattn.torch_gradients import attention_weights

    torch.manual_seed(64)
    q, k, mask = (torch.randn(*shape, dtype=torch.float64) for shape in ((2, 3, 4, 5), (2, 3, 6, 5), (3, 1, 6)))
    mask[:, :, 2] = -torch.inf
    inputs = [x.requires_grad_() for x in (q, k)]
    bias = torch.randn(3, 1, 6, dtype=torch.float64, requires_grad=True)

    def function(q, k, bias):
        return attention_weights(q, k, torch.where(mask.isinf(), mask, bias), True, 1)

    assert torch.autograd.gradcheck(function, (*inputs, bias))
    assert torch.autograd.gradgradcheck(function, (*inputs, bias))
