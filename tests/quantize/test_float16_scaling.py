"""Graphs that leave float16's range become ones that stay within it, and compute the same in float32."""

import numpy as np
import onnx_ir as ir
import pytest
from edgeport.exporters.tflite.convert import convert
from edgeport.graph.dialect import check
from edgeport.quantize import make_float16_safe
from edgeport.targets.foreign import open_session
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK
from graphs import canonical, run_onnx, snr_db
from software_gpu import gpu, needs_gpu

from benchmarks.gpu_float16.emulation import run_float16

__all__ = ["gpu"]

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.standard_normal((1, 16, 64)).astype(np.float32)
MAP = np.abs(RANDOM.standard_normal((1, 4, 112, 112)).astype(np.float32)) + 39
FEATURES = RANDOM.standard_normal((1, 32, 10, 10)).astype(np.float32)
ONES, ZEROS = np.ones(64, np.float32), np.zeros(64, np.float32)
ON_ROWS = "agraph (float[1,16,64] x) => (float[1,16,64] y) {{ {} }}"


def rows(body, factor, **constants):
    return ON_ROWS.format(body), constants, ROWS * np.float32(factor)


RMS = (
    "p = Mul (x, x) s = ReduceMean <keepdims=1> (p, n) t = Add (s, e) q = Sqrt (t) d = Div (x, q) y = Mul (d, g)",
    {"n": [2], "e": np.float32(1e-6), "g": ONES * 2},
)
NORM = "y = LayerNormalization <axis=-1, epsilon=1e-6> (x, g, b)"
L2 = "p = Mul (x, x) s = ReduceSum <keepdims=1> (p, n) q = Sqrt (s) c = Clip (q, l, h) y = Div (x, c)"
GROUP = """z = Mul (x, k) m = ReduceMean <keepdims=1> (z, n) d = Sub (z, m) p = Mul (d, d)
v = ReduceMean <keepdims=1> (p, n) t = Add (v, e) q = Sqrt (t) y = Div (d, q)"""
ATTENTION = """agraph (float[1,16,64] x) => (float[1,16,64] y) {
 a = MatMul (x, wq) q = Relu (a) b = MatMul (x, wk) k = Relu (b) v = MatMul (x, wv) kt = Transpose <perm=[0,2,1]> (k)
 s = MatMul (q, kt) l = Mul (s, c) p = Softmax <axis=-1> (l) y = MatMul (p, v) }"""
LINEAR_ATTENTION = """agraph (float[1,16,64] x) => (float[1,16,64] y) {
 k = Relu (x) kt = Transpose <perm=[0,2,1]> (k) c = MatMul (kt, x) u = MatMul (k, c)
 o = ReduceSum <keepdims=1> (k, n) t = Mul (k, o) z = ReduceSum <keepdims=1> (t, m) e = Add (z, eps) y = Div (u, e) }"""
RESPONSE = """agraph (float[1,4,112,112] x) => (float[1,4,112,112] y) {
 p = Mul (x, x) s = ReduceSum <keepdims=1> (p, n) g = Sqrt (s) m = ReduceMean <keepdims=1> (g, c) t = Add (m, e)
 r = Div (g, t) y = Mul (x, r) }"""
CONVOLUTION = """agraph (float[1,32,10,10] x) => (float[1,8,8,8] y) {{
 a = Conv (x, w, b) {} y = Conv (r, v) }}"""
WEIGHT = RANDOM.standard_normal((64, 64)).astype(np.float32)
KERNEL = {"w": (RANDOM.standard_normal((8, 32, 3, 3)) * 12).astype(np.float32), "b": np.ones(8, np.float32)}

UP_AND_DOWN = np.array([10, 10, -15]).reshape(1, 1, 3, 1) * np.linspace(0.6, 0.9, 8).reshape(8, 1, 1, 1)
CANCELLING = {"w": (UP_AND_DOWN * np.ones((8, 32, 3, 3))).astype(np.float32), "b": KERNEL["b"]}

# name: (the graph, its constants, what it is fed)
OVERFLOWING = {
    "RMSNorm of hundreds": rows(RMS[0], 400, **RMS[1]),
    "RMSNorm of thousands": rows(RMS[0], 5000, **RMS[1]),
    "L2 norm of hundreds": rows(L2, 300, n=[2], l=np.float32(1e-12), h=np.float32(3e38)),
    "norm over two axes of thousands": rows(GROUP, 1, k=np.float32(3000), n=[1, 2], e=np.float32(1e-6)),
    "norm over two axes of tiny numbers": rows(GROUP, 1, k=np.float32(3e-5), n=[1, 2], e=np.float32(1e-12)),
    "sum of a large map": (
        "agraph (float[1,4,112,112] x) => (float[1,4,1,1] y) { s = ReduceSum <keepdims=1> (x, n) y = Mul (s, c) }",
        {"n": [2, 3], "c": np.float32(1 / 112**2)},
        MAP,
    ),
    "global response norm": (RESPONSE, {"n": [2, 3], "c": [1], "e": np.float32(1e-6)}, MAP),
    "attention scaled behind the product": (
        ATTENTION,
        {"wq": WEIGHT * 4, "wk": WEIGHT * 4, "wv": WEIGHT / 8, "c": np.float32(2e-4)},
        ROWS * 4,
    ),
    "linear attention": (LINEAR_ATTENTION, {"n": [1], "m": [2], "eps": np.float32(1e-15)}, ROWS * 60),
    "Mish of tens": rows("y = Mish (x)", 20),
    "hard swish of hundreds, by its operators": rows(
        "a = Add (x, t) b = Clip (a, l, h) c = Mul (b, x) d = Mul (c, x) y = Mul (d, s)",
        300, t=np.float32(3), l=np.float32(0), h=np.float32(6), s=np.float32(1e-3),
    ),
    "a cube of 40 and more": rows("p = Mul (x, x) c = Mul (p, x) y = Mul (c, k)", 50, k=np.float32(1e-3)),
    "a fourth power": rows(
        "o = Abs (x) z = Add (o, t) p = Pow (z, f) y = Pow (p, g)",
        10, t=np.float32(20), f=np.float32(4), g=np.float32(0.25),
    ),
    "exp of 12 over its sum": rows(
        "e = Exp (x) s = ReduceSum <keepdims=1> (e, n) y = Div (e, s)", 4.5, n=[2]
    ),
    "exp of 80 over its sum": rows("e = Exp (x) s = ReduceSum <keepdims=1> (e, n) y = Div (e, s)", 25, n=[2]),
    "tanh by its operators": rows(
        "e = Exp (x) a = Sub (e, o) b = Add (e, o) y = Div (a, b)", 8, o=np.float32(1)
    ),
    "log of a sum of exps": (
        "agraph (float[1,16,64] x) => (float[1,16,1] y) { e = Exp (x) s = ReduceSum <keepdims=1> (e, n) y = Log (s) }",
        {"n": [2]},
        ROWS * 4,
    ),
    "a constant beyond the range": rows("a = Mul (x, c) y = Mul (a, d)", 1, c=np.float32(3e6), d=np.float32(1e-6)),
    "a product below the range": rows("a = Mul (x, c) y = Mul (a, d)", 1, c=np.float32(1e-9), d=np.float32(1e9)),
    "a convolution's sum": (
        CONVOLUTION.format("r = Relu (a)"),
        KERNEL | {"v": np.full((8, 8, 1, 1), 1e-3, np.float32)},
        FEATURES * 300,
    ),
    "a convolution's sum in front of an activation": (
        CONVOLUTION.format("c = Mul (a, s) t = Tanh (a) r = Add (c, t)"),
        CANCELLING | {"v": np.ones((8, 8, 1, 1), np.float32), "s": np.float32(1e-3)},
        FEATURES + 70,
    ),
    "a linear's sum": (
        ON_ROWS.format("a = MatMul (x, w) b = Add (a, c) r = Relu (b) y = Mul (r, s)"),
        {"w": WEIGHT * 100, "c": ONES * 3, "s": np.float32(1e-3)},
        ROWS * 100,
    ),
}  # fmt: skip

SIMILAR = {  # to others, on a GPU
    "RMSNorm of thousands",
    "L2 norm of hundreds",
    "norm over two axes of thousands",
    "a cube of 40 and more",
    "a fourth power",
    "log of a sum of exps",
    "a product below the range",
    "exp of 80 over its sum",
    "tanh by its operators",
    "hard swish of hundreds, by its operators",
}


def made_safe(text, constants, array):
    model = canonical(text, constants)
    feed = {model.graph.inputs[0].name: array}
    safe, beyond = make_float16_safe(model, [feed])
    check(safe)
    return model, safe, beyond, feed


def only(results):
    (array,) = results.values()
    return array


def decibels(expected, got):
    return snr_db(expected, got) if np.isfinite(got).all() else -np.inf


@pytest.mark.parametrize("name", OVERFLOWING)
def test_what_overflows_becomes_safe(name):
    model, safe, beyond, feed = made_safe(*OVERFLOWING[name])
    expected = only(run_onnx(model, feed))
    assert not beyond
    assert decibels(expected, only(run_float16(model, feed))) < 10
    assert decibels(expected, only(run_float16(safe, feed))) > 35
    assert decibels(expected, only(run_float16(safe, feed, sums="float16"))) > 35
    assert snr_db(expected, only(run_onnx(safe, feed))) > 110
    assert [value.name for value in safe.graph.outputs] == [value.name for value in model.graph.outputs]


# name: (such a case, a part of the reason)
IMPOSSIBLE = {
    "an input": (rows("y = Mul (x, c)", 1e5, c=np.float32(1e-5)), "x reaches"),
    "an output": (rows("y = Mul (x, c)", 300, c=np.float32(300)), "y reaches"),
    "a row that is masked as a whole": (
        rows("m = Add (x, c) y = Softmax <axis=-1> (m)", 1, c=ONES * np.float32(-1e9)),
        "m reaches",
    ),
    "a difference of near numbers": (
        rows("a = Add (x, c) t = Tanh (a) b = Sub (a, c) y = Add (t, b)", 1, c=ONES * 3000),
        "are nearly equal",
    ),
    "a logit that an exponent needs whole": (rows("a = Mul (x, c) y = Tanh (a)", 300, c=np.float32(300)), "reaches"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_be_safe_is_told(name):
    case, reason = IMPOSSIBLE[name]
    model, safe, beyond, feed = made_safe(*case)
    assert any(reason in why for why in beyond.values())
    assert beyond.keys() <= {node.outputs[0].name for node in safe.graph}
    np.testing.assert_allclose(only(run_onnx(safe, feed)), only(run_onnx(model, feed)), rtol=1e-5, atol=1e-6)


def test_what_fits_stays_as_it_is():
    body = (
        f"a = MatMul (x, w) {NORM.replace('(x,', '(a,').replace('y =', 'n =')} s = Softmax <axis=-1> (n) y = Mish (s)"
    )
    model, safe, beyond, _ = made_safe(*rows(body, 1, w=WEIGHT / 8, g=ONES, b=ZEROS))
    assert not beyond
    assert ir.to_proto(safe) == ir.to_proto(model)


@pytest.mark.parametrize(("factor", "both"), [(16, True), (1e4, False)])
def test_noise_is_safe_as_far_as_that_takes_nothing_from_the_inputs(factor, both):
    """A product of products of noise may be millions of times that of images: no scale holds both."""
    text, constants, _ = rows("p = Mul (x, x) q = Mul (p, p) z = Add (q, c) y = Div (q, z)", 1, c=np.float32(1))
    model = canonical(text, constants)
    feed, noise = ({"x": np.clip(ROWS, -1, 1) * np.float32(times)} for times in (1, factor))
    safe, _ = make_float16_safe(model, [feed], [noise])
    expected = only(run_onnx(model, feed))
    assert decibels(expected, only(run_float16(safe, feed))) > decibels(expected, only(run_float16(model, feed))) - 3
    assert np.isfinite(only(run_float16(safe, noise))).all() == both
    assert (ir.to_proto(safe) == ir.to_proto(model)) != both


def test_rows_far_from_zero_are_centred_before_they_are_normalised():
    """LiteRT's GPU accelerator subtracts the square of the mean from the mean of squares, in float32 too."""
    text, constants, _ = rows(NORM, 1, g=ONES, b=ZEROS)
    model, safe, beyond, feed = made_safe(text, constants, ROWS + 400)
    assert [node.op_type for node in safe.graph] == ["ReduceMean", "Sub", "LayerNormalization"]
    assert snr_db(only(run_onnx(model, feed)), only(run_onnx(safe, feed))) > 80
    assert any("nearly equal" in why for why in beyond.values())  # in float16 the rows themselves have lost it


def test_a_divisor_that_epsilon_saves_stays_above_zero():
    """Rows of zeros, as black pixels give: in float16 1e-12 is 0, and 0 / 0 no number."""
    text, constants, array = rows(RMS[0], 1, n=[2], e=np.float32(1e-12), g=ONES)
    array = array.copy()
    array[:, 3] = 0
    model, safe, _, feed = made_safe(text, constants, array)
    assert not np.isfinite(only(run_float16(model, feed))).all()
    assert decibels(only(run_onnx(model, feed)), only(run_float16(safe, feed))) > 35


def test_a_sigmoid_by_its_operators_is_one():
    """An exp beyond the range is harmless in a divisor, where its scale would leave nothing of the 1 beside it."""
    body = "a = Neg (x) e = Exp (a) s = Add (e, o) y = Div (x, s)"
    model, safe, beyond, feed = made_safe(*rows(body, 7, o=np.float32(1)))
    assert not beyond
    assert [node.op_type for node in safe.graph] == ["Sigmoid", "Mul"]
    assert decibels(only(run_onnx(model, feed)), only(run_float16(safe, feed))) > 60


def test_what_is_scaled_has_room_for_inputs_that_were_not_seen():
    text, constants, array = OVERFLOWING["RMSNorm of hundreds"]
    model, safe, _, feed = made_safe(text, constants, array)
    larger = {name: 8 * array for name, array in feed.items()}  # whose squares are 64 times as large
    assert decibels(only(run_onnx(model, larger)), only(run_float16(safe, larger))) > 35


def test_a_scale_costs_nothing_where_weights_can_take_it():
    """Only the square's own scale is an operator; the layer before it has it in its weights."""
    body = f"w1 = MatMul (x, w) {L2.replace('(x, x)', '(w1, w1)').replace('(x, c)', '(w1, c)')}"
    constants = {"w": WEIGHT * 40, "n": [2], "l": np.float32(1e-12), "h": np.float32(3e38)}
    model, safe, _, feed = made_safe(*rows(body, 1, **constants))
    assert [node.op_type for node in safe.graph] == [node.op_type for node in model.graph]
    assert decibels(only(run_onnx(model, feed)), only(run_float16(safe, feed))) > 35


def test_no_product_is_left_that_a_gpu_multiplies_into_the_layer_before_it():
    """It would undo the scale that keeps the layer's sum in range."""
    _, safe, _, _ = made_safe(*OVERFLOWING["a convolution's sum in front of an activation"])
    behind = [use.node for node in safe.graph if node.op_type == "Conv" for use in node.outputs[0].uses()]
    assert "Clip" in {node.op_type for node in behind}
    assert not {"Mul", "Div", "Add"} & {node.op_type for node in behind}


def run_on_gpu(model, path, feed, **options):
    """The only output of the model's file, computed in float16; all of the file is on the GPU."""
    path.write_bytes(convert(model, kernels=TFLITE_XNNPACK, input_layout="nchw", **options))
    session = open_session(path, accelerator="gpu", accelerator_precision="fp16")
    results = session.run(feed)
    assert session.residency.whole
    session.close()
    return only(results)


ON_GPU = [name for name in OVERFLOWING if name not in SIMILAR]


@needs_gpu
@pytest.mark.parametrize("name", ON_GPU)
def test_what_overflows_on_a_gpu_becomes_safe(name, tmp_path, gpu):
    """LiteRT's own accelerator in float16: the file for a CPU gives garbage there, the safe one does not."""
    model, safe, _, feed = made_safe(*OVERFLOWING[name])
    expected = only(run_onnx(model, feed))
    assert decibels(expected, run_on_gpu(model, tmp_path / "naive.tflite", feed)) < 10
    assert decibels(expected, run_on_gpu(safe, tmp_path / "safe.tflite", feed, plain=True)) > 35
