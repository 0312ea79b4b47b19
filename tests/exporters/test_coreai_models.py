"""Whole models through the Core AI converter and Apple's runtime: float, half, and the plan read back out of int8."""

from functools import cache

import edgeport
import numpy as np
import pytest
import torch
from edgeport.runtime.compare import compare
from edgeport.runtime.output_kinds import MAX_SNR_DB
from edgeport.runtime.sessions.onnx import OnnxSession
from edgeport.targets.kernel_sets.coreai import COREAI_ANE
from edgeport.targets.registry import open_inspector, open_session
from onnx_ir import to_proto
from zoo_graphs import built, pictures, planned, reference

pytest.importorskip("coreai", reason="coreai-core is for x86-64 Linux and macOS")

from edgeport.exporters.coreai import convert

MODELS = ["mobilenetv3_small_100", "mobilevit_xxs"]
MORE = ["resnet18", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "convnext_atto", "efficientnet_lite0"]
LOWER = {"efficientnet_lite0": 37}  # with drawn weights: sums in float16; with public ones it has 42 dB
ALL = [*MODELS, *(pytest.param(name, marks=pytest.mark.exhaustive) for name in MORE)]


@cache
def quantized(name):
    """(plan, graph with Q/DQ)"""
    return planned(name, COREAI_ANE)


def written(model, folder, **options):
    path = folder / "model.aimodel"
    convert(model, path, **options)
    return path


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("precision", "max_abs_over_std", "snr_db"), [("fp32", 1e-4, 80), ("fp16", 1, 40)])
def test_float_equals_pytorch(name, precision, max_abs_over_std, snr_db, tmp_path):
    graph = built(name)[1]
    session = open_session(written(graph, tmp_path, precision=precision))
    assert (session.inputs, session.outputs) == (reference(name).inputs, reference(name).outputs)
    agreement = compare(reference(name), session, pictures(name))
    assert agreement.max_abs_over_std <= max_abs_over_std
    assert agreement.snr_db >= (LOWER.get(name, snr_db) if precision == "fp16" else snr_db)


@pytest.mark.parametrize("name", ALL)
def test_int8_holds_the_plan(name, tmp_path):
    """Weights, scales and zero points as planned; the output is as far from float as the graph's in ONNX Runtime."""
    decided, graph = quantized(name)
    path = written(graph, tmp_path, precision="fp16")
    inside = open_inspector(path)
    float_weights = built(name)[1].graph.initializers
    for unit in decided.units:
        if unit.precision == "float":
            continue
        params = decided.weights[unit.weight]
        weight = float_weights[unit.weight].const_value.numpy()
        expected = params.dequantize(params.quantize(weight))
        made = unit.accumulates or unit.nodes[0]
        made = "logits_float" if made == "logits" else made
        got = inside.weights[made]
        np.testing.assert_allclose(got, expected.T if unit.kind == "Linear" else expected, rtol=1e-3, atol=1e-7)
    inside.close()
    for value, params in decided.activations.items():
        assert inside.encodings[value].zero_point == params.zero_point
        np.testing.assert_allclose(inside.encodings[value].scale, params.scale, rtol=2**-11)
    feeds = pictures(name, 2)
    own = OnnxSession(to_proto(graph).SerializeToString(), optimisation="disable")
    snr_db = [compare(reference(name), session, feeds).snr_db for session in (own, open_session(path))]
    assert snr_db[1] >= snr_db[0] - 1
    assert 10 < snr_db[1] < MAX_SNR_DB


@pytest.mark.parametrize(("terms", "grade"), [(4096, "ok"), (16384, "warn")])
def test_what_float16_sums_lose_is_no_failure(terms, grade, tmp_path):
    """The default precision of the target, which no runtime of it here sums in float32: 41 dB, and 31."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(terms, 8)).eval()
    options = {"input_shape": (1, terms // 32, 32), "num_validation_samples": 4, "benchmark": False}
    made = edgeport.export(net, "coreai", name="sum", output_dir=tmp_path, **options)
    assert made.verdict.split(":")[0] == grade
    assert edgeport.validate(made.path, reference=net, num_validation_samples=4).verdict == made.verdict


def test_int8_is_small(tmp_path):
    size = [
        sum(file.stat().st_size for file in written(model, tmp_path / name).iterdir())
        for name, model in (("float", built(MODELS[0])[1]), ("int8", quantized(MODELS[0])[1]))
        if not (tmp_path / name).mkdir()
    ]
    assert size[1] <= 0.3 * size[0]


def test_same_bytes(tmp_path):
    """On a graph with every kind of operation, and weights of every type."""
    assets = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        path = written(quantized(MODELS[0])[1], tmp_path / name, precision="fp16")
        assets.append({file.name: file.read_bytes() for file in path.iterdir()})
    assert assets[0] == assets[1]
