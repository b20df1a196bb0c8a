"""Results over several sets of keys, made one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import _core
from .arrays import Array, SupportsDLPack


def merge_states(
    outs: Sequence[Array], lses: Sequence[SupportsDLPack], *, threads: int | None = None
) -> tuple[Array, Array]:
    """The result over all keys from results over disjoint sets of them, in the order of the parts:
    lse = log(sum over n of exp(lse_n)), out = sum over n of exp(lse_n - lse) out_n.

    outs: each part's (..., H, T, DV), of float32, float16 or bfloat16, all the same
    lses: each part's log-sum-exp, (..., H, T), of float32

    Returns (out, lse), in the same shapes and of the same elements. A part without any key left for a row adds nothing to it.
    """
    for name, parts in (("outs", outs), ("lses", lses)):
        if not isinstance(parts, Iterable):
            raise TypeError(f"{name}: expected a sequence of arrays, got {type(parts).__name__}")
    return _core.merge(tuple(outs), tuple(lses), threads)
