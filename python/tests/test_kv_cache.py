"""KVCache, Rotary and merge_states against the reference."""

import libattn
import numpy as np
import pytest
from reference import Reference, near
from test_attention import normal


def turned(x, positions, dimensions, base=10000.0, interleaved=False):
    """Rows (..., T, D) at their positions (..., T), in float64."""
    half = dimensions // 2
    angle = np.asarray(positions, np.float64)[..., None] * base ** (-2 * np.arange(half) / dimensions)
    c, s = np.cos(angle), np.sin(angle)
    y = np.array(x, np.float64)
    first, second = (
        (slice(0, dimensions, 2), slice(1, dimensions, 2)) if interleaved else (slice(0, half), slice(half, dimensions))
    )
    a, b = y[..., first].copy(), y[..., second].copy()
    y[..., first], y[..., second] = a * c - b * s, a * s + b * c
    return y


@pytest.mark.parametrize("paged", [False, True])
@pytest.mark.parametrize("rotary", [None, False, True])
def test_steps_of_a_decoder(paged, rotary):
    rng = np.random.default_rng(90)
    B, H, HK, D, DV, S, page = 3, 4, 2, 16, 8, 40, 8
    turn = {} if rotary is None else {"rotary": libattn.Rotary(64, 12, interleaved=rotary)}
    if paged:
        shape = (B * S // page, HK, page)
        turn["page_table"] = rng.permutation(B * S // page).astype(np.int32).reshape(B, -1)
    else:
        shape = (B, HK, S)
    cache = libattn.KVCache(np.full((*shape, D), np.nan, np.float32), np.full((*shape, DV), np.nan, np.float32), **turn)
    prompt, counts = 9, [9, 4, 0]
    k, v = normal(rng, B, HK, prompt, D), normal(rng, B, HK, prompt, DV)
    cache.append(k, v, counts)
    held = [(k[b, :, prompt - n :], v[b, :, prompt - n :]) for b, n in enumerate(counts)]
    for T in (1, 3, 1, 16):
        k, v, q = normal(rng, B, HK, T, D), normal(rng, B, HK, T, DV), normal(rng, B, H, T, D)
        cache.append(k, v)
        held = [(np.concatenate((a, k[b]), 1), np.concatenate((c, v[b]), 1)) for b, (a, c) in enumerate(held)]
        out, lse = cache.decode(q, return_lse=True, window=(20, -1))
        for b, (keys, values) in enumerate(held):
            n = keys.shape[1]
            query = q[b]
            if rotary is not None:
                query = turned(query, np.arange(n - T, n), 12, interleaved=rotary)
                keys = turned(keys, np.arange(n), 12, interleaved=rotary)
            expected = Reference(
                query[None], keys[None], values[None], is_causal=True, window=(20, -1), query_offset=n - T
            )
            near(out[b][None], expected.out)
            near(lse[b][None], expected.lse)
    assert cache.lengths == (30, 25, 21)


def test_a_shared_prefix_in_pages():
    rng = np.random.default_rng(91)
    key, value = normal(rng, 5, 1, 4, 8), normal(rng, 5, 1, 4, 8)
    table = np.array([[0, 1, 2], [0, 1, 3]], np.int32)
    cache = libattn.KVCache(key, value, [8, 8], page_table=table)
    new = normal(rng, 2, 1, 1, 8)
    cache.append(new, new)
    q = normal(rng, 2, 2, 1, 8)
    out = cache.decode(q)
    for b, page in enumerate((2, 3)):
        keys = np.concatenate((key[0], key[1], key[page, :, :1]), 1)
        values = np.concatenate((value[0], value[1], value[page, :, :1]), 1)
        assert np.array_equal(key[page, 0, 0], new[b, 0, 0])
        near(out[b][None], Reference(q[b][None], keys[None], values[None]).out)
    cache.lengths = [4, 9]
    assert cache.lengths == (4, 9)
    near(cache.decode(q)[0][None], Reference(q[:1], key[:1], value[:1]).out)


@pytest.mark.parametrize("paged", [False, True])
def test_keys_in_bytes(paged):
    rng = np.random.default_rng(94)
    B, H, HK, D, DV, S, page, T = 2, 4, 2, 16, 8, 32, 8, 21
    rows, more = (B, HK, S), {}
    if paged:
        rows = (B * S // page, HK, page)
        more["page_table"] = rng.permutation(B * S // page).astype(np.int32).reshape(B, -1)
    scales = np.full(rows, np.nan, np.float32), np.full(rows, np.nan, np.float32)
    room = np.zeros((*rows, D), np.int8), np.zeros((*rows, DV), np.int8)
    cache = libattn.KVCache(*room, scales=scales, rotary=libattn.Rotary(S, D), **more)
    k, v, q = normal(rng, B, HK, T, D), normal(rng, B, HK, T, DV), normal(rng, B, H, 2, D)
    cache.append(k[:, :, :20], v[:, :, :20])
    cache.append(k[:, :, 20:], v[:, :, 20:])
    held = []
    for bytes_, scale, given in zip(room, scales, (turned(k, np.arange(T), D), v)):
        if paged:
            bytes_, scale = (x[more["page_table"]].swapaxes(1, 2) for x in (bytes_, scale))
        kept = bytes_.reshape(B, HK, S, -1)[:, :, :T] * scale.reshape(B, HK, S, 1)[:, :, :T].astype(np.float64)
        assert np.all(np.abs(kept - given) <= np.abs(given).max(-1, keepdims=True) * (0.502 / 127))
        held.append(kept)
    expected = Reference(turned(q, np.arange(T - 2, T), D), *held, is_causal=True, query_offset=T - 2)
    near(cache.decode(q), expected.out)


def test_errors_of_scales():
    room, scale = np.zeros((2, 2, 8, 4), np.int8), np.zeros((2, 2, 8), np.float32)
    new = np.zeros((2, 2, 3, 4), np.float32)
    fixed = scale.copy()
    fixed.setflags(write=False)
    for match, arguments, scales in [
        ("scales: expected .*, got None", (room, room.copy()), None),
        ("scales: expected None", (room.astype(np.float32), room.astype(np.float32)), (scale, scale.copy())),
        (r"key scales: expected shape \(2, 2, 8\)", (room, room.copy()), (scale[:, :, :7], scale)),
        (r"value scales: expected shape \(2, 2, 8\)", (room, room.copy()), (scale, scale[:1])),
        ("value scales: .*can be written", (room, room.copy()), (scale, fixed)),
    ]:
        with pytest.raises(ValueError, match=match):
            libattn.KVCache(*arguments, scales=scales).append(new, new)
    with pytest.raises(ValueError, match="scales: .*got 1"):
        libattn.KVCache(room, room.copy(), scales=(scale,))
    with pytest.raises(ValueError, match="scales: .*twice"):
        libattn.KVCache(room, room.copy(), scales=(scale, scale))
    with pytest.raises(TypeError, match="value: .*int8"):
        libattn.KVCache(room, room.astype(np.float32), scales=(scale, scale.copy())).append(new, new)
    with pytest.raises(TypeError, match="key: .*float32"):
        libattn.scaled_dot_product_attention(new, room, room)


def test_what_can_never_be_a_cache():
    """Refused where it is made, not in its first call."""
    room, table = np.zeros((6, 2, 8, 4), np.float32), np.arange(6, dtype=np.int32).reshape(2, 3)
    bytes_, scale = room.astype(np.int8), np.zeros((6, 2, 8), np.float32)
    pool, small = np.zeros((0, 2, 8, 4), np.float32), libattn.Rotary(24, 6)
    for error, match, key, value, options in [
        (ValueError, r"key cache \(6, 2, 8, 4\), value cache \(5, 2, 8, 4\): expected the same", room, room[:5], {}),
        (ValueError, r"value cache \(6, 1, 8, 4\): expected the same", room, room[:, :1], {}),
        (TypeError, "value: expected elements of float32, got float16", room, room.astype(np.float16), {}),
        (TypeError, "key: .*bfloat16 or int8, got float64", room.astype(np.float64), room.astype(np.float64), {}),
        (ValueError, "key: expected the last dimension .*contiguous, got stride -1", room[..., ::-1], room, {}),
        (ValueError, "scales: expected .* beside int8 keys, got None", bytes_, bytes_.copy(), {}),
        (ValueError, "scales: expected None beside keys of float32", room, room.copy(), {"scales": (scale, scale + 1)}),
        (ValueError, r"value scales: expected shape \(6, 2, 8\), .*got \(6, 2, 7\)", bytes_, bytes_.copy(),
         {"scales": (scale, scale[:, :, 1:])}),
        (TypeError, "key scales: expected elements of float32, got float64", bytes_, bytes_.copy(),
         {"scales": (scale.astype(np.float64), scale)}),
        (TypeError, "page_table: expected elements of int32, got int64", room, room.copy(),
         {"page_table": table.astype(np.int64)}),
        (ValueError, r"page_table: expected 2 dimensions, got shape \(6,\)", room, room.copy(),
         {"page_table": table.ravel()}),
        (ValueError, r"0 pages, expected at least 1 beside a page_table of shape \(2, 3\)", pool, pool.copy(), {}),
        (ValueError, "pages of no keys", room[:, :, :0], room[:, :, :0].copy(), {}),
        (ValueError, "rotary: dimensions = 6, expected at most D = 4", room, room.copy(), {"rotary": small}),
    ]:
        with pytest.raises(error, match=match):
            libattn.KVCache(key, value, **{"page_table": table, **options})
    with pytest.raises(ValueError, match="value cache .*expected the same"):
        libattn.KVCache(room, room[:5])


def test_a_cache_that_cannot_be_written_is_decoded():
    rng = np.random.default_rng(98)
    key, value = normal(rng, 2, 2, 8, 4), normal(rng, 2, 2, 8, 4)
    key.setflags(write=False)
    q = normal(rng, 2, 4, 1, 4)
    cache = libattn.KVCache(key, value, [7, 7])
    near(cache.decode(q), Reference(q, key[:, :, :7], value[:, :, :7]).out)
    with pytest.raises(ValueError, match="key cache: expected an array of NumPy or PyTorch that can be written"):
        cache.append(key[:, :, :1], value[:, :, :1])


@pytest.mark.parametrize("length", [0, 5, 16])
def test_page_tables_of_any_strides(length):
    """The bits of the same table in rows; entries of keys that a sequence does not have are not looked at."""
    rng = np.random.default_rng(99)
    key, value, q = normal(rng, 6, 2, 8, 4), normal(rng, 6, 2, 8, 4), normal(rng, 3, 4, 1, 4)
    wide = np.full((6, 6), -1, np.int32)
    wide[::2, ::3] = rng.permutation(6).reshape(3, 2)
    table = wide[::2, ::3]
    tables = [table, np.asfortranarray(table), table[::-1].copy()[::-1], table[:, ::-1].copy()[:, ::-1]]
    lengths = [length] * 3
    wanted = libattn.KVCache(key, value, lengths, page_table=table.copy()).decode(q)
    for other in tables:
        assert np.array_equal(libattn.KVCache(key, value, lengths, page_table=other).decode(q), wanted)
    for row in (table[:1], np.where(np.arange(2) < -(-length // 8), table[:1], -7).astype(np.int32)):
        shared = libattn.KVCache(key, value, lengths, page_table=np.broadcast_to(row, (3, 2)))
        same = libattn.KVCache(key, value, lengths, page_table=np.repeat(row, 3, 0))
        assert np.array_equal(shared.decode(q), same.decode(q))
    if length:
        outside = np.broadcast_to(np.int32(6), (3, 2))
        with pytest.raises(ValueError, match=r"page_table\[0\]\[0\] = 6, expected 0 to 5"):
            libattn.KVCache(key, value, lengths, page_table=outside).decode(q)
    new = normal(rng, 3, 2, 1, 4)
    apart, plain = libattn.KVCache(key, value, [7] * 3, page_table=tables[1]), key.copy()
    apart.append(new, new)
    libattn.KVCache(plain, value.copy(), [7] * 3, page_table=table.copy()).append(new, new)
    assert np.array_equal(key, plain)
    with pytest.raises(ValueError, match=r"page_table\[1\]\[0\] = .*gets no other new rows"):
        libattn.KVCache(key, value, [7] * 3, page_table=np.broadcast_to(table[:1], (3, 2))).append(new, new)


def test_rotary_tables_of_the_callers():
    rng = np.random.default_rng(92)
    angle = np.arange(20)[:, None] / np.array([3.0, 5.0])
    rotary = libattn.Rotary(20, 4, tables=(np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)))
    k = normal(rng, 1, 1, 20, 4)
    cache = libattn.KVCache(np.zeros((1, 1, 20, 4), np.float32), np.zeros((1, 1, 20, 4), np.float32), rotary=rotary)
    cache.append(k, k)
    a, b = k[0, 0, :, :2], k[0, 0, :, 2:]
    wanted = np.concatenate((a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)), 1)
    near(cache.key[0, 0], wanted)
    assert np.array_equal(cache.value, k)


def test_cache_errors():
    room = np.zeros((2, 2, 8, 4), np.float32)
    new, q = np.zeros((2, 2, 3, 4), np.float32), np.zeros((2, 4, 1, 4), np.float32)
    cache = libattn.KVCache(room, room.copy())
    for match, arguments in {
        r"key: shape \(2, 1, 3, 4\)": (new[:, :1], new),
        r"value: shape \(2, 2, 2, 4\)": (new, new[:, :, :2]),
        "counts: expected 2 numbers": (new, new, [3]),
        "counts: .*from 0 to 3": (new, new, [3, 4]),
    }.items():
        with pytest.raises(ValueError, match=match):
            cache.append(*arguments)
    cache.append(new, new)
    cache.append(new, new)
    with pytest.raises(ValueError, match="lengths"):
        cache.append(new, new)
    assert cache.lengths == (6, 6)
    with pytest.raises(ValueError, match="counts: expected 3 for each sequence that has keys"):
        cache.append(new, new, [1, 3])
    with pytest.raises(ValueError, match=r"query: .* T at most 16, got shape \(2, 4, 17, 4\)"):
        cache.decode(np.zeros((2, 4, 17, 4), np.float32))
    with pytest.raises(ValueError, match="4 dimensions"):
        cache.decode(q[0])
    with pytest.raises(ValueError, match="query: expected as many sequences as the cache has, 2, got 3"):
        cache.decode(np.zeros((3, 4, 1, 4), np.float32))
    fixed = room.copy()
    fixed.setflags(write=False)
    with pytest.raises(ValueError, match="can be written"):
        libattn.KVCache(fixed, room).append(new, new)
    table = np.array([[0], [2]], np.int32)
    with pytest.raises(ValueError, match="page_table"):
        libattn.KVCache(room, room.copy(), [8, 8], page_table=table).decode(q)
    with pytest.raises(TypeError, match="page_table: .*int32"):
        libattn.KVCache(room, room.copy(), [8, 8], page_table=table.astype(np.int64)).decode(q)
    with pytest.raises(ValueError, match="page_table: expected 2 dimensions"):
        libattn.KVCache(room, room.copy(), [8, 8], page_table=table[:, 0]).decode(q)
    with pytest.raises(ValueError, match="position"):
        libattn.KVCache(room, room.copy(), rotary=libattn.Rotary(2, 4)).append(new, new)
    for arguments in ((4, 3), (-1, 4), (4, 4, 0.0)):
        with pytest.raises(ValueError):
            libattn.Rotary(*arguments)


@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (2, 2, 3)])
def test_merge(leading):
    rng = np.random.default_rng(93)
    q, k, v = (normal(rng, *leading, n, 8) for n in (5, 12, 12))
    whole = libattn.scaled_dot_product_attention(q, k, v, return_lse=True)
    cuts = [slice(0, 3), slice(3, 3), slice(3, 12)]
    parts = [libattn.scaled_dot_product_attention(q, k[..., c, :], v[..., c, :], return_lse=True) for c in cuts]
    for got, expected in zip(libattn.merge_states(*zip(*parts)), whole):
        near(got, expected)
    with pytest.raises(ValueError, match="lses: expected shape"):
        libattn.merge_states([whole[0]], [whole[0]])
    with pytest.raises(ValueError, match="outs: expected shape"):
        libattn.merge_states([whole[0], whole[0][..., :2]], [whole[1]] * 2)
    with pytest.raises(ValueError, match="outs, lses"):
        libattn.merge_states([whole[0]], [])


def halves(x, kind):
    return x.astype(np.float16) if kind == "float16" else x.astype(pytest.importorskip("ml_dtypes").bfloat16)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_narrow_caches(kind):
    """The bits of a float32 cache of the same numbers; new rows of any of the types."""
    rng = np.random.default_rng(95)
    B, H, HK, S, D = 2, 4, 2, 20, 8
    k, v, q = normal(rng, B, HK, 9, D), normal(rng, B, HK, 9, D), normal(rng, B, H, 2, D)
    room = [halves(np.zeros((B, HK, S, D)), kind) for _ in range(2)]
    cache = libattn.KVCache(*room, rotary=libattn.Rotary(S, D))
    cache.append(k[:, :, :5], v[:, :, :5])
    cache.append(halves(k[:, :, 5:], kind), halves(v[:, :, 5:], kind))
    wide = [x.astype(np.float32) for x in room]
    assert np.abs(wide[1][:, :, :9] - v).max() < 0.02
    turned_keys = turned(k, np.arange(9), D)
    assert np.abs(wide[0][:, :, :9] - turned_keys).max() < 0.03
    plain = libattn.KVCache(*wide, cache.lengths, rotary=libattn.Rotary(S, D))
    assert np.array_equal(cache.decode(q), plain.decode(q))
    narrow = halves(q, kind)
    rotated = libattn.Rotary(S, D).rotate(narrow, [7, 7]).astype(np.float32)  # as decode turns them: rounded once more
    out = libattn.KVCache(*wide, cache.lengths).decode(rotated).astype(narrow.dtype)
    if kind == "float16":
        assert np.array_equal(cache.decode(narrow), out)
    else:  # a CPU that multiplies bfloat16 rounds the weights to it
        assert np.abs(cache.decode(narrow).astype(np.float32) - out.astype(np.float32)).max() < 0.01
    with pytest.raises(TypeError, match="value: .*" + kind):
        libattn.KVCache(room[0], wide[1]).append(k, v)
    with pytest.raises(TypeError, match="value: .*" + kind):
        libattn.KVCache(*wide).append(halves(k, kind), v)
    with pytest.raises(TypeError, match="key: .*float64"):
        libattn.KVCache(*wide).append(k.astype(np.float64), v)
    for pair in ([x.copy() for x in room], wide):  # bits do not depend on what type the numbers came in
        again = [x.copy() for x in pair]
        libattn.KVCache(*pair, rotary=libattn.Rotary(S, D)).append(halves(k, kind), halves(v, kind))
        low = [halves(x, kind).astype(np.float32) for x in (k, v)]
        libattn.KVCache(*again, rotary=libattn.Rotary(S, D)).append(*low)
        assert all(np.array_equal(x, y) for x, y in zip(pair, again))
    with pytest.raises(ValueError, match="scales: expected None"):
        libattn.KVCache(*room, scales=(np.zeros((B, HK, S), np.float32), np.zeros((B, HK, S), np.float32))).append(k, v)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_narrow_parts_are_merged(kind):
    rng = np.random.default_rng(96)
    q, k, v = (halves(normal(rng, 2, 3, n, 8), kind) for n in (5, 12, 12))
    parts = [
        libattn.scaled_dot_product_attention(q, k[:, :, c], v[:, :, c], return_lse=True)
        for c in (slice(0, 4), slice(4, 12))
    ]
    out, lse = libattn.merge_states(*zip(*parts))
    wide, wide_lse = libattn.merge_states([x.astype(np.float32) for x, _ in parts], [x for _, x in parts])
    assert out.dtype == q.dtype and np.array_equal(out, wide.astype(q.dtype))
    assert np.array_equal(lse, wide_lse)
    with pytest.raises(TypeError, match=f"outs: .*{kind}"):
        libattn.merge_states([out, wide], [lse, lse])
    with pytest.raises(TypeError, match="outs: .*float64"):
        libattn.merge_states([wide.astype(np.float64)], [lse])


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotate(interleaved):
    rng = np.random.default_rng(97)
    rotary = libattn.Rotary(40, 6, interleaved=interleaved)
    x = normal(rng, 2, 3, 7, 8)
    for offset in (0, 5, [30, 2], [-3, 0]):
        positions = np.maximum(np.arange(7) + np.reshape(offset, (-1, 1, 1)), 0)
        near(rotary.rotate(x, offset), turned(x, positions, 6, interleaved=interleaved), 1e-6)
    strided = x[0].swapaxes(0, 1).copy().swapaxes(0, 1)
    near(rotary.rotate(strided), turned(x[0], np.arange(7), 6, interleaved=interleaved), 1e-6)
    five = np.stack([x, 2 * x])
    near(rotary.rotate(five, [1, 2, 3, 4])[1], 2 * rotary.rotate(x, [3, 4]), 1e-6)
    for kind in ("float16", "bfloat16"):
        narrow = halves(x, kind)
        assert np.array_equal(rotary.rotate(narrow), rotary.rotate(narrow.astype(np.float32)).astype(narrow.dtype))
    with pytest.raises(ValueError, match="position"):
        rotary.rotate(x, 34)
    with pytest.raises(TypeError, match="x: expected elements of float32, float16 or bfloat16, got float64"):
        rotary.rotate(x.astype(np.float64))
