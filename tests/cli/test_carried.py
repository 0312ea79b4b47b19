"""Models that come quantised: their own parameters in the artifact of every target, and their own results."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import readback
import torch
from quantized_models import QAT, by_onnxruntime, parameters, ranges_of_training

OPTIONS = ("--no-benchmark", "--num-validation-samples", "6", "--json")
FILES = {  # activations, weights, options of ONNX Runtime's quantiser
    "signed": ("QInt8", "QInt8", {"per_channel": True}),
    "signed per tensor": ("QInt8", "QInt8", {}),
    "unsigned": ("QUInt8", "QInt8", {"per_channel": True}),
    "unsigned weights": ("QUInt8", "QUInt8", {}),
    "float bias": ("QUInt8", "QInt8", {"per_channel": True, "extra_options": {"QuantizeBias": False}}),
}
ASYMMETRIC = {"unsigned weights"}
LEAST_DB = 35.0  # one step of a sum that rounds the other way costs this; a wrong zero point ends below 10


def shared(wanted: set, result: dict) -> bool:
    """Whether each range of the model is one of the artifact's. Core ML computes in half precision: its scales, too."""
    ranges = np.array(list(readback.read(Path(result["artifact"])).ranges.values()))
    relative = 2**-11 if result["target"] == "coreml" else 1e-6
    return all(np.isclose(ranges, pair, rtol=relative, atol=1e-6).all(1).any() for pair in wanted)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("quantized")
    (folder / "qat.py").write_text(QAT)
    return folder


@pytest.fixture(scope="module")
def file(folder):
    made: dict[str, Path] = {}

    def make(what: str) -> Path:
        if what not in made:
            activations, weights, options = FILES[what]
            made[what] = by_onnxruntime(folder, activations, weights, **options)
        return made[what]

    return make


@pytest.mark.parametrize("what", FILES)
def test_an_onnx_file_s_own_parameters(edgeport, file, what):
    path = file(what)
    done = edgeport("export", path, "--target", "all", *OPTIONS)
    assert done.code == 0, done.err
    for result in json.loads(done.out):
        assert (result["precision"], result["verdict"]) == ("int8", "ok")
        assert result["agreement"]["snr_db"] > LEAST_DB
        said = any("run in float" in warning for warning in result["warnings"])
        assert said == (what in ASYMMETRIC)  # said of TFLite, and the warnings are of all targets
        if what in ASYMMETRIC and result["target"] == "tflite":
            continue  # its layers are float: nothing to read back but the activations around them
        assert shared(parameters(path), result), result["target"]


QAT_MODELS = {"full": LEAST_DB, "narrow": LEAST_DB, "per_tensor": LEAST_DB}


@pytest.mark.parametrize("name", QAT_MODELS)
def test_a_trained_network_s_own_parameters(edgeport, folder, monkeypatch, name):
    model = f"{folder}/qat.py:{name}"
    done = edgeport("export", model, "--input-shape", "3,16,14", "--target", "all", *OPTIONS)
    assert done.code == 0, done.err
    monkeypatch.syspath_prepend(folder)
    import qat  # type: ignore[import-not-found]

    wanted = ranges_of_training(getattr(qat, name)())
    sys.modules.pop("qat")
    for result in json.loads(done.out):
        assert (result["precision"], result["verdict"]) == ("int8", "ok")
        assert result["agreement"]["snr_db"] > QAT_MODELS[name]
        assert shared(wanted, result), result["target"]


def test_a_saved_program_with_quantisation(edgeport, folder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    import qat  # type: ignore[import-not-found]

    program = torch.export.export(qat.operators().eval(), (torch.zeros(1, 3, 16, 14),), strict=False)
    torch.export.save(program, tmp_path / "operators.pt2")
    sys.modules.pop("qat")
    done = edgeport("export", "operators.pt2", "--target", "all", *OPTIONS)
    assert done.code == 0, done.err
    for result in json.loads(done.out):
        assert (result["precision"], result["verdict"]) == ("int8", "ok")
        assert shared({(-132 * 0.03, 123 * 0.03), (0.0, 2.55)}, result), result["target"]


REFUSED = {  # what is asked for -> (exit code, what the sentence says)
    "{file} --precision fp16": (2, "is prequantized to int8; it cannot become fp16"),
    "{file} --int8 --calibration-data feeds.npz": (2, "brings its own quantisation, so --calibration-data"),
    "{folder}/qat.py:converted --input-shape 3,16,14": (3, "was converted to PyTorch's integer kernels"),
    "{qoperator}": (3, "QLinearConv"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(edgeport, file, folder, tmp_path, what):
    code, said = REFUSED[what]
    np.savez(tmp_path / "feeds.npz", x=np.zeros((4, 3, 16, 14), np.float32))
    places = {"file": file("signed"), "folder": folder}
    if "{qoperator}" in what:
        places["qoperator"] = by_onnxruntime(folder, "QUInt8", "QInt8", form="QOperator")
    done = edgeport("export", *what.format(**places).split(), "--no-benchmark", "--quiet")
    assert done.code == code, done.err
    assert said in done.err.splitlines()[-1]
    assert done.err.count("edgeport: ") == 1
