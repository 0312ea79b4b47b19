"""A Softmax between two pairs is right in ONNX Runtime with all its optimisations, at any scale and row length."""

import numpy as np
import onnx
import pytest
from edgeport.exporters.onnx.convert import convert
from edgeport.runtime.sessions.onnx import OnnxSession
from graphs import canonical, run_onnx

TEXT = """agraph (float[1,4,ROW] x) => (float[1,4,ROW] y) {
    q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z) BODY
    oq = QuantizeLinear (p, os, oz) y = DequantizeLinear (oq, os, oz) }"""
DIRECT = "p = Softmax <axis=-1> (d)"
VIEWS = "r = Transpose <perm=[0,2,1]> (d) t = Softmax <axis=1> (r) p = Transpose <perm=[0,2,1]> (t)"


@pytest.mark.parametrize("row", [16, 400])
@pytest.mark.parametrize("scale", [1e-5, 1e-3, 0.0025, 0.1])
@pytest.mark.parametrize("body", [DIRECT, VIEWS])
def test_softmax_between_pairs(body, scale, row):
    x = np.random.default_rng(0).standard_normal((1, 4, row)).astype(np.float32) * np.float32(scale * 32)
    peak = float((np.exp(x) / np.exp(x).sum(-1, keepdims=True)).max())
    constants = {
        "s": np.float32(scale), "z": np.uint8(128), "os": np.float32(peak / 255), "oz": np.uint8(0),
    }  # fmt: skip
    model = canonical(TEXT.replace("ROW", str(row)).replace("BODY", body), constants)
    (expected,) = run_onnx(model, {"x": x}).values()
    session = OnnxSession(convert(model))
    (got,) = session.run({"x": x}).values()
    assert np.abs(got - expected).max() <= 1.01 * peak / 255


def test_a_float_softmax_stays_one():
    model = canonical("agraph (float[1,4,8] x) => (float[1,4,8] y) { y = Softmax <axis=-1> (x) }")
    assert [node.op_type for node in onnx.load_from_string(convert(model)).graph.node] == ["Softmax"]
