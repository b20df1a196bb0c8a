"""Keys and values that stay from one step of a decoder to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _core
from .arrays import Array, Integers, SupportsDLPack, integers_of, shape_of
from .block_mask import BlockMask, described
from .tile_functions import AnyMaskFunction, described_mask


def _pair(name: str, arrays: Any, what: str) -> tuple[Any, Any]:
    got = f"{len(arrays)} entries" if hasattr(arrays, "__len__") else type(arrays).__name__
    if not hasattr(arrays, "__len__") or len(arrays) != 2:
        raise ValueError(f"{name}: expected {what}, got {got}")
    return arrays[0], arrays[1]


class Rotary:
    """Rotary positions (Su et al., "RoFormer", 2021): cosines and sines of ``positions`` positions, for the first
    ``dimensions`` dimensions of each row.

    interleaved: False pairs dimension n with n + dimensions / 2 (GPT-NeoX's, and Llama's in Hugging Face's order), True
        2n with 2n + 1 (Su's own, GPT-J's)
    tables: (cosines, sines), (positions, dimensions / 2) of float32 each, for angles of another scaling than
        p * base^(-2n / dimensions)
    """

    def __init__(
        self,
        positions: int,
        dimensions: int,
        base: float = 10000.0,
        *,
        interleaved: bool = False,
        tables: tuple[SupportsDLPack, SupportsDLPack] | None = None,
    ) -> None:
        sizes = integers_of("positions, dimensions", (positions, dimensions), "integers")
        if sizes[1] % 2:
            raise ValueError(f"dimensions: expected an even number, got {dimensions}")
        if tables is None:
            cosines, sines = _core.rotary_tables(*sizes, base)
        else:
            cosines, sines = _pair("tables", tables, "(cosines, sines)")
            for name, table in (("cosines", cosines), ("sines", sines)):
                if shape_of(name, table, 2) != (sizes[0], sizes[1] // 2):
                    raise ValueError(f"{name}: expected shape {(sizes[0], sizes[1] // 2)}, got {tuple(table.shape)}")
        self._description = (cosines, sines, interleaved)

    def rotate(self, x: Array, query_offset: int | Integers = 0, *, threads: int | None = None) -> Array:
        """x (..., H, T, D), queries or keys of float32, float16 or bfloat16, turned: row i stands at query_offset + i, or
        at query_offset[b] + i for sequence b; below position 0 at 0. In float32, the result rounded once."""
        nothing = (None,) * 4
        options = (None, 0.0, False, None, False, None, 0.0, None, None, query_offset, None, None, None, threads)
        return _core.rotate(x, *options, *nothing, None, self._description)


class KVCache:
    """The keys and values of B sequences, in arrays that the caller brings and that append writes in place. Arrays that
    cannot be written, and those of other libraries than NumPy and PyTorch, are for decode alone.

    key, value: arrays of NumPy or PyTorch, (B, HK, S, D) and (B, HK, S, DV), with room for S keys a sequence; or, with
        a page table, (pages, HK, page size, D) and (pages, HK, page size, DV). Of float32, float16, bfloat16 or int8,
        both the same
    lengths: (B), how many keys each sequence has already; None is 0 each
    page_table: (B, pages of a sequence) of int32: key j lies in row j % page size of page page_table[b, j // page
        size]. May be changed between calls; several sequences may share a page. Entries of keys that a sequence does not
        have are not looked at. One whose rows do not lie one after another, as np.broadcast_to makes it, is copied in
        each call.
    rotary: turns keys as they are appended, and queries as they are decoded, to their positions
    scales: (key scales, value scales) where key and value are int8: (B, HK, S) of float32 each, or (pages, HK, page size).
        append rounds a row x to bytes of scale max|x| / 127, each row of each head by a scale of its own.

    A cache of more layers than one is a KVCache each.
    """

    def __init__(
        self,
        key: SupportsDLPack,
        value: SupportsDLPack,
        lengths: Sequence[int] | None = None,
        *,
        page_table: SupportsDLPack | None = None,
        rotary: Rotary | None = None,
        scales: tuple[SupportsDLPack, SupportsDLPack] | None = None,
    ) -> None:
        if key is value:
            raise ValueError("key, value: expected two arrays, got the same one twice")
        for name, array, rank in (("key", key, 4), ("value", value, 4), ("page_table", page_table, 2)):
            if array is not None:
                shape_of(name, array, rank)
        if scales is not None:
            scales = _pair("scales", scales, "(key scales, value scales)")
        if rotary is not None and not isinstance(rotary, Rotary):
            raise TypeError(f"rotary: expected a Rotary or None, got {type(rotary).__name__}")
        if scales is not None and scales[0] is scales[1]:
            raise ValueError("scales: expected two arrays, got the same one twice")
        self.key, self.value, self.page_table = key, value, page_table
        self._rotary = None if rotary is None else rotary._description
        self._scales = scales
        self._sequences = (key if page_table is None else page_table).shape[0]
        self._room = key.shape[2] if page_table is None else page_table.shape[1] * key.shape[2]
        self.lengths = [0] * self._sequences if lengths is None else lengths
        _core.check_cache(key, value, self._described(self._lengths))

    @property
    def lengths(self) -> tuple[int, ...]:
        """How many keys each sequence has. May be set, to forget the last ones, or to take over a shared prefix."""
        return self._lengths

    @lengths.setter
    def lengths(self, lengths: Sequence[int]) -> None:
        taken = integers_of("lengths", lengths, f"{self._sequences} numbers from 0 to {self._room}")
        if len(taken) != self._sequences or not all(0 <= n <= self._room for n in taken):
            raise ValueError(f"lengths: expected {self._sequences} numbers from 0 to {self._room}, got {taken}")
        self._lengths = taken

    def _described(self, lengths: tuple[int, ...]) -> tuple[Any, ...]:
        return (lengths, self.page_table, self._rotary, self._scales)

    def append(
        self,
        key: SupportsDLPack,
        value: SupportsDLPack,
        counts: Sequence[int] | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        """Puts new keys (B, HK, T, D) and values (B, HK, T, DV) behind those that each sequence has, rounded to the
        cache's elements. Of float32, float16 or bfloat16, both the same, whatever the cache's.

        counts: (B), how many of the T rows, the last ones, are each sequence's; None is T each. Only a sequence that
            has no keys yet may get fewer: so prompts of different lengths come together, aligned at their ends.
        """
        T = shape_of("key", key, 4)[2]
        what = f"{len(self._lengths)} numbers from 0 to {T}"
        counts = [T] * len(self._lengths) if counts is None else list(integers_of("counts", counts, what))
        if len(counts) != len(self._lengths) or not all(0 <= n <= T for n in counts):
            raise ValueError(f"counts: expected {len(self._lengths)} numbers from 0 to {T}, got {counts}")
        if any(more < T and n > 0 for n, more in zip(self._lengths, counts)):
            raise ValueError(f"counts: expected {T} for each sequence that has keys already, got {counts}")
        lengths = tuple(n + more for n, more in zip(self._lengths, counts))
        if max(lengths, default=0) > self._room:
            raise ValueError(f"key: expected lengths of at most {self._room} keys, got {lengths} with the new ones")
        _core.append(self.key, self.value, self._described(lengths), key, value, threads)
        self._lengths = lengths

    def decode(
        self,
        query: Array,
        attn_mask: SupportsDLPack | None = None,
        is_causal: bool = True,
        scale: float | None = None,
        *,
        window: tuple[int, int] | None = None,
        softcap: float = 0.0,
        alibi_slopes: SupportsDLPack | None = None,
        sinks: SupportsDLPack | None = None,
        block_mask: BlockMask | None = None,
        mask_function: AnyMaskFunction | None = None,
        query_offset: Sequence[int] | None = None,
        return_lse: bool = False,
        out: SupportsDLPack | None = None,
        threads: int | None = None,
    ) -> Array | tuple[Array, Array]:
        """Attention of each sequence's newest queries to all of its keys, those among them that were appended last.

        query: (B, H, T, D), T at most 16, HK dividing H, of float32, float16 or bfloat16, whatever the cache's. Query i
            of sequence b stands at lengths[b] - T + i, or at i + query_offset[b] where that is given. By default
            causal, each sees the keys up to its own.
        attn_mask: broadcasts to (B, H, T, S), S the keys that a sequence has room for

        The other arguments are those of ``scaled_dot_product_attention``, which has functions of scores too.

        Returns (B, H, T, DV), or a tuple of it and the log-sum-exp (B, H, T).
        """
        return _core.forward(
            query,
            self.key,
            self.value,
            attn_mask,
            0.0,
            is_causal,
            scale,
            True,
            window,
            softcap,
            alibi_slopes,
            sinks,
            query_offset,
            None,
            None,
            None,
            threads,
            None,
            self._described(self._lengths),
            described(block_mask),
            None,
            described_mask(mask_function),
            return_lse,
            False,
            out,
        )
