"""Profile micro: what TensorFlow Lite Micro lacks, or computes otherwise, is written in terms of what it has."""

import importlib.util
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from edgeport.artifacts.errors import UnsupportedOp
from edgeport.exporters.tflite.convert import convert
from edgeport.quantize import apply, collect, plan
from edgeport.runtime.sessions.tflite import TFLiteSession
from edgeport.runtime.sessions.tflite_graph import read_graph
from edgeport.runtime.sessions.tflite_micro import MicroSession
from edgeport.targets.kernel_sets.tflite import MICRO_OPERATORS, TFLITE_MICRO, TFLITE_NPU
from graphs import snr_db

IMAGE = "(float[1,4,6,6] x) => (float[1,4,6,6] y)"
ROWS = "(float[1,9,16] x) => (float[1,9,16] y)"
CASES = {  # name: (text, constants, operators that are there, the least SNR in dB)
    "gelu": (f'{IMAGE} {{ y = Gelu<approximate="none">(x) }}', {}, {"LOGISTIC", "MUL"}, 30),
    "clip": (f"{IMAGE} <float lo, float hi> {{ y = Clip(x, lo, hi) }}", {"lo": 0, "hi": 6}, {"RELU"}, 35),
    "linear": (
        f"{ROWS} <float[16,16] w, float[16] b> {{ m = MatMul(x, w) y = Add(m, b) }}",
        {},
        {"CONV_2D"},
        35,
    ),
    "norm in parts": (
        f"{ROWS} <int64[1] a, float e> {{ m = ReduceMean<keepdims=1>(x, a) d = Sub(x, m) s = Mul(d, d) "
        "v = ReduceMean<keepdims=1>(s, a) t = Add(v, e) r = Sqrt(t) y = Div(d, r) }",
        {"a": np.array([2]), "e": 1e-5},
        {"RSQRT", "MEAN", "MUL", "SUB"},
        20,
    ),
    "shared scale": (
        "(float[1,4,6,6] x) => (float[1,8,6,6] y, float[1,4,6,6] z) <float k, float[4,4,1,1] w> "
        "{ s = Sigmoid(x) t = Mul(x, k) y = Concat<axis=1>(s, t) z = Tanh(s) }",
        {"k": 8},
        {"CONCATENATION", "LOGISTIC", "MUL", "TANH"},
        35,
    ),
    "transposition": (
        "(float[2,3,2,3,2,4] x) => (float[4,3,2,2,3,2] y) { r = Relu(x) y = Transpose<perm=[5,3,0,4,1,2]>(r) }",
        {},
        {"RELU", "TRANSPOSE", "RESHAPE"},
        35,
    ),
}
REFUSED = {
    "sine": (f"{IMAGE} {{ y = Sin(x) }}", {}, "Sin 'node_y' cannot be int8"),
    "elu": (f"{IMAGE} {{ y = Elu<alpha=1.0>(x) }}", {}, "Elu 'node_y' cannot be int8"),
}


def written(model, feeds) -> bytes:
    """The file, by ranges alone."""
    formed = TFLITE_MICRO.apply_forms(model)
    formed, statistics = TFLITE_MICRO.apply_rewrites(formed, collect(formed, feeds))
    return convert(apply(formed, plan(formed, statistics, TFLITE_MICRO)), kernels=TFLITE_MICRO, input_layout="nchw")


@pytest.mark.parametrize("name", CASES)
def test_what_it_lacks_is_written_otherwise(name, build, feeds, run, tmp_path):
    text, constants, operators, least = CASES[name]
    model = build(text, **constants)
    (tmp_path / "micro.tflite").write_bytes(written(model, list(feeds(model, 16))))
    graph = read_graph(tmp_path / "micro.tflite")
    found = graph.count()
    assert operators <= set(found) <= TFLITE_MICRO.operators
    assert {tensor.dtype for tensor in graph.computed()} == {"int8"}
    turned = [each.inputs[0] for each in graph.operators if each.name == "TRANSPOSE"]
    assert all(len(graph.tensors[i].shape) <= 5 for i in turned)
    (feed,) = feeds(model, 1)
    expected = run(model, feed)
    sessions = [TFLiteSession(tmp_path / "micro.tflite", reference=True)]
    if importlib.util.find_spec("tflite_micro"):
        sessions.append(MicroSession(tmp_path / "micro.tflite"))
    for session in sessions:
        got = session.run(feed)
        assert all(snr_db(expected[key], got[key]) > least for key in expected), session.runtime


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_form_is_named(name, build, feeds):
    text, constants, message = REFUSED[name]
    model = build(text, **constants)
    with pytest.raises(UnsupportedOp, match=message):
        written(model, list(feeds(model, 4)))


def test_a_sigmoid_of_thousands_is_int16(build, feeds, run, tmp_path):
    """int8 kernels give their lowest number for zero there; a file for them is refused no more."""
    model = build(f"{IMAGE} <float k> {{ t = Mul(x, k) y = Sigmoid(t) }}", k=1000)
    (tmp_path / "micro.tflite").write_bytes(written(model, list(feeds(model, 16))))
    assert {tensor.dtype for tensor in read_graph(tmp_path / "micro.tflite").computed()} == {"int8", "int16"}
    if importlib.util.find_spec("tflite_micro"):
        (feed,) = feeds(model, 1)
        got, beyond_a_step = MicroSession(tmp_path / "micro.tflite").run(feed)["y"], np.abs(feed["x"]) > 0.05
        np.testing.assert_allclose(got[beyond_a_step], run(model, feed)["y"][beyond_a_step], atol=0.01)


def test_an_operator_that_the_runtime_has_not_is_refused_by_the_converter(build, feeds):
    """Also where the planner thinks that there is a kernel for it."""
    model, small = build(CASES["gelu"][0]), replace(TFLITE_NPU, name="small", operators=frozenset({"MUL"}))
    planned = plan(model, collect(model, list(feeds(model, 4))), small)
    with pytest.raises(UnsupportedOp, match="'y' needs GELU, which small does not have"):
        convert(apply(model, planned), kernels=small, input_layout="nchw")


def test_a_shared_scale_costs_the_other_readers_nothing(build, feeds, run, tmp_path):
    """The sigmoid keeps its own scale; without the copy its other reader would see it in an eighth of the steps."""
    text, constants, *_ = CASES["shared scale"]
    model = build(text, **constants)
    with pytest.raises(UnsupportedOp, match="its fixed parameters do not suit"):
        plan(model, collect(model, list(feeds(model, 4))), TFLITE_NPU)


def test_every_operator_is_known_by_one_method():
    assert max(Counter(MICRO_OPERATORS.values()).values()) == 1
    assert all(method.startswith("Add") for method in MICRO_OPERATORS.values())
    assert set(MICRO_OPERATORS) >= TFLITE_MICRO.operators
