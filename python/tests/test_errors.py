"""What is refused, and in which words."""

import gc
import sys

import libattn
import numpy as np
import pytest

Q = np.zeros((2, 4, 5, 8), np.float32)


def refused(error, match, *arguments, **options):
    with pytest.raises(error, match=match):
        libattn.scaled_dot_product_attention(*(arguments or (Q, Q, Q)), **options)


def zeros(*shape):
    return np.zeros(shape, np.float32)


def test_shapes_are_named():
    refused(ValueError, r"key: shape \(2, 4, 5, 7\) .* query's \(2, 4, 5, 8\)", Q, zeros(2, 4, 5, 7), Q)
    refused(ValueError, r"key: shape \(3, 4, 5, 8\)", Q, zeros(3, 4, 5, 8), Q)
    refused(ValueError, r"value: shape \(2, 4, 6, 8\)", Q, Q, zeros(2, 4, 6, 8))
    refused(ValueError, r"key: shape \(4, 5, 8\)", Q, zeros(4, 5, 8), Q)
    refused(ValueError, r"query: .* got shape \(8,\)", zeros(8), Q, Q)
    refused(ValueError, "at most 8 dimensions", zeros(*[1] * 9), Q, Q)
    refused(ValueError, r"2 heads in shape \(2, 2, 5, 8\).*enable_gqa", Q, zeros(2, 2, 5, 8), zeros(2, 2, 5, 8))
    refused(ValueError, "divide", Q, zeros(2, 3, 5, 8), zeros(2, 3, 5, 8), enable_gqa=True)
    refused(ValueError, "divide", Q, zeros(2, 0, 5, 8), zeros(2, 0, 5, 8), enable_gqa=True)
    refused(ValueError, r"attn_mask: shape \(5, 4\).*\(2, 4, 5, 5\)", attn_mask=np.ones((5, 4), bool))
    refused(ValueError, r"attn_mask: shape \(1, 2, 4, 5, 5\)", attn_mask=np.ones((1, 2, 4, 5, 5), bool))
    refused(ValueError, r"key_lengths: .*\(2,\).*got \(3,\)", key_lengths=np.array([1, 2, 3]))
    refused(ValueError, r"alibi_slopes: .*\(4,\), got \(1, 4\)", alibi_slopes=zeros(1, 4))
    refused(ValueError, r"sinks: .*\(4,\), got \(5,\)", sinks=zeros(5))
    refused(ValueError, "sinks: .*contiguous", sinks=zeros(8)[::2])
    refused(ValueError, "key_lengths: .* length of 2, got 1", key_lengths=[1])
    refused(ValueError, r"out: expected shape \(2, 4, 5, 8\), got \(2, 4, 5, 9\)", out=zeros(2, 4, 5, 9))


def test_values_are_named():
    refused(ValueError, "key_lengths", key_lengths=[1, 6])
    refused(ValueError, "dropout", dropout_p=1.0)
    refused(ValueError, "softcap", softcap=-1.0)
    refused(ValueError, "softcap", softcap=1e300)
    refused(ValueError, "scale", scale=float("nan"))
    refused(ValueError, "window", window=(-2, 0))
    refused(ValueError, "window", window=3)
    refused(ValueError, "threads", threads=0)
    refused(TypeError, "scale", scale="much")
    refused(ValueError, "window: .*2\\^63", window=(2**63, 0))
    refused(ValueError, "query_offset: .*2\\^63", query_offset=2**70)
    refused(ValueError, "query_offset: .*2\\^63", query_offset=[0, 2**70])
    refused(ValueError, "seed: .*2\\^64", dropout_p=0.5, seed=2**64)
    refused(ValueError, "seed: .*2\\^64", dropout_p=0.5, seed=-1)


def test_arrays_that_overlap():
    def strided(*strides):
        return np.lib.stride_tricks.as_strided(zeros(1000), Q.shape, [4 * n for n in strides])

    for strides in ((32, 32, 8, 1), (1, 32, 128, 1), (160, 40, 7, 1), (-160, 40, -7, 1), (0, 40, 8, 1)):
        with pytest.raises(ValueError, match="out: expected strides by which no two elements share memory"):
            libattn.scaled_dot_product_attention(Q, Q, Q, out=strided(*strides))
        with pytest.raises(ValueError, match="value cache: expected strides"):
            libattn.KVCache(zeros(*Q.shape), strided(*strides)).append(Q[:, :, :1], Q[:, :, :1])
    room, new = np.zeros((2, 4, 5, 24), np.float32), zeros(2, 4, 1, 8)
    for value in (room[..., 2:10], room[..., 7:15], room[:, ::-1, :, :8], room[..., :8]):
        with pytest.raises(ValueError, match="share no memory"):
            libattn.KVCache(room[..., :8], value).append(new, new)
    cache = libattn.KVCache(room[..., :8], room[..., 8:16])  # beside one another
    cache.append(new + 1, new + 2)
    assert (room[:, :, 0] == [1] * 8 + [2] * 8 + [0] * 8).all()
    for key, value, name in ((room[:, :, :1, :8], new, "key"), (new, room[:, :, 3:4, 8:16], "value")):
        with pytest.raises(ValueError, match=f"{name}: expected rows that share no memory with the cache"):
            cache.append(key, value)


def test_numbers_are_named():
    refused(TypeError, "window: expected an integer, got str", window=("a", 0))
    refused(TypeError, "threads: expected an integer, got str", threads="2")
    refused(ValueError, "threads: .*2\\^63", threads=2**70)
    refused(TypeError, "key_lengths: expected an integer, got float", key_lengths=[1.5, 2])
    cache = libattn.KVCache(zeros(2, 4, 5, 8), zeros(2, 4, 5, 8))
    for lengths in (3, None, "ab", (1.5, 2)):
        with pytest.raises(TypeError, match="lengths: expected 2 numbers from 0 to 5"):
            cache.lengths = lengths
    with pytest.raises(TypeError, match="counts: expected 2 numbers"):
        cache.append(Q[:, :, :1], Q[:, :, :1], [0.5, 1])
    for match, arguments, options in (
        ("positions, dimensions: expected integers", (4, 8.0), {}),
        ("positions, dimensions: expected tables that memory has room for", (2**40, 8), {}),
        ("base: expected a number", (4, 8, "x"), {}),
        ("tables: .*got int", (4, 8), {"tables": 3}),
        (r"sines: expected shape \(4, 4\), got \(3, 4\)", (4, 8), {"tables": (zeros(4, 4), zeros(3, 4))}),
    ):
        with pytest.raises((ValueError, TypeError), match=match):
            libattn.Rotary(*arguments, **options)


def test_what_is_no_array_is_named():
    cache = libattn.KVCache(zeros(2, 4, 5, 8), zeros(2, 4, 5, 8))
    for match, function, arguments in (
        ("key: expected an array, got list", libattn.KVCache, ([[1]], [[1]])),
        ("key: expected an array, got list", cache.append, ([[1]], [[1]])),
        ("outs: expected a sequence of arrays, got int", libattn.merge_states, (3, [Q])),
    ):
        with pytest.raises(TypeError, match=match):
            function(*arguments)
    with pytest.raises(TypeError, match="rotary: expected a Rotary or None, got int"):
        libattn.KVCache(zeros(2, 4, 5, 8), zeros(2, 4, 5, 8), rotary=3)


def test_block_masks_are_looked_at():
    refused(TypeError, "block_mask: expected a BlockMask or None, got int", block_mask=3)
    for size in ((16,), (0, 1), 16):
        with pytest.raises(ValueError, match="block_size: expected two numbers of at least 1"):
            libattn.BlockMask.of_blocks(np.ones((2, 2)), size)
    for size in ((2.5, 2), ("a", "b")):
        with pytest.raises(TypeError, match="block_size: expected two numbers"):
            libattn.BlockMask.of_blocks(np.ones((2, 2)), size)
    with pytest.raises(ValueError, match=r"kept: .*got shape \(0, 0\)"):
        libattn.BlockMask.of_blocks(np.ones((0, 0)), (16, 16))


def test_caches_are_looked_at():
    with pytest.raises(ValueError, match="key, value: expected two arrays"):
        libattn.KVCache(Q, Q)
    for key, value in (((2, 4, 5, 8), (2, 4, 4, 8)), ((2, 4, 5, 8), (1, 4, 5, 8)), ((2, 4, 5, 8), (2, 3, 5, 8))):
        with pytest.raises(ValueError, match="key cache .*value cache .*: expected the same"):
            libattn.KVCache(zeros(*key), zeros(*value)).append(zeros(2, 4, 1, 8), zeros(2, value[1], 1, 8))
    cache = libattn.KVCache(zeros(1, 4, 5, 8), zeros(1, 4, 5, 8))
    with pytest.raises(ValueError, match="key: expected as many sequences as the cache has, 1, got 4"):
        cache.append(zeros(4, 4, 1, 8), zeros(4, 4, 1, 8), [1] * 1)
    cache = libattn.KVCache(zeros(2, 4, 5, 8), zeros(2, 4, 5, 8))
    for lengths in ((6, 1), (-1, 1), (1,)):
        with pytest.raises(ValueError, match="lengths: expected 2 numbers from 0 to 5"):
            cache.lengths = lengths


def test_arrays_that_are_none():
    refused(TypeError, "query: .*got list", [[1.0]], Q, Q)
    refused(TypeError, "key: .*got NoneType", Q, None, Q)
    refused(TypeError, "query: .*float32, .*got int64", Q.astype(np.int64), Q, Q)
    refused(TypeError, "key: .*float64, got float32", Q.astype(np.float64), Q, Q)
    refused(TypeError, "value: .*float16, got float32", Q.astype(np.float16), Q.astype(np.float16), Q)
    refused(TypeError, "attn_mask: .*bool or float32, got float64", attn_mask=np.zeros((5, 5)))
    refused(TypeError, "query: .*byte order, got others of 32 bits", Q.astype(">f4"), Q, Q)
    refused(TypeError, "value", Q, Q, Q.astype("datetime64[s]"))
    refused(TypeError, "attn_mask: .*bool or float32, got int64", attn_mask=np.ones((5, 5), np.int64))
    refused(TypeError, "key_lengths: .*float64", key_lengths=np.ones(2))
    refused(TypeError, "query_offset: expected an integer, or an array.*got float", query_offset=1.5)
    refused(TypeError, "integer", query_offset=[1.5, 2.5])


def test_strides_that_would_need_a_copy():
    refused(ValueError, r"query: .*contiguous.* stride 2", zeros(2, 4, 5, 16)[..., ::2], Q, Q)
    odd = np.zeros((2, 4, 5, 8), [("x", "i1"), ("y", "f4")])["y"]
    refused(ValueError, "aligned|whole elements", odd, Q, Q)


def test_outputs_that_cannot_be_written():
    fixed = zeros(2, 4, 5, 8)
    fixed.setflags(write=False)
    refused(ValueError, "written", out=fixed)
    refused(ValueError, "shares no memory", out=Q)
    refused(ValueError, "contiguous", out=zeros(2, 4, 5, 16)[..., ::2])
    refused(TypeError, "float32", out=np.zeros((2, 4, 5, 8)))
    refused(ValueError, "o.*stride", out=np.lib.stride_tricks.as_strided(zeros(8), Q.shape, (0, 0, 0, 4)))


def test_gradients_of_other_shapes():
    out, lse = libattn.scaled_dot_product_attention(Q, Q, Q, return_lse=True)
    for name, arguments in {
        "grad_out": (zeros(2, 4, 5, 7), Q, Q, Q, out, lse),
        "out": (out, Q, Q, Q, zeros(2, 4, 4, 8), lse),
        "lse": (out, Q, Q, Q, out, zeros(2, 4, 5, 1)),
    }.items():
        with pytest.raises(ValueError, match=f"^{name}: expected shape"):
            libattn.attention_backward(*arguments)


def test_nothing_leaks():
    def some(n):
        for i in range(n):
            libattn.scaled_dot_product_attention(
                Q, Q, Q, key_lengths=[1, 2], query_offset=[1000 + i, 2000 + i], return_lse=True, return_weights=True
            )
            refused(ValueError, "key_lengths", key_lengths=[1, 6], return_lse=True)
            refused(TypeError, "got list", Q, Q, [])
        gc.collect()
        return sys.getallocatedblocks(), sys.getrefcount(Q)

    some(20)
    grown = []
    for _ in range(3):  # the interpreter's own tables grow now and then
        before, after = some(1), some(100)
        assert after[1] == before[1]
        grown.append(after[0] - before[0])
    assert min(grown) < 50


def messages(calls):
    for error, match, call in calls:
        with pytest.raises(error, match=match):
            call()


def test_messages_name_what_the_caller_passed():
    out, lse = libattn.scaled_dot_product_attention(Q, Q, Q, return_lse=True)
    wide, one = Q.astype(np.float64), zeros(2, 4, 1, 8)
    rotary = libattn.Rotary(8, 8)

    def cache(**options):
        return libattn.KVCache(zeros(2, 4, 16, 8), zeros(2, 4, 16, 8), **{"lengths": [3, 2], **options})

    def sdpa(query=Q, **options):
        return lambda: libattn.scaled_dot_product_attention(query, query, query, **options)

    def decode(query, **options):
        return lambda: cache().decode(query, **options)

    def packed(queries):
        return lambda: libattn.varlen_attention(*[zeros(10, 4, 8)] * 3, queries, [0, 5, 10])

    narrow = "expected elements of float32, float16 or bfloat16"
    each = "expected an array, a list or a tuple of integers, one for each sequence, got"
    messages([
        (TypeError, f"query: {narrow} beside a cache, got float64", decode(one.astype(np.float64))),
        (TypeError, f"query: {narrow} beside a score_function, got float64", sdpa(wide, score_function=lambda s, t: s)),
        (TypeError, f"query: {narrow} beside a mask_function, got float64", sdpa(wide, mask_function=lambda t: None)),
        (TypeError, f"x: {narrow}, got float64", lambda: rotary.rotate(wide)),
        (ValueError, r"x: expected 2 dimensions or more, got shape \(8,\)", lambda: rotary.rotate(zeros(8))),
        (ValueError, "rotary: positions = 8, expected more than 12", lambda: rotary.rotate(Q, 8)),
        (ValueError, "rotary: dimensions = 8, expected at most D = 6", lambda: rotary.rotate(zeros(2, 4, 5, 6))),
        (ValueError, "rotary: positions = -1", lambda: libattn.Rotary(-1, 8)),
        (ValueError, r"query: .*T at most 16, got shape \(2, 4, 17, 8\)", decode(zeros(2, 4, 17, 8))),
        (ValueError, r"query: expected 4 dimensions.*got shape \(4, 1, 8\)", decode(one[0])),
        (ValueError, "query_offset: expected None or one integer for each", decode(one, query_offset=3)),
        (TypeError, f"query_offset: {each} str", decode(one, query_offset="ab")),
        (TypeError, f"key_lengths: {each} int", sdpa(key_lengths=3)),
        (TypeError, "seed: expected an integer, or .* got str", sdpa(dropout_p=0.5, seed="x")),
        (TypeError, "is_causal: expected True or False, got str", sdpa(is_causal="no")),
        (TypeError, "enable_gqa: expected True or False, got ndarray", sdpa(enable_gqa=np.ones(2))),
        (TypeError, "return_lse: expected True or False, got NoneType", sdpa(return_lse=None)),
        (TypeError, "scale: expected a number, got complex", sdpa(scale=1j)),
        (ValueError, "scale: expected a number that float32 holds, got 1e[+]300", sdpa(scale=1e300)),
        (TypeError, "dropout_p: expected a number, got NoneType", sdpa(dropout_p=None)),
        (ValueError, "dropout_p = -0.1, expected at least 0", sdpa(dropout_p=-0.1)),
        (ValueError, r"window: expected a tuple .*got \[1, 2\]", sdpa(window=[1, 2])),
        (ValueError, r"window\[1\] = -2, expected at least 0", sdpa(window=(0, -2))),
        (TypeError, "query: .*float64, got complex64", sdpa(Q.astype(np.complex64))),
        (TypeError, "attn_mask: .*float32, got complex64", sdpa(attn_mask=np.ones((5, 5), np.complex64))),
        (TypeError, "key_lengths: .*int32, got bool$", sdpa(key_lengths=np.ones(2, bool))),
        (ValueError, r"cu_seqlens_q\[2\] = 5, expected 6 to T = 10", packed([0, 6, 5])),
        (TypeError, "cu_seqlens_q: expected an array, a list or a tuple of integers, got NoneType", packed(None)),
        (TypeError, "score_vector: expected an array .*got NoneType",
         lambda: libattn.additive_attention(Q, Q, Q, None)),
        (ValueError, r"key: expected lengths of at most 16 keys, got \(17, 17\)",
         lambda: cache(lengths=[16, 16]).append(one, one)),
        (ValueError, r"page_table\[0\]\[0\] = 7, expected 0 to 1",
         lambda: cache(page_table=np.full((2, 2), 7, np.int32)).decode(one)),
        (TypeError, "gradients: expected a list or a tuple of names, got str",
         lambda: libattn.attention_backward(out, Q, Q, Q, out, lse, gradients="query")),
        (TypeError, f"query: {narrow} for column sums, got float64",
         lambda: libattn.attention_column_sums(wide, wide, lse.astype(np.float64))),
        (ValueError, r"rows: expected a pair \(start, stop\), got 2",
         lambda: libattn.attention_weights(Q, Q, rows=2)),
        (ValueError, "rows: expected start <= stop within 0 to 5",
         lambda: libattn.attention_weights(Q, Q, rows=(-(2**63), 2**63 - 1))),
    ])


def test_caches_and_tables_are_looked_at_in_each_call():
    one, five, pages = zeros(2, 4, 1, 8), zeros(1, 2, 4, 5, 8), np.zeros((2, 2), np.int32)
    endless = np.lib.stride_tricks.as_strided(zeros(1), (1, 1, 2**50, 8), (0, 0, 0, 4))

    def cache(key=None, value=None, **options):
        key, value = zeros(2, 4, 16, 8) if key is None else key, zeros(2, 4, 16, 8) if value is None else value
        return libattn.KVCache(key, value, **{"lengths": [3, 2], **options})

    def exchanged(key, value):
        changed = cache()
        changed.key, changed.value = key, value
        return changed

    def turning(tables):
        return cache(rotary=libattn.Rotary(4, 8, tables=tables))

    wide, none = np.zeros((2, 4, 16, 8)), (zeros(2, 4, 0, 8), zeros(2, 4, 0, 8))
    messages([
        (ValueError, r"key: expected 4 dimensions, got shape \(4, 1, 8\)", lambda: cache().append(one[0], one[0])),
        (ValueError, "key, value: expected 4 dimensions", lambda: exchanged(five, five.copy()).decode(one)),
        (TypeError, "key: .*float16, bfloat16 or int8, got float64", lambda: cache(wide, wide.copy()).decode(one)),
        (TypeError, "page_table: .*int32, got int64", lambda: cache(page_table=pages.astype(np.int64)).decode(one)),
        (ValueError, "pages of no keys", lambda: cache(*none, page_table=pages, lengths=[0, 0]).decode(one)),
        (ValueError, r"page_table: 16384 pages of 1125899906842624 keys, expected fewer than 2\^63",
         lambda: cache(endless, endless[:], page_table=pages.repeat(2**13, 1)[:1], lengths=[1]).decode(one[:1, :1])),
        (ValueError, r"cosines: .*contiguous tables .*got \(4, 4\)",
         lambda: turning((zeros(8, 4)[::2], zeros(8, 4)[::2])).append(one, one)),
    ])


def test_dimensions_and_places_of_rows_are_looked_at():
    five, misplaced = zeros(1, 2, 4, 5, 8), np.ndarray(Q.shape, np.float32, bytearray(Q.nbytes + 1), offset=1)
    out, lse = libattn.scaled_dot_product_attention(Q, Q, Q, return_lse=True)
    mask = libattn.BlockMask.of_blocks(np.ones((1, 1)), (16, 16))
    refused(ValueError, "query: expected data aligned to 4 bytes", misplaced, Q, Q)
    refused(ValueError, "block_mask: expected at most 4 dimensions of query, got 5", five, five, five, block_mask=mask)
    with pytest.raises(ValueError, match="query: expected at most 4 dimensions, got 5"):
        libattn.attention_weights(five, five)
    with pytest.raises(ValueError, match="^out: expected the last dimension .*contiguous, got stride 2"):
        libattn.attention_backward(out, Q, Q, Q, zeros(2, 4, 5, 16)[..., ::2], lse)


def test_the_processor_is_named():
    name, found, used = libattn.cpu()
    assert isinstance(name, str) and found and used


def test_numpys_own_integers_are_taken():
    sdpa = libattn.scaled_dot_product_attention
    x = np.random.default_rng(3).standard_normal(Q.shape, dtype=np.float32)
    lengths = [sdpa(x, x, x, key_lengths=np.array([3, 4], t)) for t in (np.int32, np.uint32, np.int64, np.uint64)]
    assert all(np.array_equal(lengths[0], each) for each in lengths[1:])
    assert np.array_equal(sdpa(x, x, x, is_causal=True), sdpa(x, x, x, is_causal=np.True_))
    for options in ({"query_offset": 2, "is_causal": True}, {"seed": 3, "dropout_p": 0.5}):
        numpys = {name: np.int64(n) if name in ("query_offset", "seed") else n for name, n in options.items()}
        assert np.array_equal(sdpa(x, x, x, **options), sdpa(x, x, x, **numpys))
