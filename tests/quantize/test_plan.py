"""What gets a pair, on graphs small enough to see: graph -> (values with parameters, float units and why)."""

import numpy as np
import pytest
from edgeport.graph.qparams import QParams
from edgeport.quantize import QuantizeError, collect, plan
from edgeport.quantize.calibration.observers import FUNCTIONS, min_max
from edgeport.targets.kernel_sets.tflite import GEMM_LIMITS, TFLITE_XNNPACK

CONV = "c = Conv<kernel_shape=[1,1]>(x, w, b)"
IMAGE = "(float[1,4,6,6] x)"
CONV_WEIGHTS = "float[4,4,1,1] w, float[4] b"
CLIPS = "float zero, float one, float six"
CLIP_VALUES = {"zero": 0, "one": 1, "six": 6}

# name: (text, constants, values that get a pair, float units by output)
CASES = {
    "conv": (f"{IMAGE} => (float[1,4,6,6] c) <{CONV_WEIGHTS}> {{ {CONV} }}", {}, "x c", ""),
    "conv_relu": (f"{IMAGE} => (float[1,4,6,6] y) <{CONV_WEIGHTS}> {{ {CONV} y = Relu(c) }}", {}, "x y", ""),
    "conv_relu6": (
        f"{IMAGE} => (float[1,4,6,6] y) <{CONV_WEIGHTS}, {CLIPS}> {{ {CONV} y = Clip(c, zero, six) }}",
        CLIP_VALUES,
        "x y",
        "",
    ),
    "conv_hard_sigmoid": (
        f"{IMAGE} => (float[1,4,6,6] y) <{CONV_WEIGHTS}, {CLIPS}> {{ {CONV} y = Clip(c, zero, one) }}",
        CLIP_VALUES,
        "x y",
        "",
    ),
    "conv_other_clip": (
        f"{IMAGE} => (float[1,4,6,6] y) <{CONV_WEIGHTS}, {CLIPS}> {{ {CONV} y = Clip(c, one, six) }}",
        CLIP_VALUES,
        "x c",
        "y",
    ),
    "relu_whose_input_is_read_elsewhere": (
        f"{IMAGE} => (float[1,4,6,6] y) <{CONV_WEIGHTS}> {{ {CONV} r = Relu(c) y = Mul(r, c) }}",
        {},
        "x c r y",
        "r",
    ),
    "relu_of_a_graph_output": (
        f"{IMAGE} => (float[1,4,6,6] c, float[1,4,6,6] y) <{CONV_WEIGHTS}> {{ {CONV} y = Relu(c) }}",
        {},
        "x c",
        "y",
    ),
    "depthwise_between_float": (
        f"{IMAGE} => (float[1,4,6,6] y) <float[4,1,3,3] dw, float[4] b> "
        "{ a = Softmax(x) d = Conv<group=4,pads=[1,1,1,1]>(a, dw, b) y = Softmax(d) }",
        {},
        "",
        "a d y",
    ),
    "depthwise_that_reads_int8": (
        f"{IMAGE} => (float[1,4,6,6] y) <{CONV_WEIGHTS}, float[4,1,3,3] dw> "
        "{ a = Conv<kernel_shape=[1,1]>(x, w, b) d = Conv<group=4,pads=[1,1,1,1]>(a, dw, b) y = Softmax(d) }",
        {},
        "x a d",
        "y",
    ),
    "depthwise_that_int8_reads": (
        f"{IMAGE} => (float[1,4,6,6] y) <{CONV_WEIGHTS}, float[4,1,3,3] dw> "
        "{ a = Softmax(x) d = Conv<group=4,pads=[1,1,1,1]>(a, dw, b) y = Conv<kernel_shape=[1,1]>(d, w, b) }",
        {},
        "a d y",
        "a",
    ),
    "convolution_between_float": (
        f"{IMAGE} => (float[1,4,6,6] y) <{CONV_WEIGHTS}> "
        "{ a = Softmax(x) d = Conv<kernel_shape=[1,1]>(a, w, b) y = Softmax(d) }",
        {},
        "a d",
        "a y",
    ),
    "linear_with_bias_and_relu": (
        "(float[1,5,4] x) => (float[1,5,3] y) <float[4,3] w, float[3] b> "
        "{ m = MatMul(x, w) a = Add(m, b) y = Relu(a) }",
        {},
        "x y",
        "",
    ),
    "linear_without_bias": ("(float[1,5,4] x) => (float[1,5,3] m) <float[4,3] w> { m = MatMul(x, w) }", {}, "x m", ""),
    "silu": (
        f"{IMAGE} => (float[1,4,6,6] y) <{CONV_WEIGHTS}> {{ {CONV} s = Sigmoid(c) y = Mul(c, s) }}",
        {},
        "x c s y",
        "",
    ),
    "residual_add_relu": (
        f"{IMAGE} => (float[1,4,6,6] z) <{CONV_WEIGHTS}, float[4,4,1,1] w2, float[4] b2> "
        f"{{ {CONV} a = Add(c, x) y = Relu(a) z = Conv<kernel_shape=[1,1]>(y, w2, b2) }}",
        {},
        "x c y z",
        "",
    ),
    "add_that_only_the_caller_reads": (
        f"{IMAGE} => (float[1,4,6,6] a) <{CONV_WEIGHTS}> {{ {CONV} a = Add(c, x) }}",
        {},
        "x c",
        "a",
    ),
    "residual_stream_between_norms": (
        "(float[1,5,4] x) => (float[1,5,4] y) <float[4] g, float[4] z, float[4,4] w1, float[4,4] w2> "
        "{ n1 = LayerNormalization(x, g, z) m1 = MatMul(n1, w1) a1 = Add(x, m1) n2 = LayerNormalization(a1, g, z) "
        "m2 = MatMul(n2, w2) a2 = Add(a1, m2) y = LayerNormalization(a2, g, z) }",
        {},
        "n1 m1 n2 m2",
        "n1 a1 n2 a2 y",
    ),
    "island_to_island": (
        f"{IMAGE} => (float[1,4,6,6] z) <{CONV_WEIGHTS}> "
        f"{{ {CONV} h = HardSwish(c) g = Gelu(h) z = Conv<kernel_shape=[1,1]>(g, w, b) }}",
        {},
        "x c g z",
        "h g",
    ),
    "attention": (
        "(float[1,2,5,4] q, float[1,2,5,4] k, float[1,2,5,4] v) => (float[1,2,5,4] y) "
        "{ t = Transpose<perm=[0,1,3,2]>(k) s = MatMul(q, t) p = Softmax<axis=3>(s) y = MatMul(p, v) }",
        {},
        "q k v s p y",
        "p",
    ),
    "view_before_an_output": (
        f"{IMAGE} => (float[4,36] y) <{CONV_WEIGHTS}, int64[2] to> {{ {CONV} y = Reshape(c, to) }}",
        {"to": [4, 36]},
        "x c",
        "",
    ),
    "max_pool": (
        f"{IMAGE} => (float[1,4,3,3] y) <{CONV_WEIGHTS}> "
        f"{{ {CONV} y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(c) }}",
        {},
        "x c y",
        "",
    ),
    "mean": (
        f"{IMAGE} => (float[1,4,1,1] y) <int64[2] axes> {{ y = ReduceMean(x, axes) }}",
        {"axes": [2, 3]},
        "x y",
        "",
    ),
    "depthwise_7x7": (
        f"{IMAGE} => (float[1,4,6,6] y) <{CONV_WEIGHTS}, float[4,1,7,7] wd, float[4] bd> "
        f"{{ {CONV} d = Conv<kernel_shape=[7,7], pads=[3,3,3,3], group=4>(c, wd, bd) y = Conv(d, w, b) }}",
        {},
        "x c d y",
        "d",
    ),
    "depthwise_5x5": (
        f"{IMAGE} => (float[1,4,6,6] d) <float[4,1,5,5] wd, float[4] bd> "
        f"{{ d = Conv<kernel_shape=[5,5], pads=[2,2,2,2], group=4>(x, wd, bd) }}",
        {},
        "x d",
        "",
    ),
    "slice_of_float": (
        "(float[1,5,4] x) => (float[1,1,3] y) <float[4] g, float[4] z, float[4,3] w, "
        "int64[1] from, int64[1] to, int64[1] ax, int64[1] by> "
        "{ n = LayerNormalization(x, g, z) s = Slice(n, from, to, ax, by) y = MatMul(s, w) }",
        {"from": [0], "to": [1], "ax": [1], "by": [1]},
        "s y",
        "n s",
    ),
    "table_of_positions": (
        f"{IMAGE} => (float[1,4,6,6] y) <{CONV_WEIGHTS}, float[1,4,6,6] table> "
        f"{{ {CONV} a = Add(c, table) y = Conv(a, w, b) }}",
        {},
        "x c table a y",
        "",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_which_values_get_a_pair(case, build, feeds):
    text, constants, pairs, islands = CASES[case]
    model = build(text, **constants)
    made = plan(model, collect(model, feeds(model)), TFLITE_XNNPACK)
    assert set(made.activations) == set(pairs.split())
    assert {u.output for u in made.units if u.precision == "float"} == set(islands.split())
    assert all(bool(u.why) == (u.precision == "float") for u in made.units)


def test_the_table_can_be_read(build, feeds):
    text, constants, *_ = CASES["island_to_island"]
    model = build(text, **constants)
    table = str(plan(model, collect(model, feeds(model)), TFLITE_XNNPACK))
    assert "no int8 kernel; dequantise" in table
    assert len(table.splitlines()) == 6


def test_parameters_of_linear(build, feeds):
    weight = np.array([[1, -0.5], [0.25, 2]])
    model = build(
        "(float[1,2] x) => (float[1,2] y) <float[2,2] w, float[2] b> { m = MatMul(x, w) y = Add(m, b) }",
        w=weight,
        b=[0.5, -0.5],
    )
    stats = collect(model, [{"x": np.array([[-1, 3]], np.float32)}])
    made = plan(model, stats, TFLITE_XNNPACK)
    assert made.activations["x"].scale == np.float32(4 / 255)
    assert made.activations["x"].zero_point == -64
    assert made.weights == {"w": QParams((float(np.float32(1 / 127)), float(np.float32(2 / 127))), axis=1)}
    assert made.biases["y"].scales == pytest.approx([4 / 255 * 1 / 127, 4 / 255 * 2 / 127], rel=1e-6)
    assert (made.biases["y"].axis, made.biases["y"].dtype, made.biases["y"].zero_point) == (0, "int32", 0)


def test_second_operand_of_matmul_is_symmetric_back_to_its_pair(build, feeds):
    model = build(
        "(float[1,6,4] x) => (float[1,6,6] s) <float[4,4] wq, float[4,4] wk, float[4] bk> "
        "{ q = MatMul(x, wq) k0 = MatMul(x, wk) k = Add(k0, bk) t = Transpose<perm=[0,2,1]>(k) s = MatMul(q, t) }",
        bk=[5, 5, 5, 5],
    )
    made = plan(model, collect(model, feeds(model)), TFLITE_XNNPACK)
    assert made.activations["k"].zero_point == 0
    assert made.activations["q"].zero_point != 0
    assert "t" not in made.activations


def test_concat_shares_parameters_with_its_group(build, feeds):
    model = build(
        "(float[1,4,6,6] x) => (float[1,4,3,3] z) <float[4,4,1,1] w, float[4] b, float[1,2,6,6] k, float[4,14,1,1] w2, "
        "int64[1] from, int64[1] to, int64[1] ax, int64[1] by> "
        "{ c = Conv(x, w, b) d = Relu(c) s = Slice(d, from, to, ax, by) e = Concat<axis=1>(s, k, d, x, s)"
        "  p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(e) z = Conv(p, w2, b) }",
        w=np.eye(4)[:, :, None, None] * 2,
        k=np.full((1, 2, 6, 6), 6.0),
        **{"from": [0], "to": [2], "ax": [1], "by": [1]},
    )
    made = plan(model, collect(model, feeds(model)), TFLITE_XNNPACK)
    shared = {made.activations[name] for name in ("d", "s", "e", "p", "k", "x")}
    assert len(shared) == 1
    assert shared.pop().range[1] == pytest.approx(max(6, made.activations["d"].range[1]), abs=0.05)
    assert made.activations["z"] != made.activations["e"]


@pytest.mark.parametrize(
    ("size", "also_read", "runs"), [(0.01, True, "float"), (0.01, False, "int8"), (0.7, True, "int8")]
)
def test_a_small_value_does_not_share_a_large_scale_with_its_other_readers(size, also_read, runs, build, feeds):
    model = build(
        "(float[1,4,6,6] x) => (float[1,4,6,6] z, float[1,4,6,6] o) "
        "<float[4,4,1,1] w, float[4] b, float[4,4,1,1] w1, float[4,8,1,1] w2> "
        "{ c = Conv(x, w, b) e = Concat<axis=1>(c, x) z = Conv(e, w2, b) "
        f"o = Conv({'c' if also_read else 'x'}, w1, b) }}",
        w=np.eye(4)[:, :, None, None] * size,
        b=np.zeros(4),
    )
    made = plan(model, collect(model, feeds(model)), TFLITE_XNNPACK)
    assert {u.output: u.precision for u in made.units}["e"] == runs
    assert (made.activations["c"] == made.activations["x"]) == (runs == "int8")


@pytest.mark.parametrize(("partner", "float_sigmoid"), [("x", True), ("s2", False)])
def test_fixed_parameters_hold_or_the_unit_is_float(partner, float_sigmoid, build, feeds):
    model = build(
        "(float[1,4,6,6] x) => (float[1,4,6,6] z) <float[4,8,1,1] w, float[4] b> "
        f"{{ s = Sigmoid(x) s2 = Sigmoid(s) e = Concat<axis=1>(s, {partner}) z = Conv(e, w, b) }}"
    )
    made = plan(model, collect(model, feeds(model)), TFLITE_XNNPACK)
    kinds = {u.output: u.precision for u in made.units}
    assert (kinds["s"] == "float") == float_sigmoid
    assert (made.activations["s"] == QParams((1 / 256,), -128)) == (not float_sigmoid)


@pytest.mark.parametrize(("factor", "runs"), [(1.0, "int8"), (100.0, "int8"), (5000.0, "float"), (1 / 5000.0, "float")])
def test_add_beyond_the_kernels_scales_is_float(factor, runs, build):
    model = build(
        "(float[1,4,2,2] x, float[1,4,2,2] y) => (float[1,4,2,2] z) <float[4,4,1,1] w, float[4] b> "
        "{ a = Add(x, y) z = Conv(a, w, b) }"
    )
    rng = np.random.default_rng(0)
    feed = {name: rng.normal(size=(1, 4, 2, 2)).astype(np.float32) for name in "xy"}
    feed["y"] *= np.float32(factor)
    made = plan(model, collect(model, [feed]), TFLITE_XNNPACK)
    assert {u.output: u.precision for u in made.units}["a"] == runs


def test_a_convolution_whose_output_is_nearly_nothing_is_float(build):
    model = build(
        "(float[1,1,1,2] x) => (float[1,1,1,1] z) <float[1,1,1,2] w, float[1] b> { z = Conv(x, w, b) }",
        w=[[[[1e5, -1e5]]]],
        b=[1e-6],
    )
    made = plan(model, collect(model, [{"x": np.full((1, 1, 1, 2), 7, np.float32)}]), TFLITE_XNNPACK)
    assert "requantisation factor" in made.units[0].why


@pytest.mark.parametrize("bias", [0.0, 1.0, 1e6, -1e9])
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-8, 1.0])
def test_tiny_channels_keep_their_bias_in_int32(bias, size, build, feeds):
    weight = np.array([[[[1.0]]], [[[size]]]])
    model = build(
        "(float[1,1,4,4] x) => (float[1,2,4,4] z) <float[2,1,1,1] w, float[2] b> { z = Conv(x, w, b) }",
        w=weight,
        b=[0.1, bias],
    )
    made = plan(model, collect(model, feeds(model)), TFLITE_XNNPACK)
    scale = made.biases["z"].scales[1]
    assert abs(bias) / scale <= 2**30 * 1.001
    assert GEMM_LIMITS[0] <= scale / made.activations["z"].scale < GEMM_LIMITS[1]


def test_a_shared_weight_has_one_scale_and_each_reader_its_bias(build, feeds):
    model = build(f"{IMAGE} => (float[1,4,6,6] z) <{CONV_WEIGHTS}> {{ y = Conv(x, w, b) z = Conv(y, w, b) }}")
    made = plan(model, collect(model, feeds(model)), TFLITE_XNNPACK)
    assert list(made.weights) == ["w"]
    assert set(made.biases) == {"y", "z"}
    assert made.biases["y"] != made.biases["z"]


@pytest.mark.parametrize(
    ("after", "function"),
    [
        ("y = Gelu(c)", "Gelu"),
        ("s = Sigmoid(c) y = Mul(c, s)", "Silu"),
        ("s = Sigmoid(c) y = Mul(s, c)", "Silu"),
        ("s = Sigmoid(c) t = Mul(c, s) y = Add(t, s)", None),
        ("h = Gelu(c) y = Add(c, h)", None),
        ("s = Sigmoid(x) y = Mul(c, s)", None),
        ("y = Conv(c, w, b)", None),
    ],
)
def test_the_function_that_a_range_is_fitted_for(after, function, build, feeds):
    model = build(f"{IMAGE} => (float[1,4,6,6] y) <{CONV_WEIGHTS}> {{ {CONV} {after} }}")
    asked = {}

    def observer(statistics, seen=None):
        asked[statistics.max] = seen
        return min_max(statistics)

    stats = collect(model, feeds(model))
    plan(model, stats, TFLITE_XNNPACK, observer=observer)
    assert asked[stats["c"].max] == FUNCTIONS.get(function)


def test_keep_float(build, feeds):
    model = build(f"{IMAGE} => (float[1,4,6,6] z) <{CONV_WEIGHTS}> {{ y = Conv(x, w, b) z = Conv(y, w, b) }}")
    made = plan(model, collect(model, feeds(model)), TFLITE_XNNPACK, keep_float={"z"})
    assert set(made.activations) == {"x", "y"}
    assert made.units[1].why == "asked for"


def test_statistics_of_another_graph_are_refused(build, feeds):
    one = build("(float[1,4] x) => (float[1,3] y) <float[4,3] w> { y = MatMul(x, w) }")
    other = build("(float[1,4] x) => (float[1,3] z) <float[4,3] w> { z = MatMul(x, w) }")
    with pytest.raises(QuantizeError, match="no statistics for value 'z'"):
        plan(other, collect(one, feeds(one)), TFLITE_XNNPACK)
