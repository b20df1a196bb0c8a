"""scaled_dot_product_attention and attention_backward against the reference in float64."""

import sys
import threading
import time

import libattn
import numpy as np
import pytest
from reference import Reference, near

SEED = 20


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def draw(rng):
    """A random problem: (q, k, v), and the options that both sides understand."""
    B, HK, D, DV = (int(rng.integers(1, n)) for n in (4, 4, 40, 40))
    H = HK * int(rng.integers(1, 4))
    T, S = (int(rng.integers(1, 70)) for _ in range(2))
    options = {}
    if rng.random() < 0.5:
        options["is_causal"] = True
    if rng.random() < 0.3:
        options["window"] = (int(rng.integers(-1, 20)), int(rng.integers(-1, 20)))
    if rng.random() < 0.3:
        options["softcap"] = 1.5
    if rng.random() < 0.3:
        options["scale"] = 0.3
    if rng.random() < 0.3:
        options["alibi_slopes"] = np.abs(normal(rng, H)) / 4
    if rng.random() < 0.3:
        options["sinks"] = normal(rng, H)
    if rng.random() < 0.3:
        options["key_lengths"] = rng.integers(0, S + 1, B)
    if rng.random() < 0.5:
        options["query_offset"] = int(S - T) if rng.random() < 0.5 else rng.integers(-5, 6, B)
    if rng.random() < 0.6:
        shape = [n if rng.random() < 0.6 else 1 for n in (B, H, T, S)][int(rng.integers(0, 3)) :]
        boolean = rng.random() < 0.5
        options["attn_mask"] = rng.random(shape) < 0.7 if boolean else normal(rng, *shape)
    return (normal(rng, B, H, T, D), normal(rng, B, HK, S, D), normal(rng, B, HK, S, DV)), options


@pytest.mark.parametrize("case", range(120))
def test_random_problems(case):
    rng = np.random.default_rng([SEED, case])
    (q, k, v), options = draw(rng)
    expected = Reference(q, k, v, **options)
    out, lse, weights = libattn.scaled_dot_product_attention(
        q, k, v, enable_gqa=True, return_lse=True, return_weights=True, **options
    )
    near(out, expected.out)
    near(lse, expected.lse)
    near(weights, expected.weights)
    grad_out = normal(rng, *out.shape)
    gradients = libattn.attention_backward(grad_out, q, k, v, out, lse, enable_gqa=True, **options)
    expected = expected.backward(grad_out)
    assert gradients.keys() == expected.keys()
    for name in expected:
        near(gradients[name], expected[name], 2e-5)


def test_defaults_are_pytorchs():
    rng = np.random.default_rng(SEED)
    q, k, v = normal(rng, 2, 3, 5, 8), normal(rng, 2, 3, 9, 8), normal(rng, 2, 3, 9, 4)
    out = libattn.scaled_dot_product_attention(q, k, v, None, 0.0, True, 0.5)
    near(out, Reference(q, k, v, is_causal=True, scale=0.5).out)


@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (2, 2, 3), (2, 1, 2, 3)])
def test_leading_dimensions(leading):
    rng = np.random.default_rng(SEED)
    q, k, v = normal(rng, *leading, 5, 8), normal(rng, *leading, 7, 8), normal(rng, *leading, 7, 6)
    bias = normal(rng, *leading, 5, 7)
    out, lse, weights = libattn.scaled_dot_product_attention(q, k, v, bias, return_lse=True, return_weights=True)
    grad_out = normal(rng, *out.shape)
    gradients = libattn.attention_backward(grad_out, q, k, v, out, lse, bias)

    def four(x):
        return x.reshape((-1,) + (leading or (1,))[-1:] + x.shape[-2:])

    expected = Reference(four(q), four(k), four(v), four(bias))
    near(out, expected.out.reshape(out.shape))
    near(lse, expected.lse.reshape(lse.shape))
    near(weights, expected.weights.reshape(weights.shape))
    for name, gradient in expected.backward(four(grad_out)).items():
        near(gradients[name], gradient.reshape(gradients[name].shape), 2e-5)


def test_options_by_sequence_in_more_dimensions():
    rng = np.random.default_rng(SEED)
    q, k, v = normal(rng, 2, 3, 1, 5, 8), normal(rng, 2, 3, 1, 7, 8), normal(rng, 2, 3, 1, 7, 6)
    lengths, offsets = [7, 0, 3, 1, 6, 2], [0, 1, -2, 3, 4, 5]
    out = libattn.scaled_dot_product_attention(q, k, v, is_causal=True, key_lengths=lengths, query_offset=offsets)
    flat = [x.reshape(6, 1, *x.shape[3:]) for x in (q, k, v)]
    expected = Reference(*flat, is_causal=True, key_lengths=lengths, query_offset=offsets)
    near(out.reshape(6, 1, 5, 6), expected.out)


def test_strides_need_no_copy():
    rng = np.random.default_rng(SEED)
    packed = normal(rng, 2, 9, 3, 4, 8)  # (B, T, 3, H, D)
    q, k, v = (packed[:, :, i].swapaxes(1, 2) for i in range(3))
    mask = np.broadcast_to(rng.random((9, 2))[:, :1] < 0.8, (2, 4, 9, 9))
    expected = Reference(q, k, v, mask)
    near(libattn.scaled_dot_product_attention(q, k, v, mask), expected.out)
    near(libattn.scaled_dot_product_attention(q, k[:, :, ::-1], v[:, :, ::-1], mask[..., ::-1]), expected.out)
    once = np.broadcast_to(k[:1], k.shape)
    near(libattn.scaled_dot_product_attention(q, once, v), Reference(q, once, v).out)
    packed.setflags(write=False)
    near(libattn.scaled_dot_product_attention(q, k, v, mask), expected.out)


def test_out_is_written_and_returned():
    rng = np.random.default_rng(SEED)
    q = normal(rng, 2, 4, 9, 8)
    room = np.full((2, 9, 4, 10), 7, np.float32)
    out = room[..., 1:9].swapaxes(1, 2)
    assert libattn.scaled_dot_product_attention(q, q, q, out=out) is out
    near(out, Reference(q, q, q).out)
    assert (room[..., 0] == 7).all() and (room[..., 9] == 7).all()


def test_dropout():
    rng = np.random.default_rng(SEED)
    q, k = normal(rng, 3, 2, 40, 8), normal(rng, 3, 2, 50, 8)
    v = np.broadcast_to(np.eye(50, dtype=np.float32), (3, 2, 50, 50))  # so that out is the dropped weights
    sdpa = libattn.scaled_dot_product_attention
    dropped, lse, weights = sdpa(q, k, v, None, 0.25, seed=1, return_lse=True, return_weights=True)
    kept = dropped != 0
    assert abs(kept.mean() - 0.75) < 0.02
    near(dropped, np.where(kept, weights / 0.75, 0))
    assert np.array_equal(dropped, sdpa(q, k, v, None, 0.25, seed=1))
    assert not np.array_equal(dropped, sdpa(q, k, v, None, 0.25, seed=2))
    assert not np.array_equal(sdpa(q, k, v, None, 0.25), sdpa(q, k, v, None, 0.25))
    assert not np.array_equal(kept[0], kept[1])
    keys = np.array([5, 2**64 - 1, 7], np.uint64)
    by_key = sdpa(q, k, v, None, 0.25, seed=keys)
    assert np.array_equal(by_key[1:], sdpa(q[1:], k[1:], v[1:], None, 0.25, seed=[2**64 - 1, 7]))
    grad_out = normal(rng, *dropped.shape)
    gradients = libattn.attention_backward(grad_out, q, k, v, dropped, lse, None, 0.25, seed=1)
    near(gradients["value"], dropped.astype(np.float64).swapaxes(-1, -2) @ grad_out, 2e-5)
    with pytest.raises(ValueError, match="seed"):
        libattn.attention_backward(grad_out, q, k, v, dropped, lse, None, 0.25)


def test_chosen_gradients():
    rng = np.random.default_rng(SEED)
    q, bias = normal(rng, 1, 2, 5, 4), normal(rng, 5, 5)
    out, lse = libattn.scaled_dot_product_attention(q, q, q, bias, return_lse=True)
    chosen = libattn.attention_backward(out, q, q, q, out, lse, bias, gradients=["attn_mask", "key"])
    every = libattn.attention_backward(out, q, q, q, out, lse, bias)
    assert set(chosen) == {"attn_mask", "key"}
    assert all(np.array_equal(chosen[name], every[name]) for name in chosen)
    for names in (["weights"], "query", ["score_vector"]):
        with pytest.raises((ValueError, TypeError), match="gradients"):
            libattn.attention_backward(out, q, q, q, out, lse, bias, gradients=names)
    with pytest.raises(ValueError, match="attn_mask"):
        libattn.attention_backward(out, q, q, q, out, lse, gradients=["attn_mask"])


@pytest.mark.parametrize("shape", [(0, 2, 3, 4), (2, 2, 0, 4), (2, 0, 3, 4), (1, 1, 3, 0), (0, 2, 1, 3, 4)])
def test_empty_arrays(shape):
    q = np.zeros(shape, np.float32)
    out, lse = libattn.scaled_dot_product_attention(q, q, q, return_lse=True)
    assert out.shape == shape and lse.shape == shape[:-1]
    gradients = libattn.attention_backward(out, q, q, q, out, lse)
    assert all(gradients[name].shape == shape for name in ("query", "key", "value"))


def test_arrays_without_elements_need_no_strides():
    q = np.ones((1, 2, 5, 4), np.float32)
    nothing = np.lib.stride_tricks.as_strided(np.zeros(0, np.float32), (1, 2, 0, 4), (0, 0, 0, 0))
    assert not libattn.scaled_dot_product_attention(q, nothing, nothing).any()


@pytest.mark.parametrize("T, S, mask", [(0, 300, (300,)), (300, 0, (300, 1)), (0, 0, (1, 1))])
def test_a_mask_of_nothing_has_no_gradient(T, S, mask):
    q, k, mask = np.zeros((2, 2, T, 8), np.float32), np.zeros((2, 2, S, 8), np.float32), np.zeros(mask, np.float32)
    out, lse = libattn.scaled_dot_product_attention(q, k, k, mask, return_lse=True)
    for _ in range(10):
        waste = np.full(mask.size, 7, np.float32)  # what memory may have held before
        del waste
        gradient = libattn.attention_backward(out, q, k, k, out, lse, mask)["attn_mask"]
        assert gradient.shape == mask.shape and not gradient.any()


def test_no_keys():
    q, k = np.ones((1, 2, 3, 4), np.float32), np.ones((1, 2, 0, 4), np.float32)
    out, lse = libattn.scaled_dot_product_attention(q, k, k, return_lse=True)
    assert (out == 0).all() and (lse == -np.inf).all()


def test_thread_count_does_not_change_bits():
    rng = np.random.default_rng(SEED)
    q, k = normal(rng, 2, 4, 70, 16), normal(rng, 2, 4, 300, 16)
    one, two = (libattn.scaled_dot_product_attention(q, k, k, threads=n, return_lse=True) for n in (1, 2))
    assert np.array_equal(one[0], two[0]) and np.array_equal(one[1], two[1])


def test_concurrent_calls_run_beside_each_other():
    rng = np.random.default_rng(SEED)
    problems = [normal(rng, 1, 2, 64 + 8 * n, 16) for n in range(8)]
    expected = [libattn.scaled_dot_product_attention(q, q, q) for q in problems]
    wrong = []

    def work(n):
        for _ in range(20):
            if not np.array_equal(libattn.scaled_dot_product_attention(*[problems[n]] * 3, threads=1), expected[n]):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_interpreter_goes_on_during_a_call():
    q = np.ones((1, 8, 512, 64), np.float32)
    counted, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1
            time.sleep(0)  # lets the caller back in

    thread, interval = threading.Thread(target=count), sys.getswitchinterval()
    thread.start()
    sys.setswitchinterval(100)  # so that nobody is asked to give way
    before = counted[0]
    for _ in range(200):  # on a busy machine the other thread may not run at once
        libattn.scaled_dot_product_attention(q, q, q, threads=1)
        during = counted[0] - before
        if during:
            break
    sys.setswitchinterval(interval)
    done.set()
    thread.join()
    assert during > 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_masked_places_hold(bad):
    """Forward's bits do not depend on it, nor backward's on values; on queries and keys backward's to rounding."""
    rng = np.random.default_rng(21)
    q, k, v, grad = (normal(rng, 1, 2, 70, 16) for _ in range(4))
    keep = np.ones((70, 70), bool)
    keep[3], keep[:, 5] = False, False

    def call(q, k, v, grad):
        out, lse = libattn.scaled_dot_product_attention(q, k, v, keep, return_lse=True)
        return out, lse, libattn.attention_backward(grad, q, k, v, out, lse, keep)

    def spoiled(x, row):
        x = x.copy()
        x[..., row, :] = bad
        return x

    out, lse, gradients = call(q, k, v, grad)
    for arguments, same in (
        ((q, k, spoiled(v, 5), grad), True),
        ((q, spoiled(k, 5), v, grad), False),
        ((spoiled(q, 3), k, v, grad), False),
        ((q, k, v, spoiled(grad, 3)), False),
    ):
        again_out, again_lse, again = call(*arguments)
        assert np.array_equal(out, again_out) and np.array_equal(lse, again_lse)
        for name, wanted in gradients.items():
            assert np.array_equal(again[name], wanted) if same else np.allclose(again[name], wanted, 0, 1e-6)
