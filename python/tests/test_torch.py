"""libattn.torch: its gradients against PyTorch's own in float64, and the module beside PyTorch's. Run where PyTorch is
installed."""

import pytest

torch = pytest.importorskip("torch")

import libattn.torch as lt  # noqa: E402

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


def packed_tensors(queries=(3, 0, 5, 1), keys=(4, 2, 3, 6), H=4, HK=2, D=5, DV=3, dtype=torch.float64):
    """Packed sequences, one of them without queries, and where they start."""
    torch.manual_seed(64)
    shapes = (sum(queries), H, D), (sum(keys), HK, D), (sum(keys), HK, DV)
    tensors = [torch.randn(*shape, dtype=dtype, requires_grad=True) for shape in shapes]
    starts = [torch.tensor([0, *n]).cumsum(0) for n in (queries, keys)]
    return tensors, starts


def sequence_by_sequence(tensors, starts, bias=None, **options):
    """(T, H, DV), each sequence attended to alone by dense attention."""
    outs = []
    for b in range(len(starts[0]) - 1):
        q, k, v = (x[s[b] : s[b + 1]].transpose(0, 1)[None] for x, s in zip(tensors, (starts[0], starts[1], starts[1])))
        part = None if bias is None else bias[..., : q.size(2), : k.size(2)]
        outs.append(dense(q, k, v, bias=part, **options)[0].transpose(0, 1))
    return torch.cat(outs)


def test_gradients_of_packed_sequences():
    tensors, starts = packed_tensors()
    tensors += [torch.randn(4, 5, 6, dtype=torch.float64, requires_grad=True), torch.randn(4, dtype=torch.float64, requires_grad=True)]
    weights = [torch.randn(9, 4, 3), *(torch.randn_like(x) for x in tensors)]

    def ours(q, k, v, bias, sinks):
        return lt.varlen_attention(q, k, v, *starts, bias, enable_gqa=True, sinks=sinks, softcap=2.0)

    def reference(q, k, v, bias, sinks):
        return sequence_by_sequence((q, k, v), starts, bias, sinks=sinks, softcap=2.0)

    singles = [x.detach().float().requires_grad_() for x in tensors]
    out, expected = ours(*singles), reference(*tensors)
    close(out, expected)
    for got, wanted in zip(torch.autograd.grad(out.sum(), singles), torch.autograd.grad(expected.sum(), tensors)):
        close(got, wanted)
    got = gradients_twice(ours, singles, [x.float() for x in weights])
    for a, b in zip(got, gradients_twice(reference, tensors, [x.double() for x in weights])):
        close(a, b, 1e-4)


def test_gradcheck_of_packed_sequences():
    tensors, starts = packed_tensors(queries=(2, 0, 3), keys=(3, 1, 2))
    bias = torch.randn(3, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    for options in ({}, {"is_causal": True, "query_offset": [1, 0, -1]}, {"dropout_p": 0.3, "seed": 5}):

        def function(*x):
            return lt.varlen_attention(*x[:3], *starts, *x[3:], enable_gqa=True, **options)

        for arguments in (tensors, [*tensors, bias]):
            assert torch.autograd.gradcheck(function, arguments)
            assert torch.autograd.gradgradcheck(function, arguments)


def test_options_may_change_after_the_forward_pass():
    tensors, starts = packed_tensors()
    fixed = [s.clone() for s in starts]
    out = lt.varlen_attention(*tensors, *starts, enable_gqa=True)
    for s in starts:
        s.zero_()
    again = lt.varlen_attention(*tensors, *fixed, enable_gqa=True)
    for a, b in zip(torch.autograd.grad(out.sum(), tensors), torch.autograd.grad(again.sum(), tensors)):
        assert torch.equal(a, b)


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


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("case", ["self", "cross", "unbatched", "dimensions"])
def test_module(case, batch_first):
    torch.manual_seed(61)
    sizes = {"kdim": 10, "vdim": 7} if case == "dimensions" else {}
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
        gradient = torch.autograd.grad(got[0].square().sum(), [q, *ours.parameters()])
        for a, b in zip(gradient, torch.autograd.grad(expected[0].square().sum(), [doubles[0], *theirs.parameters()])):
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
    for option in ("add_bias_kv", "add_zero_attn"):
        with pytest.raises(ValueError, match=option):
            lt.MultiheadAttention(12, 3, **{option: True})


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
