"""The package on PyTorch's tensors, beside PyTorch's own function. Run where PyTorch is installed."""

import libattn
import pytest

torch = pytest.importorskip("torch")
sdpa = torch.nn.functional.scaled_dot_product_attention


def draw(H=4, HK=4, T=33, S=57, D=32):
    torch.manual_seed(40)
    return torch.randn(2, H, T, D), torch.randn(2, HK, S, D), torch.randn(2, HK, S, D)


@pytest.mark.parametrize(
    "options",
    [{}, {"is_causal": True}, {"scale": 0.3}, {"enable_gqa": True}, {"enable_gqa": True, "is_causal": True}],
)
def test_as_pytorch(options):
    q, k, v = draw(HK=2 if "enable_gqa" in options else 4)
    out = libattn.scaled_dot_product_attention(q, k, v, **options)
    assert type(out) is torch.Tensor
    torch.testing.assert_close(out, sdpa(q, k, v, **options), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("shape", [(33, 57), (1, 57), (4, 33, 57), (2, 1, 33, 57), (2, 4, 1, 57)])
def test_masks_as_pytorch(shape):
    q, k, v = draw()
    for mask in (torch.rand(shape) < 0.7, torch.randn(shape)):
        out = libattn.scaled_dot_product_attention(q, k, v, mask)
        torch.testing.assert_close(out, sdpa(q, k, v, mask), atol=2e-6, rtol=1e-5)


def test_strides():
    packed = torch.randn(2, 33, 3, 4, 32)
    q, k, v = packed.permute(2, 0, 3, 1, 4)
    out = libattn.scaled_dot_product_attention(q, k[:1].expand_as(k), v)
    torch.testing.assert_close(out, sdpa(q, k[:1].expand_as(k), v), atol=2e-6, rtol=1e-5)


def test_backward_as_autograd():
    q, k, v = draw()
    mask = torch.randn(4, 1, 57)
    out, lse = libattn.scaled_dot_product_attention(q, k, v, mask, return_lse=True)
    grad_out = torch.randn_like(out)
    gradients = libattn.attention_backward(grad_out, q, k, v, out, lse, mask)
    inputs = {"query": q, "key": k, "value": v, "attn_mask": mask}
    for x in inputs.values():
        x.requires_grad_()
    expected = torch.autograd.grad(sdpa(q, k, v, mask), list(inputs.values()), grad_out)
    for name, gradient in zip(inputs, expected):
        torch.testing.assert_close(gradients[name], gradient, atol=2e-5, rtol=1e-4)


def test_other_arrays_beside_tensors():
    q, k, v = draw()
    out = torch.empty(2, 4, 33, 32)
    assert libattn.scaled_dot_product_attention(q, k.numpy(), v, out=out) is out
    torch.testing.assert_close(out, sdpa(q, k, v), atol=2e-6, rtol=1e-5)
    lengths = libattn.scaled_dot_product_attention(q.numpy(), k, v, key_lengths=torch.tensor([57, 20]))
    torch.testing.assert_close(torch.from_numpy(lengths[0]), out[0])


def test_recorded_tensors_are_refused():
    q, k, v = draw()
    q.requires_grad_()
    with pytest.raises(ValueError, match="query: requires a gradient"):
        libattn.scaled_dot_product_attention(q, k, v)
    with torch.no_grad():
        libattn.scaled_dot_product_attention(q, k, v)
    with pytest.raises(TypeError, match="bfloat16"):
        libattn.scaled_dot_product_attention(q.detach().bfloat16(), k, v)
    for nowhere in (torch.empty(2, 4, 33, 32, device="meta"), torch.zeros(2, 4, 33, 32).to_sparse()):
        with pytest.raises(TypeError, match="query: expected a dense array of numbers in the CPU's memory"):
            libattn.scaled_dot_product_attention(nowhere, k, v)


def test_negated_tensors_are_refused():
    q, k, v = draw()
    negated = torch._neg_view(q)
    imaginary = torch.complex(q, q).conj().imag
    for wrong in (negated, imaginary):
        assert wrong.is_neg()
        with pytest.raises(ValueError, match=r"query: has its negative bit set.*query.resolve_neg\(\)"):
            libattn.scaled_dot_product_attention(wrong, k, v)
    with pytest.raises(ValueError, match="out: has its negative bit set"):
        libattn.scaled_dot_product_attention(q, k, v, out=negated)
    out = libattn.scaled_dot_product_attention(negated.resolve_neg(), k, v)
    torch.testing.assert_close(out, sdpa(-q, k, v), atol=2e-6, rtol=1e-5)
    with pytest.raises(TypeError, match="query: expected elements of .*, got complex64"):
        libattn.scaled_dot_product_attention(torch.complex(q, q).conj().resolve_conj(), k, v)
    with pytest.raises((TypeError, ValueError), match="query: "):
        libattn.scaled_dot_product_attention(torch.complex(q, q).conj(), k, v)
