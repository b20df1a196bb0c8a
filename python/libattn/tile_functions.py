"""Functions of scores and of masks that the caller brings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Union


class Tile(NamedTuple):
    """The pairs that a function is called for: ``queries`` of one head's queries from ``query`` on by ``keys`` keys
    from ``key`` on, both counted within the sequence. ``position`` is that of the first query: query + query_offset."""

    sequence: int
    head: int
    query: int
    position: int
    queries: int
    key: int
    keys: int


class ScoreFunction:
    """A function f of scores, applied to each (capped) score before bias and masks, and what differentiates it.

    function: function(scores, tile) returns what takes the scores' place: scores is an array (queries, keys) of
        float32, of the query's library and the function's own, tile a ``Tile``. What is returned is of float32 or
        float64 and broadcasts to that shape.
    derivative: derivative(scores, tile) likewise returns f'(scores), which a backward pass asks for; libattn.torch has
        PyTorch differentiate the function where it is None

    Each new score may depend on its own old one, head, query and key alone: how the pairs are cut in tiles, from one
    pair up, is not told, and differs from pass to pass. Scores of masked pairs may be anything. What the function reads
    besides gets no gradient.
    """

    def __init__(
        self, function: Callable[[Any, Tile], Any], derivative: Callable[[Any, Tile], Any] | None = None
    ) -> None:
        if not callable(function) or not (derivative is None or callable(derivative)):
            raise TypeError("function, derivative: expected functions of (scores, tile)")
        self.function, self.derivative = function, derivative


class CFunction:
    """A compiled function of scores or masks, which is called without the interpreter's lock, from several threads.

    address: of a C function of attn.h's type ``attn_score_function`` or ``attn_mask_function``: a numba cfunc's
        ``address``, or of ctypes ``ctypes.cast(function, ctypes.c_void_p).value``
    user: the address that it is called with, of data of its own; 0 is NULL
    keep: an object that is kept alive, as the library or array that they are addresses of

    A Python function that ctypes or cffi wrapped works too, but loses what it raises; give it as it is.
    """

    def __init__(self, address: int, user: int = 0, keep: Any = None) -> None:
        whole = all(isinstance(x, int) and not isinstance(x, bool) for x in (address, user))
        if not whole or not 0 < address < 2**64 or not 0 <= user < 2**64:
            raise ValueError(f"address, user: expected addresses, the first not 0, got {address!r}, {user!r}")
        self.address, self.user, self.keep = address, user, keep


AnyScoreFunction = Union[Callable[[Any, Tile], Any], ScoreFunction, CFunction]
"""For a forward pass alone, a function suffices."""

AnyMaskFunction = Union[Callable[[Tile], Any], CFunction]
"""mask_function(tile) returns True where the tile is kept whole, False where none of it is, or an array of bool that
broadcasts to (queries, keys): True where a query attends to a key."""


def described_score(function: AnyScoreFunction | None) -> tuple[Any, ...] | None:
    """As the extension module takes it."""
    if function is None:
        return None
    if isinstance(function, CFunction):
        return function.address, function.user
    if isinstance(function, ScoreFunction):
        return function.function, function.derivative, Tile
    if callable(function):
        return function, None, Tile
    raise TypeError(f"score_function: expected a function, ScoreFunction or CFunction, got {type(function).__name__}")


def described_mask(function: AnyMaskFunction | None) -> tuple[Any, ...] | None:
    """Likewise."""
    if function is None:
        return None
    if isinstance(function, CFunction):
        return function.address, function.user
    if callable(function):
        return function, None, Tile
    raise TypeError(f"mask_function: expected a function or CFunction, got {type(function).__name__}")
