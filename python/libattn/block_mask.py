"""Masks that keep or drop whole blocks of queries by keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import SupportsDLPack, integers_of


class BlockMask:
    """A block-sparse mask, (B, H, T, S) cut in blocks: what it drops costs no work.

    starts: (B or 1, H or 1, N + 1) of int64, N the number of query blocks: query block n keeps the key blocks
        entries[starts[b, h, n]] to entries[starts[b, h, n + 1] - 1]
    entries: (count,) of int64, numbers of key blocks, ascending within a query block
    block_size: (queries, keys) of a block; the last block of either may be part full
    """

    def __init__(self, starts: SupportsDLPack, entries: SupportsDLPack, block_size: tuple[int, int]) -> None:
        queries, keys = sizes_of(block_size)
        self._description = (starts, entries, queries, keys)

    @classmethod
    def of_blocks(cls, kept: Sequence[Any] | SupportsDLPack, block_size: tuple[int, int]) -> BlockMask:
        """From which blocks are kept: (B or 1, H or 1, N, M) of bool, or without the first dimensions, N and M the
        numbers of query and key blocks. Needs NumPy."""
        import numpy as np

        blocks = np.asarray(kept, bool)
        if not 2 <= blocks.ndim <= 4 or 0 in blocks.shape:
            raise ValueError(f"kept: expected 2 to 4 dimensions, none of them 0, got shape {blocks.shape}")
        blocks = blocks.reshape((1,) * (4 - blocks.ndim) + blocks.shape)
        ends = np.cumsum(blocks.sum(-1).reshape(-1)).reshape(blocks.shape[:3])
        before = np.concatenate(([0], ends[..., -1:].reshape(-1)[:-1]))
        starts = np.concatenate((before.reshape(*blocks.shape[:2], 1), ends), -1).astype(np.int64)
        return cls(starts, np.nonzero(blocks)[3].astype(np.int64), block_size)


def sizes_of(block_size: tuple[int, int]) -> tuple[int, int]:
    """Queries and keys of a block, which must be two numbers of at least 1."""
    given = block_size if isinstance(block_size, (tuple, list)) else ()
    sizes = integers_of("block_size", given, "two numbers of at least 1, queries and keys")
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(f"block_size: expected two numbers of at least 1, queries and keys, got {block_size!r}")
    return sizes[0], sizes[1]


def described(block_mask: BlockMask | None) -> tuple[Any, ...] | None:
    """As the extension module takes it."""
    if block_mask is None:
        return None
    if not isinstance(block_mask, BlockMask):
        raise TypeError(f"block_mask: expected a BlockMask or None, got {type(block_mask).__name__}")
    return block_mask._description
