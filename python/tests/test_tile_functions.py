"""The caller's functions of scores and masks, of Python and of C."""

import ctypes
import threading

import libattn
import numpy as np
import pytest
from reference import Reference, near
from test_attention import normal


def phases(heads, positions, keys):
    """Different for neighbouring pairs, heads and positions."""
    return (positions[:, None] + 3 * keys + 5 * np.reshape(heads, (-1, 1, 1))) % 7


def of_tile(tile):
    positions = np.arange(tile.position, tile.position + tile.queries)
    return phases(tile.head, positions, np.arange(tile.key, tile.key + tile.keys))[0]


def bent(scores, tile):
    scores += 0.25 * np.sin(scores + of_tile(tile))  # its own array, which it may change
    return scores


def slope(scores, tile):
    return 1 + 0.25 * np.cos(scores + of_tile(tile))


def keeps(tile):
    return of_tile(tile) > 2


def dense(H, T, S, offset=0):
    """What these are on all pairs: the function and derivative of the scores, and the mask."""
    phase = phases(np.arange(H), np.arange(T) + offset, np.arange(S))

    def function(s):
        return s + 0.25 * np.sin(s + phase), 1 + 0.25 * np.cos(s + phase)

    return function, phase > 2


FUNCTION = libattn.ScoreFunction(bent, slope)


@pytest.mark.parametrize("case", range(8))
def test_against_the_reference(case):
    rng = np.random.default_rng([100, case])
    B, HK, D, DV, T, S = 2, 2, 8, 6, int(rng.integers(1, 90)), int(rng.integers(1, 150))
    H = HK * int(rng.integers(1, 3))
    q, k, v = normal(rng, B, H, T, D), normal(rng, B, HK, S, D), normal(rng, B, HK, S, DV)
    options = {"query_offset": int(rng.integers(-3, 40)), "is_causal": case % 2 == 0}
    if case % 4 > 1:
        options["softcap"] = 2.0
    if case % 3 == 1:
        options["sinks"] = normal(rng, H)
    function, kept = dense(H, T, S, options["query_offset"])
    kept |= np.arange(S) // 32 % 3 == 0
    wanted = Reference(q, k, v, np.broadcast_to(kept, (B, H, T, S)), score_function=function, **options)

    def mask(tile):
        rows, columns = np.arange(tile.query, tile.query + tile.queries), np.arange(tile.key, tile.key + tile.keys)
        part = kept[tile.head][np.ix_(rows, columns)]
        return bool(part.all()) if part.all() or not part.any() else part

    options |= {"score_function": FUNCTION, "mask_function": mask, "enable_gqa": True}
    out, lse, weights = libattn.scaled_dot_product_attention(q, k, v, return_lse=True, return_weights=True, **options)
    near(out, wanted.out)
    near(lse, wanted.lse)
    near(weights, wanted.weights)
    near(libattn.attention_weights(q, k, rows=(T // 2, T), **options), wanted.weights[:, :, T // 2 :])
    near(libattn.attention_column_sums(q, k, lse, **options), wanted.weights.sum(2), 1e-5)
    grad_out = normal(rng, *out.shape)
    gradients = libattn.attention_backward(grad_out, q, k, v, out, lse, **options)
    for name, gradient in wanted.backward(grad_out).items():
        near(gradients[name], gradient, 2e-5)


def test_a_function_alone_is_enough_forward():
    q = normal(np.random.default_rng(101), 2, 3, 40, 8)
    function, kept = dense(3, 40, 40)
    out, lse = libattn.scaled_dot_product_attention(q, q, q, score_function=bent, return_lse=True)
    near(out, Reference(q, q, q, score_function=function).out)
    weights = libattn.attention_weights(q, q, score_function=bent)
    near(libattn.attention_column_sums(q, q, lse, score_function=bent), weights.sum(2), 1e-5)
    with pytest.raises(ValueError, match="score_function: .* derivative"):
        libattn.attention_backward(out, q, q, q, out, lse, score_function=bent)
    with pytest.raises(NotImplementedError, match="score_function"):
        libattn.attention_double_backward(out, q, q, q, out, lse, score_function=FUNCTION)
    kept = np.broadcast_to(kept, (2, 3, 40, 40))
    near(libattn.scaled_dot_product_attention(q, q, q, mask_function=keeps), Reference(q, q, q, kept).out)


def test_every_kind_of_call():
    rng = np.random.default_rng(102)
    q = normal(rng, 2, 3, 40, 8)
    causal = Reference(q, q, q, is_causal=True)

    def earlier(tile):
        rows, columns = np.arange(tile.queries) + tile.position, np.arange(tile.keys) + tile.key
        return columns <= rows[:, None]

    def doubled(scores, tile):
        return np.float64(2) * scores  # of float64

    w = normal(rng, 3, 8)
    near(
        libattn.additive_attention(q, q, q, w, score_function=doubled, mask_function=earlier),
        Reference(q, q, q, is_causal=True, score_vector=2 * w).out,
    )
    flat = q.transpose(0, 2, 1, 3).reshape(80, 3, 8)
    seen = set()

    def note(scores, tile):
        seen.add(tile.sequence)
        return scores

    functions = {"score_function": note, "mask_function": earlier}
    out = libattn.varlen_attention(flat, flat, flat, [0, 40, 80], [0, 40, 80], **functions)
    near(out.reshape(2, 40, 3, 8).transpose(0, 2, 1, 3), causal.out)
    assert seen == {0, 1}
    five = np.broadcast_to(q, (2, *q.shape))
    near(libattn.scaled_dot_product_attention(five, five, five, **functions)[1], causal.out)
    assert seen == {0, 1, 2, 3}
    cache = libattn.KVCache(q.copy(), q.copy(), [40, 40])
    near(cache.decode(q[:, :, -3:], is_causal=False, mask_function=earlier), causal.out[:, :, -3:])
    halves = q.astype(np.float16)
    out = libattn.scaled_dot_product_attention(halves, halves, halves, mask_function=earlier)
    assert np.abs(out.astype(np.float64) - causal.out).max() < 5e-3
    with pytest.raises(TypeError, match="query: .* beside a mask_function, got float64"):
        libattn.scaled_dot_product_attention(*[q.astype(np.float64)] * 3, mask_function=earlier)
    out, lse = libattn.scaled_dot_product_attention(q, q, q, mask_function=earlier, return_lse=True)
    twice = libattn.attention_double_backward(q, q, q, q, out, lse, by_query=q, mask_function=earlier)
    plain = libattn.attention_double_backward(q, q, q, q, out, lse, by_query=q, is_causal=True)
    for name in plain:
        near(twice[name], plain[name], 1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_function_raises_is_raised(threads):
    q = normal(np.random.default_rng(103), 2, 4, 100, 8)

    class Own(Exception):
        pass

    def fails(*arguments):
        if arguments[-1].head >= 2:
            raise Own(threading.get_ident())
        return arguments[0] if len(arguments) == 2 else True

    expected = libattn.scaled_dot_product_attention(q, q, q)
    for option in ("score_function", "mask_function"):
        with pytest.raises(Own):
            libattn.scaled_dot_product_attention(q, q, q, threads=threads, **{option: fails})
    out, lse = libattn.scaled_dot_product_attention(q, q, q, return_lse=True)
    for function in (libattn.ScoreFunction(fails, slope), libattn.ScoreFunction(bent, fails)):
        with pytest.raises(Own):
            libattn.attention_backward(out, q, q, q, out, lse, score_function=function, threads=threads)
    assert np.array_equal(expected, libattn.scaled_dot_product_attention(q, q, q))
    for error, option, returned, match in (
        (ValueError, "score_function", np.zeros((2, 3, 4), np.float32), r"score_function: returned shape \(2, 3, 4\)"),
        (TypeError, "score_function", np.zeros((), np.int64), "score_function: .* float32 or float64, got int64"),
        (TypeError, "score_function", 0.0, "score_function: expected an array"),
        (TypeError, "mask_function", np.zeros((), np.float32), "mask_function: .* bool, got float32"),
        (ValueError, "mask_function", np.ones(7, bool), r"mask_function: returned shape \(7,\)"),
        (TypeError, "mask_function", None, "mask_function: returned None, expected True, False or"),
    ):
        with pytest.raises(error, match=match):
            libattn.scaled_dot_product_attention(q, q, q, **{option: lambda *_: returned})
    for option in ("score_function", "mask_function"):
        with pytest.raises(TypeError, match=f"{option}: expected a function.*got int"):
            libattn.scaled_dot_product_attention(q, q, q, **{option: 3})
    with pytest.raises(TypeError, match="derivative"):
        libattn.ScoreFunction(bent, 3)
    assert not libattn.scaled_dot_product_attention(q, q, q, mask_function=lambda tile: np.False_).any()


def test_calls_of_several_threads_take_turns():
    q = normal(np.random.default_rng(108), 2, 4, 150, 8)
    expected = libattn.scaled_dot_product_attention(q, q, q, is_causal=True)
    wrong = []

    def earlier(tile):
        return np.arange(tile.key, tile.key + tile.keys) <= np.arange(tile.queries)[:, None] + tile.position

    def work():
        for _ in range(5):
            try:
                if not np.array_equal(libattn.scaled_dot_product_attention(q, q, q, mask_function=earlier), expected):
                    wrong.append("bits")
                libattn.scaled_dot_product_attention(q, q, q, score_function=lambda *_: 1 / 0)
                wrong.append("nothing raised")
            except ZeroDivisionError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_function_may_attend_itself():
    """Which must not take the workspace of the call that it is called from."""
    q = normal(np.random.default_rng(104), 1, 2, 70, 8)
    large = normal(np.random.default_rng(105), 1, 2, 300, 64)
    inner = Reference(large, large, large).out
    expected = libattn.scaled_dot_product_attention(q, q, q)

    def attends(scores, tile):
        near(libattn.scaled_dot_product_attention(large, large, large, threads=1), inner)
        return scores

    for _ in range(3):
        assert np.array_equal(libattn.scaled_dot_product_attention(q, q, q, score_function=attends), expected)


class CTile(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("sequence", "head", "query", "position", "queries", "key", "keys")]
    _fields_ += [(name, ctypes.POINTER(ctypes.c_float)) for name in ("values", "slopes")]
    _fields_ += [(name, ctypes.c_int64) for name in ("query_step", "key_step")]


def test_c_functions():
    q = normal(np.random.default_rng(106), 1, 2, 20, 4)
    user = ctypes.c_float(0.5)

    @ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_float), ctypes.POINTER(CTile))
    def halved(factor, tile):
        t = tile[0]
        for m in range(t.queries):
            for n in range(t.keys):
                t.values[m * t.query_step + n * t.key_step] *= factor[0]
                if t.slopes:
                    t.slopes[m * t.query_step + n * t.key_step] *= factor[0]

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(CTile))
    def nothing(user, tile):
        return 0

    def address(x):
        return ctypes.cast(x, ctypes.c_void_p).value

    function = libattn.CFunction(address(halved), ctypes.addressof(user), keep=(halved, user))
    out, lse = libattn.scaled_dot_product_attention(q, q, q, score_function=function, return_lse=True)
    wanted = Reference(q, q, q, scale=0.25)
    near(out, wanted.out)
    gradients = libattn.attention_backward(q, q, q, q, out, lse, score_function=function)
    near(gradients["query"], wanted.backward(q)["query"], 2e-5)
    assert not libattn.scaled_dot_product_attention(q, q, q, mask_function=libattn.CFunction(address(nothing))).any()
    for arguments in ((0,), (None,), (True,), (1, -1), (2**64,)):
        with pytest.raises(ValueError, match="address"):
            libattn.CFunction(*arguments)


def test_jax_arrays():
    jnp = pytest.importorskip("jax.numpy")
    q = normal(np.random.default_rng(107), 1, 2, 20, 8)
    x = jnp.asarray(q)
    out = libattn.scaled_dot_product_attention(x, x, x, score_function=lambda s, tile: 2 * s)
    near(out, Reference(q, q, q, scale=2 / np.sqrt(8)).out)
