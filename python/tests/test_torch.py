"""libattn.torch: its gradients against PyTorch's own in float64, its types, its options."""

import pytest

from torch_reference import close, compare, doubled, inputs, sdpa, torch

import libattn.torch as lt


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.3}, {"enable_gqa": True}])
def test_gradients_in_float64(options):
    tensors = inputs(HK=2 if "enable_gqa" in options else 4)
    compare(lambda *x: lt.scaled_dot_product_attention(*x, **options), lambda *x: sdpa(*x, **options), tensors)


def test_gradients_of_masks():
    for shape in ((9, 13), (4, 1, 13), (2, 1, 9, 13)):
        bias = torch.randn(shape, requires_grad=True)
        compare(lt.scaled_dot_product_attention, sdpa, [*inputs(), bias])
    repeated = torch.randn(4, 1, 13, requires_grad=True)
    compare(
        lambda q, k, v, m: lt.scaled_dot_product_attention(q, k, v, m.expand(2, 4, 9, 13)),
        lambda q, k, v, m: sdpa(q, k, v, m.expand(2, 4, 9, 13)),
        [*inputs(), repeated],
    )


def test_gradients_of_sinks():
    def reference(q, k, v, z):
        scores = q @ k.mT / q.size(-1) ** 0.5
        sink = z[:, None, None].expand(*scores.shape[:-1], 1)
        return torch.cat([scores, sink], -1).softmax(-1)[..., :-1] @ v

    tensors = [*inputs(), torch.randn(4, requires_grad=True)]
    compare(lambda q, k, v, z: lt.scaled_dot_product_attention(q, k, v, sinks=z), reference, tensors)


def test_gradients_of_additive_attention():
    def reference(q, k, v, w):
        t = torch.tanh(q[:, :, :, None] + k[:, :, None])
        return torch.einsum("bhijd,hd->bhij", t, w).softmax(-1) @ v

    compare(lt.additive_attention, reference, [*inputs(), torch.randn(4, 8, requires_grad=True)])


def test_dropout_follows_pytorchs_seed():
    q, k, _ = inputs()
    v = torch.eye(13).expand(2, 4, 13, 13).requires_grad_()

    def run():
        torch.manual_seed(1)
        out = lt.scaled_dot_product_attention(q, k, v, dropout_p=0.4)
        return out, torch.autograd.grad(out.sum(), v)[0]

    (out, gradient), again = run(), run()[0]
    assert torch.equal(out, again) and (out == 0).any()
    close(gradient, out.mT.sum(-1, keepdim=True).expand(2, 4, 13, 13))
    assert not torch.equal(out, lt.scaled_dot_product_attention(q, k, v, dropout_p=0.4))


def test_only_what_is_asked_for_is_recorded():
    q, k, v = inputs()
    plain = [x.detach() for x in (q, k, v)]
    assert lt.scaled_dot_product_attention(*plain).grad_fn is None
    with torch.no_grad():
        assert lt.scaled_dot_product_attention(q, k, v).grad_fn is None
    assert all(x.grad_fn is None for x in lt.scaled_dot_product_attention(*plain, return_lse=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    module, x = lt.MultiheadAttention(16, 4, batch_first=True), torch.randn(2, 5, 16)
    w, narrow = torch.randn(4, 8, requires_grad=True), torch.randn(2, 4, 5, 8).to(dtype)
    q, _, _ = inputs(T=5)
    with torch.autocast("cpu", dtype=dtype):
        for out in (*module(x, x, x), lt.scaled_dot_product_attention(q, narrow, narrow.float())):
            assert out.dtype == dtype
        assert lt.additive_attention(q, narrow, q, w).dtype == dtype
        assert lt.scaled_dot_product_attention(*[q.double()] * 3).dtype == torch.float64
    expected = sdpa(q.to(dtype), narrow, narrow).sum()
    with torch.autocast("cpu", dtype=dtype):
        out = lt.scaled_dot_product_attention(q, narrow, narrow).sum()
    got, wanted = (torch.autograd.grad(x, q)[0] for x in (out, expected))
    assert got.dtype == torch.float32 and (got - wanted).abs().max() < 0.05


@pytest.mark.parametrize("dtype, tolerance", [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_narrow_elements(dtype, tolerance):
    tensors = [x.detach().to(dtype).requires_grad_() for x in inputs()]
    bias = torch.randn(4, 9, 13).to(dtype).requires_grad_()
    doubles = doubled([*tensors, bias])
    out, expected = lt.scaled_dot_product_attention(*tensors, bias), sdpa(*doubles)
    grad_out = torch.randn_like(out)
    gradients = torch.autograd.grad(out, [*tensors, bias], grad_out)
    wanted = torch.autograd.grad(expected, doubles, grad_out.double())
    for got, right in zip((out, *gradients), (expected, *wanted)):
        assert got.dtype == dtype
        assert (got.double() - right).abs().max() <= tolerance * max(1.0, right.abs().max().item())
    module = lt.MultiheadAttention(8, 2, batch_first=True).to(dtype)
    x, padding = torch.randn(2, 5, 8).to(dtype), torch.zeros(2, 5, dtype=torch.bool)
    padding[0, 3:] = True
    for y in module(x, x, x, key_padding_mask=padding, attn_mask=torch.zeros(5, 5).to(dtype)):
        assert y.dtype == dtype


def test_functions_of_scores():
    """Whose derivative PyTorch finds, or the caller gives; of what they read besides none is made."""
    weight = torch.tensor(0.25, requires_grad=True)

    def bent(scores, tile):
        return scores + weight * torch.sin(3 * scores)

    def earlier(tile):
        return torch.arange(tile.key, tile.key + tile.keys) <= torch.arange(tile.queries)[:, None] + tile.position

    def reference(q, k, v):
        scores = q @ k.mT / q.size(-1) ** 0.5
        scores = bent(scores, None).masked_fill(torch.triu(torch.ones(9, 13, dtype=torch.bool), 1), -torch.inf)
        return scores.softmax(-1) @ v

    def slope(scores, tile):
        return 1 + weight * 3 * torch.cos(3 * scores)

    import libattn

    for function in (bent, libattn.ScoreFunction(bent), libattn.ScoreFunction(bent, slope)):
        compare(
            lambda *x: lt.scaled_dot_product_attention(*x, score_function=function, mask_function=earlier),
            reference,
            inputs(),
        )
    q, k, v = inputs()
    out = lt.scaled_dot_product_attention(q, k, v, score_function=lambda scores, tile: torch.ones_like(scores))
    assert not any(x.any() for x in torch.autograd.grad(out.sum(), [q, k]))
    (gradient,) = torch.autograd.grad(
        lt.scaled_dot_product_attention(q, k, v, score_function=bent).sum(), q, create_graph=True
    )
    with pytest.raises(NotImplementedError, match="score_function"):
        gradient.sum().backward()


@pytest.mark.parametrize("case", ["plain", "lse", "packed", "additive"])
def test_gradients_of_slopes(case):
    def reference(q, k, v, slopes, w=None):
        distance = (torch.arange(9)[:, None] + 2 - torch.arange(13)).abs()
        scores = q @ k.mT / q.size(-1) ** 0.5
        if case == "additive":
            scores = torch.einsum("bhijd,hd->bhij", torch.tanh(q[:, :, :, None] + k[:, :, None]), w)
        scores = scores - slopes[:, None, None] * distance
        return scores.softmax(-1) @ v * (scores.logsumexp(-1)[..., None] if case == "lse" else 1)

    def ours(q, k, v, slopes, w=None):
        options = {"alibi_slopes": slopes, "query_offset": 2}
        if case == "additive":
            return lt.additive_attention(q, k, v, w, **options)
        if case == "packed":
            x = [x.transpose(1, 2).flatten(0, 1) for x in (q, k, v)]
            out = lt.varlen_attention(*x, [0, 9, 18], [0, 13, 26], **options)
            return out.unflatten(0, (2, 9)).transpose(1, 2)
        if case == "lse":
            out, lse = lt.scaled_dot_product_attention(q, k, v, **options, return_lse=True)
            return out * lse[..., None]
        return lt.scaled_dot_product_attention(q, k, v, **options)

    more = [torch.randn(4, 8, requires_grad=True)] if case == "additive" else []
    compare(ours, reference, [*inputs(), torch.rand(4, requires_grad=True), *more])


@pytest.mark.filterwarnings("ignore:Input #3 requires gradient and is not a double")
def test_gradcheck_of_slopes():
    # Of float32, as slopes are: numbers that a step of 2^-8 changes without rounding.
    slopes = torch.tensor([0.5, -0.25, 0.125, 0.0], requires_grad=True)
    tensors = [x.detach().double().requires_grad_() for x in inputs(H=4, HK=2, T=3, S=4, D=5, DV=2)]
    for options in ({"is_causal": True}, {"softcap": 2.0, "window": (1, 1)}, {"dropout_p": 0.3, "seed": 5}):

        def function(q, k, v, slopes):
            return lt.scaled_dot_product_attention(q, k, v, alibi_slopes=slopes, enable_gqa=True, **options)

        assert torch.autograd.gradcheck(function, [*tensors, slopes], eps=2**-8, atol=1e-4)
    out = lt.scaled_dot_product_attention(*tensors, alibi_slopes=slopes, enable_gqa=True)
    first = torch.autograd.grad(out.sum(), [tensors[0], slopes], create_graph=True)
    for gradient, by in ((first[0], slopes), (first[1], tensors[0])):
        with pytest.raises(NotImplementedError, match="alibi_slopes"):
            torch.autograd.grad(gradient.sum(), by, retain_graph=True)


def test_tangents_are_refused():
    forward_ad = torch.autograd.forward_ad
    with torch.no_grad():
        tensors = [x.detach() for x in inputs()]
    plain = lt.scaled_dot_product_attention(*tensors)
    slopes = torch.rand(tensors[0].size(1))
    with forward_ad.dual_level():
        assert torch.equal(lt.scaled_dot_product_attention(*tensors), plain)
        for n in range(3):
            dual = [forward_ad.make_dual(x, x) if i == n else x for i, x in enumerate(tensors)]
            with pytest.raises(NotImplementedError, match="forward-mode"):
                lt.scaled_dot_product_attention(*dual)
        with pytest.raises(NotImplementedError, match="forward-mode"):
            lt.scaled_dot_product_attention(*tensors, alibi_slopes=forward_ad.make_dual(slopes, slopes))


def test_negated_tensors():
    """Lazily negated inputs and gradients, as imaginary parts of what is conjugate are, once and twice."""
    tensors = inputs()
    compare(
        lambda q, k, v: lt.scaled_dot_product_attention(torch._neg_view(q), k, torch._neg_view(v)),
        lambda q, k, v: sdpa(-q, k, -v),
        tensors,
    )
    with torch.no_grad():
        out = lt.scaled_dot_product_attention(*(torch._neg_view(x) for x in tensors))
        close(out, sdpa(*(-x for x in tensors)))

    class NegatedGradient(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return torch._neg_view(gradient)

    q, k, v = tensors

    def twice(function):
        out = NegatedGradient.apply(function(q, k, v))
        gradients = torch.autograd.grad(out.square().sum(), tensors, create_graph=True)
        return [*gradients, *torch.autograd.grad(sum(torch._neg_view(x).square().sum() for x in gradients), tensors)]

    for got, expected in zip(twice(lt.scaled_dot_product_attention), twice(sdpa)):
        close(got, expected, 1e-4)
