"""libattn.torch: packed sequences against each sequence alone."""

from torch_reference import close, dense, gradients_twice, torch

import libattn.torch as lt


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
