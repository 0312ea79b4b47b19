"""`export --input uint8 --softmax --top-k N`: what the artifacts take and give, and that the other verbs know them."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from demo import CALIBRATION, VALIDATION, write_crops
from edgeport.artifacts.manifest import Manifest
from edgeport.cli.main import main
from edgeport.targets.registry import everyday_targets, open_session

MODEL = "mobilevit_test"  # its first convolution pads
SAMPLES = ("--num-validation-samples", "4")
TARGETS = everyday_targets()
EVERY = [(target, precision) for target in TARGETS for precision in ("fp32", "int8")]


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory) -> dict[str, dict]:
    """{target: what --json says} of one command, int8 with its float twin."""
    folder, out = tmp_path_factory.mktemp("everywhere"), io.StringIO()
    options = ("--input", "uint8", "--softmax", "--top-k", "3", "--num-runs", "1", "--quiet", "--json")
    with contextlib.redirect_stdout(out):
        code = main(["export", MODEL, "--target", "all", "--int8", *SAMPLES, *options, "--output-dir", str(folder)])
    assert code == 0
    return {result["target"]: result for result in json.loads(out.getvalue())}


def of(everywhere, target: str, precision: str) -> dict:
    return everywhere[target] if precision == "int8" else everywhere[target]["fp32"]


@pytest.mark.parametrize(("target", "precision"), EVERY)
def test_the_artifact_takes_bytes(everywhere, target, precision):
    result = of(everywhere, target, precision)
    manifest, session = Manifest.read(Path(result["manifest"])), open_session(result["artifact"])
    (image,) = session.inputs
    assert (image.name, image.shape, image.dtype) == ("image", (1, 3, 128, 128), "uint8")
    assert (manifest.inputs[0].dtype, manifest.inputs[0].shape) == ("uint8", image.shape)
    assert manifest.inputs[0].layout == ("image" if target == "coreml" else "nhwc")
    assert [spec.name for spec in session.outputs] == ["probabilities", "top_scores", "top_classes"]
    assert result["verdict"] == "ok" or result["verdict"].startswith("warn: ") == (precision == "int8")


@pytest.mark.exhaustive
@pytest.mark.parametrize("target", ["tflite", "openvino", "onnx"])
def test_it_agrees_as_well_as_with_float_input(tmp_path, target):
    """ResNet-18 on 200 crops of photographs: the same classes as float input in fp32, within half a decibel in int8."""
    write_crops(CALIBRATION, 64, tmp_path / "calibration")
    write_crops(VALIDATION, 200, tmp_path / "validation")
    data = ("--calibration-data", str(tmp_path / "calibration"), "--validation-data", str(tmp_path / "validation"))
    found = {}
    for taken in ("float32", "uint8"):
        out = io.StringIO()
        options = ("--input", taken, "--num-validation-samples", "200", "--num-runs", "1", "--weights", "random")
        with contextlib.redirect_stdout(out):
            place = ("--output-dir", str(tmp_path / taken), "--quiet", "--json")
            assert main(["export", "resnet18", "--target", target, "--int8", *options, *data, *place]) == 0
        found[taken] = json.loads(out.getvalue())
    assert found["uint8"]["fp32"]["agreement"]["top1"] == 1
    assert found["uint8"]["agreement"]["snr_db"] > found["float32"]["agreement"]["snr_db"] - 0.5


@pytest.mark.parametrize(("target", "precision"), EVERY)
def test_top_k_are_the_highest_probabilities(everywhere, target, precision):
    session = open_session(of(everywhere, target, precision)["artifact"])
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 128, 128), dtype=np.uint8)
    results = session.run({"image": pixels})
    scores, best = results["probabilities"][0], results["top_classes"][0].astype(int)
    assert scores.sum() == pytest.approx(1, abs=2e-2 if target in ("coreml", "coreai") else 1e-5)
    np.testing.assert_array_equal(scores[best], np.sort(scores)[::-1][:3])
    np.testing.assert_allclose(results["top_scores"][0], scores[best], rtol=1e-3)
    np.testing.assert_array_equal(session.run({"image": pixels.astype(np.float32)})["probabilities"][0], scores)


@pytest.mark.parametrize("target", TARGETS)
def test_validate_again(edgeport, everywhere, target):
    result = everywhere[target]
    done = edgeport("validate", result["artifact"], "--json", *SAMPLES)
    assert done.code == 0, done.err
    assert json.loads(done.out)["agreement"] == result["agreement"]


@pytest.mark.parametrize("target", ["tflite", "openvino", "onnx"])
def test_validate_in_a_process_of_its_own(edgeport, everywhere, target):
    """As a device runs it: bytes go in, probabilities come out, and they are the same ones."""
    result = everywhere[target]
    done = edgeport("validate", result["artifact"], "--device", "local", "--json", *SAMPLES)
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["against_here"]["bit_exact"]
    assert said["agreement"] == pytest.approx(result["agreement"], nan_ok=True)


def test_benchmark(edgeport, everywhere):
    paths = [everywhere[target]["artifact"] for target in ("tflite", "openvino", "onnx")]
    done = edgeport("benchmark", *paths, "--num-runs", 2, "--json")
    assert done.code == 0, done.err
    assert [each["artifact"] for each in json.loads(done.out)["results"]] == paths


@pytest.mark.parametrize("target", ["tflite", pytest.param("openvino", marks=pytest.mark.exhaustive)])
def test_debug(edgeport, everywhere, target):
    """The layers of what was folded into the first convolution are found, and are as good as others."""
    done = edgeport("debug", everywhere[target]["artifact"], "--num-validation-samples", "1", "--json")
    assert done.code == 0, done.err
    first = next(layer for layer in json.loads(done.out)["layers"] if layer["kind"] == "Conv" and layer["module"])
    assert first["precision"] == "int8"
    assert first["alone"]["snr_db"] > 25


def test_int8_reads_bytes_at_no_cost(everywhere):
    """One QUANTIZE that flips a bit, and copies: nothing is computed in float in front of the first convolution."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    alone = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_path=everywhere["tflite"]["artifact"], experimental_op_resolver_type=alone)
    names = [each["op_name"] for each in interpreter._get_ops_details()]
    assert names[: names.index("CONV_2D")] == ["QUANTIZE", "CONCATENATION", "CONCATENATION"]
    (image,) = interpreter.get_input_details()
    assert (image["dtype"], tuple(image["shape"]), image["quantization"]) == (np.uint8, (1, 128, 128, 3), (1.0, 0))


def test_no_convolution_first(edgeport, given):
    """Where no convolution reads the image, a float normalisation stands in front."""
    (given / "head_first.py").write_text(HEAD_FIRST)
    arguments = ("--input-shape", "3,16,16", "--input", "uint8", "--no-benchmark", "--json", "--weights", "random")
    arguments += ("--mean", "0.5", "--std", "0.25")
    for precision in ("fp32", "int8"):
        done = edgeport("export", given / "head_first.py:net", "--precision", precision, *arguments)
        assert done.code == 0, done.err
        assert json.loads(done.out)["agreement"]["snr_db"] > (80 if precision == "fp32" else 20)


HEAD_FIRST = """
from torch import nn


def net():
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(48, 6))
"""

REFUSED = {
    "layout": (
        "mobilevit_test --input uint8 --input-layout nchw",
        "--input uint8 takes the image as it lies in memory",
    ),
    "channels": (
        "{given}/picture.py:four --input-shape 4,8,8 --input uint8",
        "--input uint8: an image has 1 or 3 channels",
    ),
    "top-k": ("lenet5 --top-k 11", "--top-k 11: lenet5 has 10 classes"),
    "head": (
        "{given}/picture.py:net --input-shape 3,8,8 --softmax",
        "--softmax is for one output of shape (1, classes)",
    ),
    "twice": ("{given}/probable.py:net --input-shape 3,8,8 --softmax", "gives probabilities already"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(edgeport, given, what):
    nets = "def net():\n    return nn.Conv2d(3, 4, 3)\n\n\ndef four():\n    return nn.Conv2d(4, 4, 3)\n"
    (given / "picture.py").write_text(f"from torch import nn\n\n\n{nets}")
    (given / "probable.py").write_text(
        "from torch import nn\n\n\ndef net():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.Softmax(-1))\n"
    )
    arguments, words = REFUSED[what]
    done = edgeport("export", *arguments.format(given=given).split(), "--no-benchmark", "--no-validate")
    assert (done.code, done.out) == (2, ""), done.err
    assert words in done.err.splitlines()[-1]
