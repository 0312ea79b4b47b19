"""Models that come quantised: their own parameters in the artifact of every target, and their own results."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
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
        assert json.loads(Path(result["artifact"] + ".json").read_text())["quantized_by"] == "model"
        assert "by the model that was exported" in edgeport("info", result["artifact"]).out
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


SLICES = {  # where a constant with a scale for each slice stands: shapes of x, c and y, the slices' axis, the operator
    "linear of tokens": ((1, 5, 4), (4, 6), (1, 5, 6), 1, "MatMul(x, c)"),
    "linear of a batch of tokens": ((2, 5, 4), (4, 6), (2, 5, 6), 1, "MatMul(x, c)"),
    "linear by rows": ((1, 5, 4), (4, 6), (1, 5, 6), 0, "MatMul(x, c)"),
    "linear from the left": ((1, 5, 4), (6, 5), (1, 6, 4), 0, "MatMul(c, x)"),
    "one matrix": ((1, 5, 4), (1, 4, 6), (1, 5, 6), 2, "MatMul(x, c)"),
    "matrices": ((3, 5, 4), (3, 4, 6), (3, 5, 6), 2, "MatMul(x, c)"),
    "matrices by matrix": ((3, 5, 4), (3, 4, 6), (3, 5, 6), 0, "MatMul(x, c)"),
    "more matrices than inputs": ((5, 4), (2, 4, 6), (2, 5, 6), 2, "MatMul(x, c)"),
    "operand of Add": ((1, 5, 4), (1, 5, 4), (1, 5, 4), 2, "Add(x, c)"),
    "operand of Mul": ((1, 5, 4), (5, 4), (1, 5, 4), 0, "Mul(c, x)"),
    "operand of Concat": ((1, 5, 4), (1, 2, 4), (1, 7, 4), 1, "Concat<axis=1>(x, c)"),
}


@pytest.mark.parametrize("where", SLICES)
def test_constants_with_a_scale_for_each_slice(edgeport, tmp_path, where):
    *shapes, axis, operator = SLICES[where]
    (slices,) = shapes[1][axis : axis + 1]
    dims = [",".join(map(str, shape)) for shape in shapes]
    rng = np.random.default_rng(0)
    scales = ", ".join(f"{value:.4f}" for value in rng.uniform(0.004, 0.02, slices))
    integers = ", ".join(map(str, rng.integers(-127, 127, int(np.prod(shapes[1])))))
    text = f"""<ir_version: 8, opset_import: ["" : 17]>
    net (float[{dims[0]}] image) => (float[{dims[2]}] y)
    <float s = {{0.03}}, uint8 z = {{120}}, float sy = {{0.1}}, uint8 zy = {{128}}, int8[{dims[1]}] q = {{{integers}}},
     float[{slices}] sc = {{{scales}}}, int8[{slices}] zc = {{{", ".join("0" * slices)}}}>
    {{ xq = QuantizeLinear(image, s, z)
       x = DequantizeLinear(xq, s, z)
       c = DequantizeLinear<axis={axis}>(q, sc, zc)
       m = {operator}
       mq = QuantizeLinear(m, sy, zy)
       y = DequantizeLinear(mq, sy, zy) }}"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "net.onnx")
    done = edgeport("export", tmp_path / "net.onnx", "--target", "all", *OPTIONS)
    assert done.code == 0, done.err
    for result in json.loads(done.out):
        assert (result["precision"], result["verdict"]) == ("int8", "ok"), result["target"]
        assert result["agreement"]["snr_db"] > (30 if result["target"] == "coreml" else LEAST_DB)
