"""Whole models as OpenVINO IR and as ONNX: every precision against PyTorch, int8 against its own pairs and TFLite's."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import onnx
import pytest
import torch
from concat_network import ConcatNetwork
from edgeport.exporters import tflite
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.frontends.torch_module import from_torch
from edgeport.exporters.onnx.convert import convert as to_onnx
from edgeport.exporters.openvino.convert import convert as to_openvino
from edgeport.models import create_model, get_variant, redraw
from edgeport.quantize import apply, collect, plan
from edgeport.runtime.sessions.onnx import OnnxSession
from edgeport.runtime.sessions.openvino import OpenVINOSession
from edgeport.targets.kernel_sets.onnx import ONNXRUNTIME_CPU
from edgeport.targets.kernel_sets.openvino import OPENVINO_CPU
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK
from graphs import snr_db
from photographs import CALIBRATION, VALIDATION, crops

FAST = ["mobilenetv3_large_100", "mobilevit_s", "concat"]
SLOW = ["mobilenetv2_100", "resnet50", "vit_tiny_patch16_224", "deit_small_patch16_224"]
MODELS = [*FAST, *(pytest.param(name, marks=pytest.mark.exhaustive) for name in SLOW)]
KERNEL_SETS = {"openvino": OPENVINO_CPU, "onnx": ONNXRUNTIME_CPU, "tflite": TFLITE_XNNPACK}


def variant(name):
    return get_variant("mobilenetv2_100" if name == "concat" else name)


@cache
def built(name):
    """(module, canonical graph, statistics) with re-drawn weights."""
    torch.set_num_threads(1)
    module = ConcatNetwork() if name == "concat" else create_model(name)
    redraw(module, seed=0, input_size=variant(name).input_size)
    graph = canonicalize(from_torch(module.eval(), (torch.zeros(1, *variant(name).input_size),)))
    return module, graph, collect(graph, ({"image": x} for x in crops(CALIBRATION, 4, variant(name))))


@cache
def inputs(name):
    """(photographs, PyTorch's outputs)"""
    images = crops(VALIDATION, 4, variant(name))
    with torch.no_grad():
        return images, np.concatenate([built(name)[0](torch.from_numpy(x)).numpy() for x in images])


@cache
def quantized(name, target):
    _, graph, stats = built(name)
    return apply(graph, plan(graph, stats, KERNEL_SETS[target]))


@cache
def artifact(name, target, precision):
    graph = quantized(name, target) if precision == "int8" else built(name)[1]
    if target == "openvino":
        return to_openvino(graph, Path(mkdtemp()), half_weights=precision == "fp16", metadata={"model": name})
    return to_onnx(graph, half_weights=precision == "fp16")


def outputs(session, name):
    return np.concatenate([session.run({"image": x})["logits"] for x in inputs(name)[0]])


def opened(name, target, precision, **options):
    session = OpenVINOSession if target == "openvino" else OnnxSession
    return session(artifact(name, target, precision), **options)


@pytest.mark.parametrize("target", ["openvino", "onnx"])
@pytest.mark.parametrize("name", MODELS)
class TestModel:
    def test_float_equals_pytorch(self, name, target):
        expected = inputs(name)[1]
        got = outputs(opened(name, target, "fp32"), name)
        assert np.abs(got - expected).max() <= 1e-4 * expected.std()

    def test_half_precision(self, name, target):
        assert snr_db(inputs(name)[1], outputs(opened(name, target, "fp16"), name)) >= 45

    def test_int8_is_as_good_as_its_pairs(self, name, target):
        """The integer kernels against the same file computed in float, as written: each rounds a little otherwise."""
        expected = inputs(name)[1]
        exact = {"oracle": True} if target == "openvino" else {"optimisation": "disable"}
        fast, slow = (snr_db(expected, outputs(opened(name, target, "int8", **o), name)) for o in ({}, exact))
        assert fast >= slow - 1.5
        assert fast > 11


def contents(weights):
    """The sorted integers of each weight without zeros: a TFLite stem over joined pixels has more of those."""
    return {each.replace(b"\0", b"") for each in weights}


@pytest.mark.parametrize("name", MODELS)
def test_targets_agree_on_weights_and_ranges(name):
    """Read back from the three files: what two of them quantise has the same range and the same rounded weights.

    But where one target's kernels join Concat's operands in integers and the other's do not, their range is wider.
    """
    joined = {value.name for node in built(name)[1].graph if node.op_type == "Concat" for value in node.inputs}
    mobile = of_tflite(tflite.convert(quantized(name, "tflite"), kernels=TFLITE_XNNPACK))
    others = [of_openvino(artifact(name, "openvino", "int8")), of_onnx(artifact(name, "onnx", "int8"))]
    for (ranges, weights), (others_ranges, others_weights) in ((mobile, others[0]), (mobile, others[1]), others):
        common = ranges.keys() & others_ranges.keys()
        assert len(common) > 20
        for value in common - joined:
            assert ranges[value] == pytest.approx(others_ranges[value], rel=1e-6), value
        ours, theirs = contents(weights), contents(others_weights)
        assert len(ours & theirs) == min(len(ours), len(theirs)) > 20


# Each reader gives {value: (its least, its largest real number)} and {a weight's integers, sorted: layouts differ}.


def entries(constants):
    """From {name: array} of a file that keeps the graph's own names: v_scale, v_zero_point, w_q."""
    ranges, weights = {}, set()
    for name, array in constants.items():
        if name.endswith("_zero_point") and array.dtype == np.uint8:
            value = name.removesuffix("_zero_point")
            scale = float(constants[f"{value}_scale"])
            ranges[value] = (-int(array) * scale, (255 - int(array)) * scale)
        elif name.endswith("_q") and array.dtype == np.int8:
            weights.add(np.sort(array, axis=None).tobytes())
    return ranges, weights


def of_onnx(content):
    proto = onnx.load_from_string(content)
    return entries({tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer})


def of_openvino(path):
    """The ranges from FakeQuantize: zero points in front of a linear are in its bias."""
    import openvino as ov

    operations = ov.Core().read_model(path).get_ops()
    constants = (op for op in operations if op.get_type_name() == "Constant")
    _, weights = entries({op.get_friendly_name(): np.array(op.data) for op in constants})
    ranges = {}
    for op in operations:
        if op.get_type_name() == "FakeQuantize":
            low, high = (float(op.input_value(i).get_node().get_data()) for i in (1, 2))
            ranges[op.get_friendly_name().partition("/FakeQuantize")[0].removesuffix("_q")] = (low, high)
    return ranges, weights


def of_tflite(content):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    ranges, weights = {}, set()
    for tensor in interpreter.get_tensor_details():
        scales, zeros = (tensor["quantization_parameters"][key] for key in ("scales", "zero_points"))
        if tensor["dtype"] is np.int8 and "/const:" in tensor["name"]:
            weights.add(np.sort(interpreter.get_tensor(tensor["index"]), axis=None).tobytes())
        elif tensor["dtype"] is np.int8 and len(scales) == 1:
            limits = ((limit - int(zeros[0])) * float(scales[0]) for limit in (-128, 127))
            ranges[tensor["name"].removesuffix("_q")] = tuple(limits)
    return ranges, weights
