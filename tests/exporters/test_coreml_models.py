"""Whole models through the Core ML converter and our runner: float, half, and the plan read back out of int8."""

import re
from functools import cache

import numpy as np
import pytest
from edgeport.exporters.coreml import convert
from edgeport.runtime.compare import compare
from edgeport.runtime.mil.package import read_package
from edgeport.runtime.output_kinds import MAX_SNR_DB
from edgeport.runtime.sessions.onnx import OnnxSession
from edgeport.targets.kernel_sets.coreml import COREML_ANE
from edgeport.targets.registry import open_session
from onnx_ir import to_proto
from zoo_graphs import built, pictures, planned, reference

MODELS = ["mobilevit_xxs", "mobilenetv3_small_100", "resnet18", "vit_tiny_patch16_224"]


@cache
def quantized(name):
    """(plan, graph with Q/DQ)"""
    return planned(name, COREML_ANE)


def written(model, folder, **options):
    path = folder / "model.mlpackage"
    convert(model, path, **options)
    return path


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("precision", "max_abs_over_std", "snr_db"), [("fp32", 1e-4, 80), ("fp16", 1, 45)])
def test_float_equals_pytorch(name, precision, max_abs_over_std, snr_db, tmp_path):
    graph = built(name)[1]
    session = open_session(written(graph, tmp_path, precision=precision))
    assert (session.inputs, session.outputs) == (reference(name).inputs, reference(name).outputs)
    agreement = compare(reference(name), session, pictures(name))
    assert agreement.max_abs_over_std <= max_abs_over_std
    assert agreement.snr_db >= snr_db


@pytest.mark.parametrize(
    ("name", "precision"), [*((name, "fp16") for name in MODELS), ("mobilenetv3_small_100", "fp32")]
)
def test_int8_holds_the_plan(name, precision, tmp_path):
    """Weights, scales and zero points as planned; the output is as far from float as the graph's in ONNX Runtime."""
    decided, graph = quantized(name)
    path = written(graph, tmp_path, precision=precision)
    operations = {_given_name(operation): operation for operation in read_package(path).operations}
    made_by = {output: operation for operation in operations.values() for output, _ in operation.outputs}

    def parameter(operation, key):
        (operand,) = operation.inputs[key]
        return operand.literal if not operand.name else parameter(made_by[operand.name], "val")

    stored = {"fp32": np.float32, "fp16": np.float16}[precision]
    float_weights = built(name)[1].graph.initializers
    for unit in decided.units:
        if unit.precision == "float":
            continue
        params = decided.weights[unit.weight]
        expected = params.quantize(float_weights[unit.weight].const_value.numpy())
        kind = {"Conv": "conv", "Linear": "linear"}[unit.kind]
        made = unit.accumulates or unit.nodes[0]
        made = "logits_float" if made == "logits" else made  # a quantised output's name goes to what is dequantised
        weight = made_by[operations[_identifier(f"{made}_{kind}")].inputs["weight"][0].name]
        assert weight.type == "constexpr_affine_dequantize"
        np.testing.assert_array_equal(parameter(weight, "quantized_data"), expected.T if kind == "linear" else expected)
        np.testing.assert_array_equal(parameter(weight, "scale"), np.array(params.scales, stored))
        assert not np.any(parameter(weight, "zero_point"))
        assert parameter(weight, "axis") == 0
    for value, params in decided.activations.items():
        for suffix, type_ in (("q", "quantize"), ("dq", "dequantize")):
            result = value if (value, suffix) == ("logits", "dq") else f"{value}_{suffix}"
            operation = operations[_identifier(f"{result}_{type_}")]
            assert parameter(operation, "scale") == stored(params.scale)
            zero_point = parameter(operation, "zero_point") if "zero_point" in operation.inputs else 0
            assert zero_point == params.zero_point
    types = [operation.type for operation in operations.values()]
    assert types.count("quantize") == types.count("dequantize") == len(decided.activations)

    feeds = pictures(name, 2)
    own = OnnxSession(to_proto(graph).SerializeToString(), optimisation="disable")
    snr_db = [compare(reference(name), session, feeds).snr_db for session in (own, open_session(path))]
    assert snr_db[1] >= snr_db[0] - 1
    assert 10 < snr_db[1] < MAX_SNR_DB


def _identifier(name: str) -> str:
    return re.sub("[^a-zA-Z0-9_]", "_", name)


def _given_name(operation) -> str:
    """An operation's name before coremltools turned it to float16."""
    return operation.name.removesuffix("_cast_fp16")


def test_int8_is_small(tmp_path):
    size = [
        sum(file.stat().st_size for file in written(model, tmp_path / name).rglob("*") if file.is_file())
        for name, model in (("float", built("resnet18")[1]), ("int8", quantized("resnet18")[1]))
        if not (tmp_path / name).mkdir()
    ]
    assert size[1] <= 0.27 * size[0]


def test_same_bytes(tmp_path):
    """On a graph with every kind of operation, and weights of every type."""
    packages = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        path = written(quantized("mobilenetv3_small_100")[1], tmp_path / name, precision="fp16")
        packages.append({file.relative_to(path): file.read_bytes() for file in path.rglob("*") if file.is_file()})
    assert packages[0] == packages[1]
