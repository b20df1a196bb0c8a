"""attention_weights, attention_column_sums and BlockMask against the reference."""

import libattn
import numpy as np
import pytest
from reference import Reference, near
from test_attention import draw, normal


@pytest.mark.parametrize("case", range(30))
def test_random_problems(case):
    rng = np.random.default_rng([100, case])
    (q, k, v), options = draw(rng)
    if case % 3 == 0:
        options.pop("scale", None)
        options["score_vector"] = normal(rng, q.shape[1], q.shape[3])
        expected = Reference(q, k, v, scale=1, **options)
    else:
        expected = Reference(q, k, v, **options)
    ranges = [tuple(map(int, sorted(rng.integers(0, n + 1, 2)))) for n in q.shape[:3]]
    region = dict(zip(("sequences", "heads", "rows"), ranges))
    if case % 5 == 0:
        region.pop("heads")
        ranges[1] = (0, q.shape[1])
    chosen = expected.weights[tuple(slice(*r) for r in ranges)]
    near(libattn.attention_weights(q, k, enable_gqa=True, **options, **region), chosen)
    vector = {"score_vector": options.pop("score_vector")} if "score_vector" in options else {}
    function = libattn.additive_attention if vector else libattn.scaled_dot_product_attention
    lse = function(q, k, v, enable_gqa=True, return_lse=True, **vector, **options)[1]
    sums = libattn.attention_column_sums(q, k, lse, enable_gqa=True, **vector, **options, **region)
    near(sums, chosen.sum(2), 1e-5)


def test_fewer_dimensions():
    rng = np.random.default_rng(101)
    q, k = normal(rng, 5, 8), normal(rng, 7, 8)
    expected = Reference(q[None, None], k[None, None], k[None, None])
    out, lse = libattn.scaled_dot_product_attention(q, k, k, return_lse=True)
    near(libattn.attention_weights(q, k, rows=(2, 4)), expected.weights[0, 0, 2:4])
    near(libattn.attention_column_sums(q, k, lse, rows=(2, 4)), expected.weights[0, 0, 2:4].sum(0))
    for region in ({"rows": (2, 6)}, {"heads": (1, 2)}, {"rows": (3, 2)}, {"sequences": (-1, 1)}, {"rows": 3}):
        with pytest.raises(ValueError, match=next(iter(region))):
            libattn.attention_weights(q, k, **region)
    with pytest.raises(ValueError, match=r"lse: expected shape \(5,\), got \(7,\)"):
        libattn.attention_column_sums(q, k, np.zeros(7, np.float32))


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 5), (2, 1, 3, 5), (2, 2, 3, 5)])
def test_block_masks(shape):
    rng = np.random.default_rng(102)
    q, k, v = normal(rng, 2, 2, 41, 8), normal(rng, 2, 2, 66, 8), normal(rng, 2, 2, 66, 8)
    kept = rng.random(shape) < 0.5
    blocks = libattn.BlockMask.of_blocks(kept, (16, 16))
    mask = np.repeat(np.repeat(kept, 16, -2), 16, -1)[..., :41, :66]
    expected = Reference(q, k, v, mask, is_causal=True, query_offset=25)
    options = {"block_mask": blocks, "is_causal": True, "query_offset": 25}
    out, lse = libattn.scaled_dot_product_attention(q, k, v, return_lse=True, **options)
    near(out, expected.out)
    near(libattn.attention_weights(q, k, **options), expected.weights)
    grad_out = normal(rng, *out.shape)
    gradients = libattn.attention_backward(grad_out, q, k, v, out, lse, **options)
    for name, wanted in expected.backward(grad_out).items():
        near(gradients[name], wanted, 2e-5)


def test_block_masks_refused():
    q = np.zeros((2, 2, 40, 8), np.float32)
    starts, entries = np.zeros((1, 1, 4), np.int64), np.zeros(1, np.int64)
    for match, mask in {
        r"starts: shape \(1, 1, 4\).*\(2, 2, 5\)": (starts, entries, (10, 10)),
        "starts: expected 3 dimensions": (starts[0], entries, (16, 16)),
        "block_size": (starts, entries, (0, 16)),
        "entries -1": (starts - 1, entries, (16, 16)),
        "within 0 to count": (starts + np.array([0, 1, 2, 3]), entries, (16, 16)),
    }.items():
        with pytest.raises(ValueError, match=match):
            libattn.scaled_dot_product_attention(q, q, q, block_mask=libattn.BlockMask(*mask))
    with pytest.raises(TypeError, match="block_mask.entries: .*int64, got int32"):
        mask = libattn.BlockMask(starts, entries.astype(np.int32), (16, 16))
        libattn.scaled_dot_product_attention(q, q, q, block_mask=mask)
    with pytest.raises(ValueError, match="kept"):
        libattn.BlockMask.of_blocks([True], (16, 16))
