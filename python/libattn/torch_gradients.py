"""How PyTorch differentiates the functions of libattn.torch, once and twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from . import additive, attention, double_backward, varlen, weights
from .tile_functions import CFunction, ScoreFunction, Tile

# What gradients are computed of, in the order of the function's arguments.
_INPUTS = ("query", "key", "value", "attn_mask", "sinks", "alibi_slopes", "score_vector")


class Calls(NamedTuple):
    """One kind of attention, forward, backward and twice."""

    forward: Callable[..., Any]
    backward: Callable[..., dict[str, Tensor]]
    double_backward: Callable[..., dict[str, Tensor]] | None


SCALED = Calls(
    attention.scaled_dot_product_attention, attention.attention_backward, double_backward.attention_double_backward
)
PACKED = Calls(varlen.varlen_attention, varlen.varlen_attention_backward, varlen.varlen_attention_double_backward)
ADDITIVE = Calls(additive.additive_attention, additive.additive_attention_backward, None)


def _given(tensors: Sequence[Tensor | None]) -> dict[str, Tensor]:
    return {name: x for name, x in zip(_INPUTS, tensors) if x is not None}


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        *tensors, calls, options = arguments
        out, lse = calls.forward(**_given(tensors), **options, return_lse=True)
        ctx.save_for_backward(out, lse, *tensors)
        ctx.calls, ctx.options = calls, options
        ctx.set_materialize_grads(False)
        return out, lse

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor | None, grad_lse: Tensor | None) -> tuple[Tensor | None, ...]:
        out, lse, *tensors = ctx.saved_tensors
        if grad_out is None:
            grad_out = torch.zeros_like(out)
        wanted = [name for name, needed in zip(_INPUTS, ctx.needs_input_grad) if needed]
        arguments = (grad_out, grad_lse, out, lse, *tensors, ctx.calls, ctx.options, wanted)
        found = _Gradients.apply(*arguments) if torch.is_grad_enabled() else _gradients(*arguments)
        gradients = dict(zip(wanted, found))
        return *(gradients.get(name) for name in _INPUTS), None, None


def _rows(x: Tensor) -> Tensor:
    """x with its last dimension contiguous, which a gradient as of sum() is not: it repeats one number; and its numbers in
    its memory, unlike those of a gradient by the imaginary part of something conjugate."""
    if x.is_neg():
        x = x.resolve_neg()
    return x if x.stride(-1) == 1 or x.size(-1) < 2 else x.contiguous()


def _gradients(
    grad_out: Tensor, grad_lse: Tensor | None, out: Tensor, lse: Tensor, *arguments: Any
) -> tuple[Tensor, ...]:
    """Those of the wanted inputs, in their order."""
    *tensors, calls, options, wanted = arguments
    results = dict(out=out, lse=lse, grad_lse=None if grad_lse is None else grad_lse.resolve_neg())
    found = calls.backward(_rows(grad_out), **results, **_given(tensors), **options, gradients=wanted)
    return tuple(found[name] for name in wanted)


class _Gradients(torch.autograd.Function):
    """The gradients as a function of what they are computed from. out and lse are the inputs' own: what a loss of the
    gradients owes to them is in the gradients by the inputs."""

    @staticmethod
    def forward(
        ctx: Any, grad_out: Tensor, grad_lse: Tensor | None, out: Tensor, lse: Tensor, *arguments: Any
    ) -> tuple[Tensor, ...]:
        *tensors, calls, options, wanted = arguments
        grad_out = _rows(grad_out)
        grad_lse = None if grad_lse is None else grad_lse.resolve_neg()
        ctx.save_for_backward(grad_out, grad_lse, out, lse, *tensors)
        ctx.calls, ctx.options, ctx.wanted = calls, options, wanted
        ctx.set_materialize_grads(False)
        return _gradients(grad_out, grad_lse, out, lse, *arguments)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        grad_out, grad_lse, out, lse, *tensors = ctx.saved_tensors
        of = {name: _rows(x) for name, x in zip(ctx.wanted, gradients) if x is not None}
        needed = dict(zip(("grad_out", "grad_lse", "out", "lse", *_INPUTS), ctx.needs_input_grad))
        if needed["alibi_slopes"] or "alibi_slopes" in of:
            raise NotImplementedError("libattn.torch: gradients of its gradients are not computed of alibi_slopes")
        if ctx.calls.double_backward is None:
            raise NotImplementedError("libattn.torch: gradients of its gradients are not computed of additive scores")
        names = [name for name in ("grad_out", "grad_lse", *_INPUTS) if needed[name]]
        found = _SecondGradients.apply(grad_out, grad_lse, out, lse, *tensors, ctx.calls, ctx.options, of, names)
        found = dict(zip(names, found))
        by = (found.get(name) for name in _INPUTS)
        return found.get("grad_out"), found.get("grad_lse"), None, None, *by, None, None, None


class _SecondGradients(torch.autograd.Function):
    """The gradients of the gradients, likewise: whoever differentiates them is told that it cannot be, rather than
    given zeros."""

    @staticmethod
    def forward(
        ctx: Any, grad_out: Tensor, grad_lse: Tensor | None, out: Tensor, lse: Tensor, *arguments: Any
    ) -> tuple[Tensor, ...]:
        *tensors, calls, options, of, names = arguments
        by = {f"by_{name}": x.detach() for name, x in of.items()}
        results = dict(out=out, lse=lse, grad_lse=grad_lse)
        found = calls.double_backward(grad_out, **results, **_given(tensors), **options, **by, gradients=names)
        return tuple(found[name] for name in names)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> None:
        raise NotImplementedError("libattn.torch: third gradients are not computed")


def _unrepeated(mask: Tensor) -> Tensor:
    """The mask with one entry of each dimension that expand() repeats: so its gradient is summed where it arises."""
    for dimension in range(mask.dim()):
        if mask.stride(dimension) == 0 and mask.size(dimension) > 1:
            mask = mask.narrow(dimension, 0, 1)
    return mask


def unrecorded(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    sinks: Tensor | None,
    alibi_slopes: Tensor | None,
) -> bool:
    """Whether there is nothing to record nor to convert for autocast. Asked before all else, and written out, since
    PyTorch computes small tensors in the time of some twenty such questions."""
    if torch.is_grad_enabled() and (query.requires_grad or key.requires_grad or value.requires_grad):
        return False
    if forward_ad._current_level >= 0 or torch.is_autocast_enabled("cpu"):
        return False
    if attn_mask is None and sinks is None and alibi_slopes is None:
        return True
    return True not in [x.requires_grad for x in (attn_mask, sinks, alibi_slopes) if x is not None]


def _refuse_tangents(tensors: Sequence[Tensor | None]) -> None:
    """A tangent of forward-mode differentiation would be lost silently."""
    if any(x is not None and forward_ad.unpack_dual(x).tangent is not None for x in tensors):
        raise NotImplementedError("libattn.torch: forward-mode gradients are not computed")


def _autocast(tensors: list[Any]) -> None:
    """Query, key and value as torch.autocast wants them, which PyTorch's own attention is given so too."""
    for i in range(3):
        if tensors[i].is_floating_point() and tensors[i].dtype != torch.float64:
            tensors[i] = tensors[i].to(torch.get_autocast_dtype("cpu"))


_READ_LATER = ("query_offset", "key_lengths", "seed", "cu_seqlens_q", "cu_seqlens_k")


def _keep(options: dict[str, Any]) -> None:
    """Options as they are when the forward pass reads them: the backward pass reads them again."""
    for name in _READ_LATER:
        if isinstance(options.get(name), Tensor):
            options[name] = options[name].clone()


def _differentiated(function: Any) -> Any:
    """A Python function of scores with a derivative: the function's own, or PyTorch's of it."""
    if function is None or isinstance(function, CFunction):
        return function
    given = function if isinstance(function, ScoreFunction) else ScoreFunction(function)

    def scores_of(scores: Tensor, tile: Tile) -> Tensor:
        with torch.no_grad():
            return given.function(scores, tile)

    def derivative_of(scores: Tensor, tile: Tile) -> Tensor:
        if given.derivative is not None:
            with torch.no_grad():
                return given.derivative(scores, tile)
        with torch.enable_grad():
            changed = given.function(scores.requires_grad_(), tile).sum()
        if not changed.requires_grad:
            return torch.zeros_like(scores)
        return torch.autograd.grad(changed, scores, allow_unused=True, materialize_grads=True)[0]

    return ScoreFunction(scores_of, derivative_of)


def apply(calls: Calls, inputs: Sequence[Tensor | None], options: dict[str, Any], return_lse: bool) -> Any:
    """calls.forward, recorded where a gradient is wanted of one of the inputs, which are in the order of _INPUTS. Small
    tensors are computed in the time that a dozen of Python's questions take: no more are asked than each call needs."""
    if forward_ad._current_level >= 0:
        _refuse_tangents(inputs)
    tensors = [x.resolve_neg() if x is not None and x.is_neg() else x for x in inputs]
    if options["dropout_p"] and options["seed"] is None:
        options["seed"] = int(torch.randint(2**63 - 1, ()))
    if options["score_function"] is not None:
        options["score_function"] = _differentiated(options["score_function"])
    if torch.is_autocast_enabled("cpu"):
        _autocast(tensors)
    recorded = torch.is_grad_enabled() and True in [x.requires_grad for x in tensors if x is not None]
    if not recorded:
        return calls.forward(**_given(tensors), **options, return_lse=return_lse)
    if tensors[3] is not None:
        tensors[3] = _unrepeated(tensors[3])
    _keep(options)
    out, lse = _Attention.apply(*tensors, calls, options)
    return (out, lse) if return_lse else out


class _Weights(torch.autograd.Function):
    """The weights themselves, whose gradients are products of T x S numbers, as they are."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, mask: Tensor | None, is_causal: bool, query_offset: int) -> Tensor:
        found = weights.attention_weights(q, k, mask, is_causal, query_offset=query_offset)
        ctx.save_for_backward(q, k, mask, found)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k, mask, found = ctx.saved_tensors
        by_scores = found * (gradient - (found * gradient).sum(-1, keepdim=True))
        scaled = by_scores * q.size(-1) ** -0.5
        by_q = (scaled @ k.to(scaled.dtype)).to(q.dtype)
        by_k = (scaled.transpose(-1, -2) @ q.to(scaled.dtype)).to(k.dtype)
        by_mask = by_scores.sum_to_size(mask.shape).to(mask.dtype) if ctx.needs_input_grad[2] else None
        return by_q, by_k, by_mask, None, None


def attention_weights(q: Tensor, k: Tensor, mask: Tensor | None, is_causal: bool, query_offset: int) -> Tensor:
    """``libattn.attention_weights`` of (B, H, T, D) and (B, H, S, D), through which gradients flow."""
    result: Tensor = _Weights.apply(q, k, mask, is_causal, query_offset)
    return result
