"""libattn.onnx.attention on the node cases that ONNX's package brings. Run where that is installed."""

import importlib

import libattn.onnx
import numpy as np
import pytest
from reference import Reference, near


def cases():
    """The package's cases of this operator alone, without the expansions into other operators."""
    node = pytest.importorskip("onnx.backend.test.case.node")
    node._TargetOpType, node._NodeTestCases[:] = "Attention", []
    importlib.import_module("onnx.backend.test.case.node.attention")  # which collects them as it is loaded
    return [case for case in node._NodeTestCases if not case.name.endswith("_expanded")]


def run(case):
    """(got, expected) outputs of a case."""
    import onnx

    (node,) = case.model.graph.node
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    inputs, expected = case.data_sets[0]
    given = iter(inputs)
    arrays = [next(given) if name else None for name in node.input]
    opset = min(case.model.opset_import[0].version, 25)
    got = libattn.onnx.attention(*arrays, opset=opset, num_outputs=len(node.output), **attributes)
    return [array for name, array in zip(node.output, got, strict=True) if name], expected


def test_node_cases():
    ran = 0
    for case in cases():
        for got, expected in zip(*run(case), strict=True):
            assert got.dtype == expected.dtype, case.name
            wide = [x.astype(np.float64) for x in (got, expected)]
            narrow = got.dtype.name == "bfloat16"  # for which ONNX's runner too allows two units of the last place
            rtol = max(case.rtol, 2**-6) if narrow else case.rtol
            np.testing.assert_allclose(*wide, rtol=rtol, atol=case.atol, err_msg=case.name)
        ran += 1
    assert ran >= 90


def arrays(H=4, HK=2, T=3, S=5, D=8, DV=6):
    rng = np.random.default_rng(70)
    return [rng.standard_normal(shape).astype(np.float32) for shape in ((2, H, T, D), (2, HK, S, D), (2, HK, S, DV))]


def test_outputs():
    q, k, v = arrays()
    past_key, past_value = k[:, :, ::-1].copy(), v[:, :, ::-1].copy()
    mask = np.random.default_rng(71).random((3, 10)) < 0.6
    outputs = libattn.onnx.attention(
        q, k, v, mask, past_key, past_value, num_outputs=4, is_causal=1, left_window_size=3, qk_matmul_output_mode=3
    )
    keys, values = np.concatenate((past_key, k), 2), np.concatenate((past_value, v), 2)
    expected = Reference(q, keys, values, mask, is_causal=True, window=(3, -1), query_offset=5)
    near(outputs[0], expected.out)
    assert np.array_equal(outputs[1], keys) and np.array_equal(outputs[2], values)
    near(outputs[3], expected.weights)
    masked = libattn.onnx.attention(
        q, k, v, mask, past_key, past_value, num_outputs=4, is_causal=1, left_window_size=3, qk_matmul_output_mode=2
    )[3]
    near(masked, np.where(expected.weights > 0, expected.raw, -np.inf))
    capped = [
        libattn.onnx.attention(q, k, v, softcap=0.5, num_outputs=4, qk_matmul_output_mode=mode)[3] for mode in (0, 1)
    ]
    raw = Reference(q, k, v).raw
    near(capped[0], raw)
    near(capped[1], 0.5 * np.tanh(raw / 0.5))


def test_a_short_mask_leaves_keys_out():
    q, k, v = arrays()
    mask = np.random.default_rng(72).standard_normal((3, 4)).astype(np.float32)
    Y, _, _, scores = libattn.onnx.attention(q, k, v, mask, num_outputs=4, qk_matmul_output_mode=2)
    expected = Reference(q, k[:, :, :4], v[:, :, :4], mask)
    near(Y, expected.out)
    near(scores[..., :4], expected.raw + mask)
    assert (scores[..., 4:] == -np.inf).all()
    with pytest.raises(ValueError, match="attn_mask"):
        libattn.onnx.attention(q, k, v, mask, opset=23)


def test_three_dimensions_are_read_where_they_lie():
    q, k, v = arrays()
    packed = [x.swapaxes(1, 2).reshape(2, x.shape[2], -1) for x in (q, k, v)]
    (Y,) = libattn.onnx.attention(*packed, q_num_heads=4, kv_num_heads=2)
    near(Y, Reference(q, k, v).out.swapaxes(1, 2).reshape(2, 3, -1))


@pytest.mark.parametrize(
    "match, options",
    [
        ("opset", {"opset": 22}),
        ("num_outputs", {"num_outputs": 5}),
        ("left_window_size", {"opset": 24, "left_window_size": 1}),
        ("window", {"left_window_size": -2}),
        ("alpha", {"alpha": 1.0}),
        ("qk_matmul_output_mode", {"qk_matmul_output_mode": 4}),
        ("nonpad_kv_seqlen", {"opset": 23, "nonpad_kv_seqlen": np.array([1, 2])}),
        ("past_key and past_value", {"past_key": arrays()[1]}),
        ("without past_key", dict(zip(("past_key", "past_value"), arrays()[1:]), nonpad_kv_seqlen=np.array([1, 2]))),
        ("q_num_heads", {"q_num_heads": 4, "kv_num_heads": 2}),
        ("q_num_heads", {"opset": 24, "q_num_heads": 2, "kv_num_heads": 2}),
        ("nonpad_kv_seqlen: .*from 0 to", {"nonpad_kv_seqlen": np.array([1, -1])}),
        ("nonpad_kv_seqlen: .*from 0 to", {"nonpad_kv_seqlen": np.array([1, 9])}),
        (r"nonpad_kv_seqlen: expected shape \(2,\)", {"nonpad_kv_seqlen": np.array([1, 2, 3])}),
        ("past_key: shape", {"past_key": np.zeros((1, 2, 3, 8)), "past_value": np.zeros((1, 2, 3, 8))}),
        ("softmax_precision", {"softmax_precision": 2}),
    ],
)
def test_refused(match, options):
    with pytest.raises(ValueError, match=match):
        libattn.onnx.attention(*arrays(), **options)


def test_what_is_no_array_is_refused():
    q, k, v = arrays()
    for name, arguments in (("Q", ([[1.0]], k, v)), ("V", (q, k, None)), ("attn_mask", (q, k, v, [[True]]))):
        with pytest.raises(TypeError, match=f"{name}: expected an array of NumPy"):
            libattn.onnx.attention(*arguments)


def test_one_column_of_a_mask():
    """Pads as the others do where masks may be short, from opset 24 on; broadcasts before."""
    q, k, v = arrays()
    mask = np.array([[0.5], [-0.5], [0.0]], np.float32)
    first = [v[:, head // 2, None, 0] for head in range(4)]
    (padded,) = libattn.onnx.attention(q, k, v, mask, opset=24)
    near(padded, np.broadcast_to(np.stack(first, 1), padded.shape))
    (repeated,) = libattn.onnx.attention(q, k, v, mask, opset=23)
    near(repeated, Reference(q, k, v, mask).out)
    scores = libattn.onnx.attention(q, k, v, mask, opset=24, num_outputs=4, qk_matmul_output_mode=2)[3]
    assert np.isneginf(scores[..., 1:]).all() and np.isfinite(scores[..., 0]).all()


def test_softmax_in_float64():
    (Y,) = libattn.onnx.attention(*arrays(), softmax_precision=11)
    near(Y, Reference(*arrays()).out, 6e-8)
