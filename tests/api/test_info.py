"""`edgeport.info` of an artifact answers what an app team asks, from the file itself."""

import dataclasses
import json
from types import SimpleNamespace

import edgeport
import numpy as np
import pytest
from edgeport.artifacts.check import manifest_path
from edgeport.artifacts.errors import RuntimeUnavailable
from edgeport.artifacts.manifest import Accelerator
from edgeport.cli.main import main
from edgeport.pipeline import info as of_info
from edgeport.runtime.contents.contents import Contents, Operator, Tensor
from edgeport.runtime.residency import Refusal, Residency
from edgeport.targets.accelerators import Gap, best_known, predict_gpu

TARGETS = {  # target: (what the oldest runtime is called, one of its operators)
    "tflite": ("TensorFlow Lite ", "CONV_2D"),
    "openvino": ("OpenVINO with opset", "Convolution"),
    "onnx": ("ONNX Runtime ", "Conv"),
    "coreml": ("iOS 1", "conv"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """made(target, **options) -> a small artifact's path."""
    known = {}

    def make(target, **options):
        key = (target, *sorted(options))
        if key not in known:
            folder = tmp_path_factory.mktemp("info")
            fixed = {"weights": "random", "validate": False, "benchmark": False, "effort": "fast"}
            known[key] = edgeport.export("lenet5", target, output_dir=folder, **fixed, **options).path
        return known[key]

    return make


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch):
    def absent(path, accelerator, **limits):
        raise RuntimeUnavailable("there is none")

    monkeypatch.setattr(of_info, "open_accelerated", absent)


@pytest.mark.parametrize("target", TARGETS)
def test_it_says_what_is_in_a_file_of_every_format(made, target):
    facts = edgeport.info(made(target))
    runtime, operator = TARGETS[target]
    assert facts["minimum_runtime"].startswith(runtime)
    assert facts["operators"][operator] >= 2
    assert max(map(int, facts["ranks"])) == 4
    (taken,), (given,) = facts["inputs"], facts["outputs"]
    assert (taken["shape"], given["shape"]) == ((1, 1, 32, 32), (1, 10))
    nhwc = target == "tflite"
    assert taken["stored"]["layout"] == ("nhwc" if nhwc else "nchw")
    assert taken["stored"]["shape"] == ((1, 32, 32, 1) if nhwc else (1, 1, 32, 32))
    assert (taken["stored"]["dtype"], given["stored"]["dtype"]) == ("float32", "float32")


def test_the_ends_of_an_integer_file_have_their_scales(made):
    facts = edgeport.info(made("tflite", precision="int8", profile="npu"))
    (taken,), (given,) = facts["inputs"], facts["outputs"]
    assert taken["stored"]["dtype"] == given["stored"]["dtype"] == "int8"
    assert taken["stored"]["scale"] > 0
    values = np.float32((-128 - taken["stored"]["zero_point"]) * taken["stored"]["scale"])
    assert -10 < values <= 0  # what the lowest integer stands for
    refused = {each["name"].rpartition(" ")[2]: each["refuses"] for each in facts["clients"]}
    assert "int8, not uint8 or float32: export it with --input uint8" in " ".join(refused["ImageClassifier"])


def test_accelerators_are_predicted_where_there_is_none(made):
    cpu, gpu = edgeport.info(made("tflite"))["accelerators"]
    assert (cpu["accelerator"], cpu["whole"], cpu["source"]) == ("CPU (XNNPACK)", True, "measured here")
    assert (gpu["accelerator"], gpu["source"]) == ("LiteRT GPU", "by rules")
    assert edgeport.info(made("onnx"))["accelerators"] == []


def test_accelerators_are_measured_where_there_is_one(made, monkeypatch):
    refused = (Refusal("RESHAPE", "too many axes", "a/b"), Refusal("RESHAPE", "too many axes", "a/c"))
    residency = Residency("gpu", "a device", "fp16", 9, 7, 2, refused)
    session = SimpleNamespace(residency=residency, close=lambda: None)
    monkeypatch.setattr(of_info, "open_accelerated", lambda path, accelerator, **limits: session)
    gpu = edgeport.info(made("tflite"))["accelerators"][1]
    assert (gpu["operators"], gpu["of"], gpu["partitions"], gpu["whole"]) == (7, 9, 2, False)
    assert gpu["source"] == "measured on a device"
    assert gpu["gaps"] == ({"operator": "RESHAPE", "count": 2, "reason": "too many axes"},)


def test_what_the_manifest_has_measured_is_told_where_there_is_no_accelerator(made):
    refused = {"RESHAPE: rank: 5, too many axes": 2}
    measured = Accelerator(name="gpu", device="a phone", emulated=False, operators=9, accelerated=7, refused=refused)
    wrong = Gap(operator="PAD", count=1, reason="other axes")
    (gpu,) = best_known([dataclasses.replace(predict_gpu(Contents()), wrong=(wrong,))], measured)
    assert (str(gpu), gpu.whole) == ("LiteRT GPU takes 7 of 9 operators (measured on a phone)", False)
    assert gpu.gaps == (Gap(operator="RESHAPE", count=2, reason="rank: 5, too many axes"),)
    assert gpu.wrong == (wrong,)
    predicted = [predict_gpu(Contents())]
    assert best_known(predicted, None) is predicted


def operator(kind: str, *inputs: tuple[tuple[int, ...], bool], out: tuple[int, ...]) -> Operator:
    """An operator of float32 tensors; an input is (shape, whether it is constant)."""
    read = tuple(Tensor(name="", shape=shape, dtype="float32", constant=constant) for shape, constant in inputs)
    return Operator(kind=kind, inputs=read, outputs=(Tensor(name="", shape=out, dtype="float32"),))


def integers(kind: str, x: tuple[int, ...], constant: tuple[int, ...]) -> Operator:
    """An operator of what is computed and a constant, int32."""
    read = (Tensor(name="", shape=x, dtype="int32"), Tensor(name="", shape=constant, dtype="int32", constant=True))
    return Operator(kind=kind, inputs=read, outputs=read[:1])


IMAGE = ((1, 8, 8, 4), False)
# operator: (why the GPU refuses it, what it does wrongly)
RULES = {
    "whole": (operator("CONV_2D", IMAGE, ((5, 3, 3, 4), True), out=(1, 8, 8, 5)), "", ""),
    "rank": (operator("RESHAPE", IMAGE, ((5,), True), out=(1, 2, 4, 8, 4)), "rank 5", ""),
    "unknown": (operator("GATHER_ND", IMAGE, out=(1, 4)), "no such operator", ""),
    "constant": (operator("RESHAPE", ((4, 4), True), ((2,), True), out=(2, 8)), "constant", ""),
    "rows": (operator("ADD", ((6, 8), False), ((6, 8), True), out=(6, 8)), "", "several rows"),
    "one row": (operator("ADD", ((6, 8), False), ((1, 8), True), out=(6, 8)), "", ""),
    "rank 4 rows": (operator("ADD", IMAGE, ((1, 8, 8, 4), True), out=(1, 8, 8, 4)), "", ""),
    "groups": (operator("CONV_2D", IMAGE, ((4, 3, 3, 2), True), out=(1, 8, 8, 4)), "", "groups"),
    "groups of 4": (operator("CONV_2D", ((1, 8, 8, 8), False), ((8, 3, 3, 4), True), out=(1, 8, 8, 8)), "", ""),
    "dense": (operator("FULLY_CONNECTED", ((2, 8), False), ((5, 8), True), out=(2, 5)), "", ""),
    "computed dense": (operator("FULLY_CONNECTED", ((2, 8), False), ((5, 8), False), out=(2, 5)), "", "weights"),
    "row of integers": (integers("FLOOR_MOD", (3, 2), (2,)), "", "of one axis"),
    "integers": (integers("FLOOR_MOD", (3, 2), (1, 2)), "", ""),
    "top": (operator("TOPK_V2", ((2, 8), False), out=(2, 3)), "", ""),
    "odd top": (operator("TOPK_V2", ((2, 7), False), out=(2, 3)), "", "multiple of 4"),
    "pad": (operator("PAD", ((3, 6, 8), False), ((3, 2), True), out=(3, 7, 8)), "", "pads other axes"),
    "batch": (operator("BATCH_MATMUL", ((4, 6, 8), False), ((1, 8, 5), False), out=(4, 6, 5)), "", "repeat"),
}


@pytest.mark.parametrize("name", RULES)
def test_the_rules_of_the_gpu(name):
    one, refused, wrong = RULES[name]
    found = predict_gpu(Contents(operators=(one,), inputs=(), outputs=()))
    assert [refused in gap.reason for gap in found.gaps] == [True] * bool(refused)
    assert [wrong in gap.reason for gap in found.wrong] == [True] * bool(wrong)
    assert found.operators == (0 if refused else 1)
    assert found.whole == (not refused and not wrong)


def test_people_read_it_in_lines(made, capsys):
    assert main(["info", str(made("tflite"))]) == 0
    shown = capsys.readouterr().out
    for fact in (
        "lenet5, fp32; verdict: not validated",
        "stored NHWC, (1, 32, 32, 1)",
        "TensorFlow Lite",
        "3 CONV_2D",
        "at most 4",
        "LiteRT GPU: whole (by rules)",
        "ImageClassifier: refuses it",
        "not (1, height, width, 3)",
    ):
        assert fact in shown, shown
    assert main(["info", str(made("tflite")), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["operators"]["CONV_2D"] == 3


def test_a_figure_that_is_no_number_is_said_so(made, capsys):
    path = made("tflite", precision="w8a32")
    beside = manifest_path(path)
    manifest = json.loads(beside.read_text())
    manifest["task"]["figures"] = {"top1": {"value": None, "standard_error": None}}
    beside.write_text(json.dumps(manifest))
    assert main(["info", str(path)]) == 0
    assert "top1 no number" in capsys.readouterr().out
