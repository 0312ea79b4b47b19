"""The verb `debug`: it has to find the layer that was made bad, in the file that ships."""

import contextlib
import io
import json
import shutil
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from edgeport.cli.main import main
from PIL import Image

MODEL = """
import torch
from torch import nn


def spoiled():
    torch.manual_seed(0)
    convs = [nn.Conv2d(channels, 16, 3, padding=1) for channels in (3, 16, 16, 16)]
    with torch.no_grad():
        convs[1].weight[7] = 0.5 / 127  # half a step of the channel's largest weight
        convs[1].weight[7, 0, 0, 0] = 1
        convs[2].weight[5] *= 1000
        convs[2].bias[5] *= 1000
        convs[3].weight[:, 5] /= 1000
    body = [layer for conv in convs for layer in (conv, nn.ReLU())]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
"""
GOOD, WORN, BAD, AFTER, HEAD = "0", "2", "4", "6", "10"  # the modules that are layers
ENDINGS = {"tflite": ".tflite", "onnx": ".onnx", "openvino": "_openvino_model", "coreml": ".mlpackage"}
RANKS_FIRST = {"tflite": BAD, "onnx": BAD, "coreml": BAD, "openvino": AFTER}  # OpenVINO rounds where a layer reads
FEW = ("--num-validation-samples", "6")


@dataclass(frozen=True)
class Spoiled:
    """An artifact of the model above, and what `debug --json` says of it; its layers by module, too."""

    target: str
    model: str
    artifact: Path
    said: dict
    layers: dict[str, dict]


@pytest.fixture(scope="module", params=ENDINGS)
def spoiled(request, tmp_path_factory) -> Spoiled:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "own.py").write_text(MODEL)
    model = f"{folder / 'own.py'}:spoiled"
    options = ("--int8", "--no-benchmark", "--no-validate", "--effort", "fast", "--num-calibration-samples", "12")
    given = ("--input-shape", "3,24,24", "--target", request.param, "--output-dir", str(folder), "--quiet")
    assert main(["export", model, *options, *given]) == 0
    artifact = folder / "own_spoiled" / f"own_spoiled_int8{ENDINGS[request.param]}"
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["debug", str(artifact), "--reference", model, "--json", "--quiet", *FEW]) == 0
    said = json.loads(out.getvalue())
    return Spoiled(request.param, model, artifact, said, {layer["module"]: layer for layer in said["layers"]})


def test_the_bad_layer_comes_first(spoiled):
    bad = spoiled.layers[RANKS_FIRST[spoiled.target]]
    assert spoiled.said["worst_first"][0] == bad["name"]
    assert bad["alone"]["typical_channel_db"] < 10 < bad["alone"]["snr_db"] + 5
    for module in (GOOD, HEAD):
        assert spoiled.layers[module]["alone"]["snr_db"] > 38
        assert spoiled.layers[module]["alone"]["cosine"] > 0.9999


def test_accumulated_at_the_output_is_what_validate_says(spoiled, edgeport):
    done = edgeport("validate", spoiled.artifact, "--reference", spoiled.model, "--json", *FEW)
    agreement = json.loads(done.out)["agreement"]
    assert spoiled.layers[HEAD]["accumulated"]["snr_db"] == pytest.approx(agreement["snr_db"], abs=0.02)
    assert spoiled.layers[HEAD]["accumulated"]["cosine"] == pytest.approx(agreement["cosine"], abs=1e-5)


def test_the_worst_channel_of_a_weight(spoiled):
    worn = spoiled.layers[WORN]
    assert worn["weight_channel"] == 7
    assert worn["weight_snr_db"] < 30 < spoiled.layers[GOOD]["weight_snr_db"]


def test_ranges(spoiled):
    bad = spoiled.layers[BAD]
    assert 0.5 < bad["range_use"] <= 1
    assert 0 <= bad["clipped"] < 0.01


def test_every_layer_says_where_it_runs(spoiled):
    said = spoiled.said
    assert [layer["position"] for layer in said["layers"]] == list(range(len(said["layers"])))
    assert sorted(said["worst_first"]) == sorted(layer["name"] for layer in said["layers"])
    for layer in said["layers"]:
        assert layer["accumulated"] is not None
        assert (layer["precision"] == "int8") == (layer["alone"] is not None) == (layer["why"] == "")
    floats = {layer["kind"] for layer in said["layers"] if layer["precision"] == "float"}
    assert floats == (set() if spoiled.target == "tflite" else {"ReduceMean"})


def test_files(spoiled):
    said = spoiled.said
    beside = spoiled.artifact.with_name(f"{spoiled.artifact.name}.debug")
    assert said["files"] == [str(beside / name) for name in ("layers.json", "layers.png", "layers.html")]
    assert json.loads((beside / "layers.json").read_bytes())["layers"] == said["layers"]
    with Image.open(beside / "layers.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape == (1400, 2800, 3)
    assert (pixels == (0xD9, 0x62, 0x2B)).all(-1).any()  # the worst are marked
    page = (beside / "layers.html").read_text()
    reader = Reader()
    reader.feed(page)
    assert not reader.fetched  # self-contained
    assert reader.rows == len(said["layers"]) + 1


class Reader(HTMLParser):
    """Counts rows, and finds whatever a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.rows, self.fetched = 0, []

    def handle_starttag(self, tag, attrs):
        self.rows += tag == "tr"
        self.fetched += [value for key, value in attrs if key in ("src", "href")] + [tag] * (tag == "link")


def test_the_table_for_people(spoiled, edgeport, tmp_path):
    done = edgeport("debug", spoiled.artifact, "--reference", spoiled.model, "--output-dir", tmp_path / "out", *FEW)
    first = done.out.splitlines()[1].split()
    assert first[0] == RANKS_FIRST[spoiled.target]
    assert (tmp_path / "out" / "layers.png").exists()


def test_of_many_layers_the_worst_are_shown(edgeport, tmp_path):
    options = ("--int8", "--no-benchmark", "--no-validate", "--effort", "fast", "--num-calibration-samples", "4")
    assert edgeport("export", "mobilevit_test", *options, "--output-dir", tmp_path).code == 0
    artifact = tmp_path / "mobilevit_test" / "mobilevit_test_int8.tflite"
    shown = edgeport("debug", artifact, "--num-validation-samples", "2").out
    value = json.loads((artifact.with_name(f"{artifact.name}.debug") / "layers.json").read_bytes())
    assert shown.count("\n") == 1 + 20 + 1 + 1 + 3
    assert f"and {len(value['layers']) - 20} better ones" in shown
    # attention lies in memory as its kernels want it; read in a wrong order, it would be like noise
    assert all(layer["accumulated"]["snr_db"] > 12 for layer in value["layers"])
    assert {layer["why"] for layer in value["layers"] if layer["kind"] == "Softmax"} != {""}
    assert {layer["seen_through"] for layer in value["layers"]} >= {"", "Silu"}


def test_float_artifact(edgeport, exported):
    done = edgeport("debug", exported["fp32"], "--json", *FEW)
    layers = json.loads(done.out)["layers"]
    assert done.code == 0
    assert all(layer["accumulated"]["snr_db"] > 90 for layer in layers)
    assert {layer["alone"] for layer in layers} == {None}


def test_an_artifact_that_takes_pixels(edgeport, tmp_path):
    options = ("--int8", "--image-input", "--effort", "fast", "--num-calibration-samples", "4", *FEW)
    assert edgeport("export", "lenet5", "--target", "coreml", *options, "--output-dir", tmp_path).code == 0
    artifact = tmp_path / "lenet5" / "lenet5_int8.mlpackage"
    output = json.loads(edgeport("debug", artifact, "--json", *FEW).out)["layers"][-1]
    agreement = json.loads(edgeport("validate", artifact, "--json", *FEW).out)["agreement"]
    assert output["accumulated"]["snr_db"] == pytest.approx(agreement["snr_db"], abs=0.02)


def test_refuses(edgeport, exported, spoiled, given, tmp_path):
    def copied(name: str, manifest: bool = True) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for end in ("", ".json") if manifest else ("",):
            shutil.copy(f"{exported['int8']}{end}", folder)
        return folder / exported["int8"].name

    corrupt, changed = copied("corrupt"), copied("changed")
    corrupt.write_bytes(corrupt.read_bytes()[:-100])
    manifest = Path(f"{changed}.json")
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": 1'))
    cases = {
        (copied("alone", manifest=False),): "has no manifest beside it",
        (corrupt,): "but its manifest says",
        (changed,): "was not made from these weights",
        (exported["int8"], "--weights", given / "lenet1.pth"): "lenet",
        (spoiled.artifact,): "was made by your code; to run it, give --reference",
        (given / "lenet5.pth",): "cannot be looked into",
        (tmp_path / "none.tflite",): "no such file",
    }
    for arguments, sentence in cases.items():
        done = edgeport("debug", *arguments, *FEW)
        assert done.code == 2, arguments
        assert sentence in done.err.splitlines()[-1], arguments
        assert not done.out
