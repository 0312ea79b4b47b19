"""Profile npu: every tensor is an integer, from the input to the output, or the node that cannot be is named."""

import numpy as np
import pytest
import torch
from edgeport.artifacts.errors import UnsupportedOp
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.frontends.torch_module import from_torch
from edgeport.models import create_model, get_variant, redraw
from edgeport.quantize import apply, apply_equalization, collect, correct_biases, find_equalization, plan
from edgeport.runtime.sessions.tflite import TFLiteSession
from edgeport.targets.kernel_sets.tflite import TFLITE_NPU, TFLITE_XNNPACK
from graphs import run_onnx, snr_db
from photographs import CALIBRATION, VALIDATION, crops
from tflite_convert import convert

MODELS = {  # name: dB that profile npu may lose against xnnpack, which keeps softmax and LayerNorm in float
    "mobilenetv2_100": 1,
    "mobilenetv3_large_100": 2,
    "efficientnet_b0": 3,
    "mobilevit_s": 7,
    "vit_tiny_patch16_224": 9,
    "convnext_atto": 9,
}
IMAGE = "(float[1,4,6,6] x) => (float[1,4,6,6] y)"
ROWS = "(float[1,9,16] x) => (float[1,9,12] y)"
ATTENTION = (
    "(float[1,9,16] x) => (float[1,9,16] y) <float[16] g, float[16] b, float[16,16] q, float[16,16] k, float[16,16] v> "
    "{ n = LayerNormalization<axis=2, epsilon=1e-5>(x, g, b) nq = MatMul(n, q) nk = MatMul(n, k) nv = MatMul(n, v)"
    " t = Transpose<perm=[0,2,1]>(nk) s = MatMul(nq, t) p = Softmax<axis=2>(s) o = MatMul(p, nv) y = Add(x, o) }"
)
CASES = {  # name: (text, constants, the least SNR in dB)
    "attention": (ATTENTION, {}, 25),
    "hard_swish": (f"{IMAGE} {{ y = HardSwish(x) }}", {}, 35),
    "gelu": (f'{IMAGE} {{ y = Gelu<approximate="none">(x) }}', {}, 35),
    "residual": (f"{IMAGE} {{ r = Relu(x) y = Add(r, x) }}", {}, 35),
    "average": (
        "(float[1,4,6,6] x) => (float[1,4,3,3] y) { y = AveragePool<kernel_shape=[2,2], strides=[2,2], "
        "pads=[0,0,0,0], count_include_pad=0>(x) }",
        {},
        30,
    ),
    "clip": (f"{IMAGE} <float lo, float hi> {{ y = Clip(x, lo, hi) }}", {"lo": 0, "hi": 6}, 35),
    "concat": (
        "(float[1,4,6,6] x) => (float[1,8,6,6] y) { r = Relu(x) y = Concat<axis=1>(x, r) }",
        {},
        35,
    ),
}
REFUSED = {
    "division": (
        f"{IMAGE} {{ e = Exp(x) y = Div(x, e) }}",
        {},
        "Div 'node_y' cannot be int8: TFLite has no integer kernel",
    ),
    "other_clip": (
        f"{IMAGE} <float lo, float hi> {{ y = Clip(x, lo, hi) }}",
        {"lo": -1, "hi": 1},
        "clips only to .0, 6.",
    ),
    "sine": (f"{IMAGE} {{ y = Sin(x) }}", {}, "Sin 'node_y' cannot be int8: no int8 kernel"),
}


def quantized(model, scheme, feeds):
    """The default effort."""
    model = apply_equalization(model, find_equalization(model, feeds))
    formed = scheme.apply_forms(model)
    formed, statistics = scheme.apply_rewrites(formed, collect(formed, feeds))
    made = plan(formed, statistics, scheme, observer="mse")
    return apply(correct_biases(formed, made, feeds), made)


def types(content: bytes) -> set[str]:
    """Of all tensors in the file."""
    from ai_edge_litert.interpreter import Interpreter

    return {np.dtype(t["dtype"]).name for t in Interpreter(model_content=content).get_tensor_details()}


def opened(content: bytes, folder) -> TFLiteSession:
    path = folder / "npu.tflite"
    path.write_bytes(content)
    return TFLiteSession(path)


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_float(name, build, feeds, run, tmp_path):
    text, constants, least = CASES[name]
    model = build(text, **constants)
    written = quantized(model, TFLITE_NPU, list(feeds(model, 16)))
    content = convert(written, kernels=TFLITE_NPU, input_layout="nchw")
    assert types(content) <= {"int8", "int32"}
    session = opened(content, tmp_path)
    assert session.inputs[0].dtype == session.outputs[0].dtype == "int8"
    (feed,) = feeds(model, 1)
    assert snr_db(run(model, feed)["y"], session.run(feed)["y"]) > least


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_int8_form_is_named(name, build, feeds):
    text, constants, message = REFUSED[name]
    model = build(text, **constants)
    model.graph.node(len(list(model.graph)) - 1).metadata_props["pkg.torch.onnx.name_scopes"] = "['', 'head', 'op']"
    with pytest.raises(UnsupportedOp, match=message.replace(" cannot", r" \(at 'head'\) cannot")):
        quantized(model, TFLITE_NPU, list(feeds(model, 4)))


def test_a_layer_norm_that_is_split_computes_the_same(build, feeds, run):
    text = f"{ROWS} <float[16] g, float[16] b, float[16,12] v> "
    model = build(text + "{ n = LayerNormalization<axis=2, epsilon=1e-5>(x, g, b) y = MatMul(n, v) }")
    split = TFLITE_NPU.apply_forms(model)
    assert not any(node.op_type == "LayerNormalization" for node in split.graph)
    assert {"n", "y"} <= {v.name for node in split.graph for v in node.outputs}
    for feed in feeds(model, 4):
        expected = run(model, feed)["y"]
        assert np.abs(run(split, feed)["y"] - expected).max() <= 1e-4 * expected.std()


def test_float_between_the_pairs_is_refused_by_the_converter(build, feeds):
    """Also where the graph was not planned for the profile."""
    model = canonicalize(build(ATTENTION))
    with pytest.raises(UnsupportedOp, match="LayerNormalization 'n' has no int8 form; those of tflite-npu: Abs, "):
        convert(quantized(model, TFLITE_XNNPACK, list(feeds(model, 4))), kernels=TFLITE_NPU)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", MODELS)
def test_whole_models(name, tmp_path):
    variant = get_variant(name)
    module = create_model(name)
    redraw(module, seed=0, input_size=variant.input_size)
    model = canonicalize(from_torch(module, (torch.zeros(1, *variant.input_size),)))
    calibration = [{"image": x} for x in crops(CALIBRATION, 16, variant)]
    validation = [{"image": x} for x in crops(VALIDATION, 3, variant, seed=3)]
    expected = [run_onnx(model, x)["logits"] for x in validation]
    found = {}
    for profile, scheme in (("npu", TFLITE_NPU), ("xnnpack", TFLITE_XNNPACK)):
        content = convert(quantized(model, scheme, calibration), kernels=scheme)
        if profile == "npu":
            assert types(content) <= {"int8", "int32"}
        session = opened(content, tmp_path)
        found[profile] = snr_db(expected, [session.run(x)["logits"] for x in validation])
    print(name, {profile: round(db, 1) for profile, db in found.items()}, flush=True)
    assert found["npu"] > found["xnnpack"] - MODELS[name]
