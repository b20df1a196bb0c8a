"""The types that annotations name."""

from __future__ import annotations

from collections.abc import Sequence
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
