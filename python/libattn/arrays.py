"""The types that annotations name."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, Protocol, TypeVar, Union


class SupportsDLPack(Protocol):
    """An array that exports its memory: NumPy's, PyTorch's, JAX's, ..."""

    @property
    def shape(self) -> Any: ...

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __dlpack_device__(self) -> tuple[Any, int]: ...


Array = TypeVar("Array", bound=SupportsDLPack)
"""An array; results have the type of the query's library."""

Integers = Union[Sequence[int], SupportsDLPack]
"""One integer for each sequence: a list, a tuple, or an array (B,) of int64 or int32."""


def shape_of(name: str, array: Any, rank: int | None = None) -> tuple[int, ...]:
    """An array's shape, of `rank` dimensions; TypeError and ValueError with its name where it is none."""
    if not hasattr(array, "__dlpack__") or not hasattr(array, "shape"):
        raise TypeError(f"{name}: expected an array, got {type(array).__name__}")
    shape = tuple(array.shape)
    if rank is not None and len(shape) != rank:
        raise ValueError(f"{name}: expected {rank} dimensions, got shape {shape}")
    return shape


def integers_of(name: str, numbers: Any, what: str) -> tuple[int, ...]:
    """Numbers as a tuple; TypeError where they are not whole ones, `what` being expected."""
    try:
        return tuple(index(n) for n in numbers)
    except TypeError:
        raise TypeError(f"{name}: expected {what}, got {numbers!r}") from None
