"""OpenVINO IR: every operator, what the files say, and that making them tells nobody."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import onnx_ir as ir
import openvino
import pytest
from cases import CASES
from edgeport.artifacts.errors import ExportError
from edgeport.exporters.openvino.convert import convert
from edgeport.quantize import apply, collect, plan
from edgeport.runtime.sessions.openvino import OpenVINOSession
from edgeport.targets.kernel_sets.openvino import OPENVINO_CPU
from graphs import canonical, canonical_case, feeds, run_onnx, snr_db

METADATA = {
    "model": "tiny",
    "precision": "fp32",
    "preprocess": {"mean": (0.485, 0.456, 0.406), "std": (0.5, 0.25, 0.125), "crop_pct": 0.9},
    "labels": ["great white  shark", "tench"],
}


def classifier():
    return canonical(
        "agraph (float[1,3,8,10] image) => (float[1,2] logits) "
        "{ c = Conv (image, w, b) r = Relu (c) p = ReduceMean (r, axes) f = Reshape (p, to) m = MatMul (f, v)"
        "  logits = Add (m, u) }",
        {"w": (64, 3, 5, 5), "b": (64,), "axes": [2, 3], "to": [1, 64], "v": (64, 2), "u": (2,)},
    )


def quantized(model):
    stats = collect(model, (feeds(model, seed) for seed in range(4)))
    return apply(model, plan(model, stats, OPENVINO_CPU))


@pytest.mark.parametrize("name", CASES)
def test_float_operator(name, tmp_path):
    model = canonical_case(name)
    inputs = feeds(model)
    expected = run_onnx(model, inputs)["y"]
    got = OpenVINOSession(convert(model, tmp_path)).run(inputs)["y"]
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=2e-5 * max(expected.std(), 1), rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_int8_operator_is_what_its_pairs_say(name, tmp_path):
    model = quantized(canonical_case(name))
    inputs = feeds(model, 9)
    expected = run_onnx(model, inputs)["y"]
    path = convert(model, tmp_path)
    for oracle in (True, False):
        got = OpenVINOSession(path, oracle=oracle).run(inputs)["y"]
        # a value that lies between two steps may go either way: few elements, and at most one step's worth
        assert np.quantile(np.abs(got - expected), 0.98) <= 1e-3 * max(np.abs(expected).max(), 1), oracle
        assert np.abs(got - expected).max() <= 0.05 * max(np.abs(expected).max(), 1), oracle


def test_the_model_api_finds_its_section(tmp_path):
    path = convert(classifier(), tmp_path, metadata=METADATA)
    assert path.name == "tiny.xml"
    info = ElementTree.parse(path).getroot().find("rt_info")
    assert {child.tag: child.attrib["value"] for child in info.find("model_info")} == {
        "model_type": "Classification",
        "layout": "image:NCHW",
        "mean_values": "123.675 116.28 103.53",
        "scale_values": "127.5 63.75 31.875",
        "labels": "great_white_shark tench",
        "resize_type": "crop",
        "orig_height": "8",
        "orig_width": "10",
        "reverse_input_channels": "False",
        "embedded_processing": "False",
    }
    assert json.loads(info.find("edgeport").attrib["value"]) == json.loads(json.dumps(METADATA))
    assert 'layout="[N,C,H,W]"' in path.read_text()


def test_only_classifiers_get_a_section(tmp_path):
    text, _, constants = CASES["conv_1x1"]
    path = convert(canonical(text, constants), tmp_path, metadata=METADATA)
    assert ElementTree.parse(path).getroot().find("rt_info/model_info") is None


def test_half_precision_is_where_the_bytes_are(tmp_path):
    model = classifier()
    path = convert(model, tmp_path, half_weights=True)
    constants = ElementTree.parse(path).getroot().iterfind("layers/layer[@type='Const']")
    kinds = {layer.attrib["name"]: layer.find("data").attrib["element_type"] for layer in constants}
    assert [name for name, kind in kinds.items() if kind == "f16"] == ["c/weight_fp16"]
    inputs = feeds(model)
    expected, got = run_onnx(model, inputs)["logits"], OpenVINOSession(path).run(inputs)["logits"]
    assert 0 < np.abs(got - expected).max() < 1e-3


@pytest.mark.parametrize("half", [False, True])
def test_same_graph_gives_same_bytes(half, tmp_path):
    """Also in one process, whose counters go on, and from a graph that holds every kind of node."""
    digests = set()
    for turn in range(2):
        folder = tmp_path / str(turn)
        folder.mkdir()
        convert(quantized(classifier()), folder, half_weights=half, metadata=METADATA)
        digests.add(tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())))
    assert len(digests) == 1


def test_what_the_frontend_refuses_is_one_sentence(tmp_path):
    model = classifier()
    model.graph[0].attributes["group"] = ir.AttrInt64("group", 2)  # of three channels
    with pytest.raises(ExportError, match="openvino: the ONNX frontend refuses") as caught:
        convert(model, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


QKV = np.random.default_rng(0).normal(size=(3, 4, 4, 4)).astype(np.float32)


def attended(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """q (h, t, d), k (h, d, s), v (h, s, e) -> (1, h, t, e)"""
    scores = np.exp(0.5 * q @ k)
    return (scores / scores.sum(-1, keepdims=True) @ v)[None]


MASKED = np.array([[-np.inf, -np.inf, -np.inf], [1, 2, -np.inf]], np.float32)
ATTENTION = "agraph (float[1,4,4,4] q, float[1,4,4,4] k, float[1,4,4,4] v) => (float[1,4,4,4] y)"
ATTEND = "s = MatMul (h, k) p = Softmax (s) o = MatMul (p, v)"
QUANTIZED = "q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z) w = DequantizeLinear <axis=0> (W, u)"
SCALES = {"s": np.float32(1 / 8), "z": np.int8(0)}  # the inputs below are multiples of it
PATCHES = np.random.default_rng(1).integers(-100, 100, (1, 32, 12, 12)).astype(np.float32) / 8
PATCH = np.random.default_rng(2).integers(-100, 100, (4, 32, 4, 4)).astype(np.int8)
DOT = np.zeros((1, 1, 3, 3), np.float32)
DOT[..., 1, 1] = 1
TOKENS = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
GROUPS = np.random.default_rng(3).integers(-100, 100, (1, 160, 4, 4)).astype(np.float32) / 8
MIX = np.random.default_rng(4).integers(-100, 100, (20, 80, 1, 1)).astype(np.int8)

FAULTS = {  # what the CPU plugin gets wrong unless the graph is written around it: (graph, constants, inputs, result)
    "a number behind a product": (
        "agraph (float[1,3] x) => (float y) { m = MatMul (x, w) y = Reshape (m, to) }",
        {"w": np.array([[1], [2], [3]], np.float32), "to": np.zeros(0, np.int64)},
        np.ones((1, 3), np.float32),
        6,
    ),
    "a constant behind a reduction": (
        "agraph (float[2,3,2] x) => (float[2,3,1] y) { r = ReduceSum (x, last) s = Sigmoid (r) y = Add (s, c) }",
        {"last": [2], "c": np.array([[1], [2], [3]], np.float32)},
        np.zeros((2, 3, 2), np.float32),
        [[[1.5], [2.5], [3.5]]] * 2,
    ),
    "a row that is masked as a whole": (
        "agraph (float[2,3] x) => (float[2,3] y) "
        "{ s = Softmax (x) m = ReduceMax (x, last) e = Equal (m, low) y = Where (e, zero, s) }",
        {"last": [1], "low": np.float32(-np.inf), "zero": np.float32(0)},
        MASKED,
        [[0, 0, 0], [0.268941, 0.731059, 0]],
    ),
    "an absolute value of one axis beside other readers": (
        "agraph (float[2] x) => (float[4] z, float[4] y) "
        "{ a = Sin (x) b = Exp (x) c = Concat <axis=0> (a, b) z = Abs (c) y = Sin (c) }",
        {},
        np.array([-1, -2], np.float32),
        np.sin([np.sin(-1), np.sin(-2), np.exp(-1), np.exp(-2)]),
    ),
    "the order of equal numbers": (
        "agraph (float[9] x) => (float[9] z, int64[9] y) { z, y = TopK (x, k) }",
        {"k": [9]},
        np.array([2, 1, 0] * 3, np.float32),
        [0, 3, 6, 1, 4, 7, 2, 5, 8],
    ),
    "a factor for each place in front of a kernel of that size": (
        "agraph (float[1,1,3,3] x) => (float[1,1,3,3] y) "
        "{ a = Sin (x) m = Mul (a, f) y = Conv <pads=[1,1,1,1]> (m, w) }",
        {"w": DOT, "f": np.arange(9, dtype=np.float32).reshape(3, 3)},
        np.full((1, 1, 3, 3), np.pi / 2, np.float32),
        np.arange(9).reshape(1, 1, 3, 3),
    ),
    "a result one number wide": (
        "agraph (float[3,1,4,3] x) => (float[3,1,3,1] y) "
        "{ y = Conv <strides=[1,2], pads=[0,0,1,1], kernel_shape=[3,3]> (x, w) }",
        {"w": np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)},
        np.array([[1], [2], [3]], np.float32).reshape(3, 1, 1, 1)
        * np.arange(12, dtype=np.float32).reshape(1, 1, 4, 3) ** 2,
        np.array([[1], [2], [3]]).reshape(3, 1, 1, 1) * np.reshape([1296, 2844, 1425], (1, 1, 3, 1)),
    ),
    "1 by 1 with strides and pads": (
        "agraph (float[1,1,3,1] x) => (float[1,1,3,2] y) "
        "{ r = Relu (x) c = Conv <strides=[2,1], pads=[1,0,1,1]> (r, w) y = Relu (c) }",
        {"w": np.full((1, 1, 1, 1), 2, np.float32)},
        np.array([1, 2, 3], np.float32).reshape(1, 1, 3, 1),
        [[[[0, 0], [4, 0], [0, 0]]]],
    ),
    "tokens that are quantised together": (
        "agraph (float[1,2,4] x) => (float[1,4,4] y) { r = Neg (x) c = Concat <axis=1> (x, r) "
        "q = QuantizeLinear (c, s, z) d = DequantizeLinear (q, s, z) w = DequantizeLinear <axis=1> (W, u) "
        "y = MatMul (d, w) }",
        {
            "s": np.float32(1 / 8),
            "z": np.int8(5),
            "W": np.diag([1, 2, 3, 4]).astype(np.int8),
            "u": np.ones(4, np.float32),
        },
        TOKENS,
        np.concatenate([TOKENS, -TOKENS], 1) * [1, 2, 3, 4],
    ),
    "tokens that are joined as integers, and some left out": (
        "agraph (float[1,2,4] x) => (float[1,4,4] y) { r = Neg (x) q = QuantizeLinear (x, s, z) "
        "d = DequantizeLinear (q, s, z) p = QuantizeLinear (r, s, z) e = DequantizeLinear (p, s, z) "
        "c = Concat <axis=1> (d, e) w = DequantizeLinear <axis=1> (W, u) m = MatMul (c, w) k = Mul (c, kept) "
        "n = MatMul (k, w) y = Add (m, n) }",
        {
            "s": np.float32(1 / 8),
            "z": np.uint8(128),
            "W": np.diag([1, 2, 3, 4]).astype(np.int8),
            "u": np.ones(4, np.float32),
            "kept": np.array([1, 0, 1, 1], np.float32).reshape(1, 4, 1),
        },
        TOKENS,
        np.concatenate([TOKENS, -TOKENS], 1) * [1, 2, 3, 4] * [[[2], [1], [2], [2]]],
    ),
    "patches of 4 by 4 of 32 channels in int8": (
        f"agraph (float[1,32,12,12] x) => (float[1,4,3,3] y) {{ {QUANTIZED} y = Conv <strides=[4,4]> (d, w) }}",
        {**SCALES, "W": PATCH, "u": np.ones(4, np.float32)},
        PATCHES,
        np.einsum("ciajb,ocab->oij", PATCHES.reshape(32, 3, 4, 3, 4), PATCH)[None],
    ),
    "1 by 1 of two groups of 80 channels in int8": (
        f"agraph (float[1,160,4,4] x) => (float[1,20,4,4] y) {{ {QUANTIZED} y = Conv <group=2> (d, w) }}",
        {**SCALES, "W": MIX, "u": np.ones(20, np.float32)},
        GROUPS,
        np.einsum("gchw,goc->gohw", GROUPS.reshape(2, 80, 4, 4), MIX.reshape(2, 10, 80)).reshape(1, 20, 4, 4),
    ),
    "as many heads as tokens, swapped behind": (
        f"{ATTENTION} {{ h = Mul (q, half) {ATTEND} y = Transpose <perm=[0,2,1,3]> (o) }}",
        {"half": np.float32(0.5)},
        dict(zip("qkv", QKV[:, None], strict=True)),
        attended(*QKV).transpose(0, 2, 1, 3),
    ),
    "as many heads as tokens, swapped in front": (
        f"{ATTENTION} {{ t = Transpose <perm=[0,2,1,3]> (q) h = Mul (t, half) {ATTEND} y = Relu (o) }}",
        {"half": np.float32(0.5)},
        dict(zip("qkv", QKV[:, None], strict=True)),
        attended(QKV[0].transpose(1, 0, 2), *QKV[1:]).clip(0),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_the_plugin_gets_wrong_is_written_otherwise(name, tmp_path):
    text, constants, x, expected = FAULTS[name]
    code = (
        "import sys, pickle, pathlib; from edgeport.runtime.sessions.openvino import OpenVINOSession; "
        "s = OpenVINOSession(sys.argv[1]); x = pickle.loads(bytes.fromhex(sys.argv[2])); "
        "print(pickle.dumps(s.run(x)['y']).hex())"
    )  # in a process of its own, which the fault may end
    path = convert(canonical(text, constants), tmp_path)
    inputs = pickle.dumps(x if isinstance(x, dict) else {"x": x}).hex()
    command = [sys.executable, "-c", code, str(path), inputs]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(pickle.loads(bytes.fromhex(done.stdout)), expected, rtol=1e-5, atol=1e-6)


WATCHED = """
import sys
import numpy
from graphs import canonical

def watch(event, args):
    if event.split(".")[0] in ("socket", "subprocess", "urllib") or event in ("os.fork", "os.posix_spawn", "os.system"):
        seen.append(event)

seen = []
from pathlib import Path
model = canonical("agraph (float[1,2,4,4] x) => (float[1,2,4,4] y) { y = Relu (x) }")
sys.addaudithook(watch)
BODY
assert "openvino" in sys.modules
assert not any(name.startswith("openvino_telemetry") for name in sys.modules), "telemetry was imported"
assert not seen, seen
"""
CONVERT = "from edgeport.exporters.openvino.convert import convert; convert(model, Path(sys.argv[1]))"
OPEN = (
    "from edgeport.targets.registry import open_session; "
    "open_session(Path(sys.argv[1]) / 'model.xml').run({'x': numpy.ones((1, 2, 4, 4))})"
)


@pytest.mark.parametrize("body", [CONVERT, OPEN, f"{CONVERT}; {OPEN}"], ids=["convert", "session", "both"])
def test_nothing_is_sent_and_nothing_is_written_at_home(body, tmp_path):
    home, out = tmp_path / "home", tmp_path / "out"
    home.mkdir()
    out.mkdir()
    convert(canonical("agraph (float[1,2,4,4] x) => (float[1,2,4,4] y) { y = Relu (x) }"), out)
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    environment |= {"HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WATCHED.replace("BODY", body), str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(home.rglob("*intel*")) + list(home.rglob("*openvino*"))


LINEARS = {
    "bias": "h = Gelu (x) m = MatMul (h, w) y = Add (m, u)",
    "no_bias": "h = Gelu (x) y = MatMul (h, w)",
    "two_of_one": "h = Gelu (x) m = MatMul (h, w) a = Add (u, m) b = MatMul (h, v) y = Mul (a, b)",
    "bias_and_residual": "h = Gelu (x) m = MatMul (h, w) a = Add (m, u) y = Mul (m, a)",
    "scalar": "h = Gelu (x) m = MatMul (h, w) y = Add (m, k)",
    "moved": "h = Gelu (x) s = Slice (h, zero, four, one) t = Transpose <perm = [0, 2, 1]> (s) r = Reshape (t, to)"
    " m = MatMul (r, w) y = Add (m, u)",
    "rolled": "r = Reshape (x, image) h = Gelu (r) s = Slice (h, zero, two, two) t = Slice (h, two, four, two)"
    " c = Concat <axis = 2> (t, s) b = Reshape (c, rows) m = MatMul (b, w) y = Add (m, u)",
    "a token in front": "s = Slice (x, zero, one, one) t = Slice (x, one, eight, one) h = MatMul (t, square)"
    " c = Concat <axis = 1> (s, h) m = MatMul (c, w) a = Add (m, u) k1 = MatMul (c, v) y = Mul (a, k1)",
    "tokens in front of one another": "s = Slice (x, zero, one, one) t = Slice (x, one, eight, one)"
    " h = MatMul (t, square) c = Concat <axis = 1> (s, h) d = Concat <axis = 1> (s, h) m = MatMul (c, w)"
    " n = MatMul (d, v) y = Add (m, n)",
}


@pytest.mark.parametrize("name", LINEARS)
def test_a_linear_has_its_zero_point_in_its_bias(name, tmp_path):
    """Else the plugin subtracts it from the whole result, in float, or computes all of the linear in float."""
    indices = {"zero": [0], "one": [1], "two": [2], "four": [4], "eight": [8], "to": [1, 4, 32]}
    shapes = {"image": [1, 2, 4, 32], "rows": [1, 8, 32]}
    text = f"agraph (float[1,8,32] x) => (float[1,{4 if name == 'moved' else 8},64] y) {{ {LINEARS[name]} }}"
    model = quantized(
        canonical(text, {"w": (32, 64), "v": (32, 64), "u": (64,), "k": [0.5], "square": (32, 32), **indices, **shapes})
    )
    inputs = feeds(model, 9)
    path = convert(model, tmp_path)
    expected, got = run_onnx(model, inputs)["y"], OpenVINOSession(path).run(inputs)["y"]
    assert snr_db(expected, got) > 50
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    facts = [operation.get_rt_info() for operation in compiled.get_runtime_model().get_ops()]
    kinds = {str(fact["layerType"].value) for fact in facts}
    assert "FullyConnected" in kinds
    assert "FullyConnectedCompressed" not in kinds
    assert not [fact for fact in facts if "DequantizationSubtract" in str(fact["originalLayersNames"].value)]


def test_a_zero_point_stays_where_another_reads_the_value(tmp_path):
    text = "agraph (float[1,8,32] x) => (float[1,8,32] y) { h = Gelu (x) m = MatMul (h, w) y = Add (m, h) }"
    model = quantized(canonical(text, {"w": (32, 32)}))
    inputs = feeds(model, 9)
    expected = run_onnx(model, inputs)["y"]
    assert snr_db(expected, OpenVINOSession(convert(model, tmp_path)).run(inputs)["y"]) > 50
