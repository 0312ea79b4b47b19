"""Every form of a model, through the command to every target: what agrees, and what is refused in one sentence."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import ways_in
from edgeport.artifacts.manifest import Manifest

FEW = ("--num-validation-samples", "4", "--no-benchmark", "--json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ways_in")
    ways_in.write(folder)
    return folder


# what the model is and what goes with it -> (its inputs, the names of its outputs)
IMAGE = {"image": [1, 3, 12, 10]}
SIZE = "--input-shape 3,12,10"
TAKEN = {
    f"net.py:only {SIZE}": (IMAGE, ["logits"]),
    f"net.py:module {SIZE}": (IMAGE, ["logits"]),
    "net.py:only --input-shape x=1x3x12x10": ({"x": [1, 3, 12, 10]}, ["logits"]),
    f"net:only {SIZE}": (IMAGE, ["logits"]),
    f"pack.inner:Box.build {SIZE}": (IMAGE, ["logits"]),
    f"net.py:as_dict {SIZE}": (IMAGE, ["map", "heads_class", "heads_twice_0", "heads_twice_1"]),
    f"net.py:as_tuple {SIZE}": (IMAGE, ["output_0", "output_1_0"]),
    f"net.py:as_named_tuple {SIZE}": (IMAGE, ["map", "score"]),
    f"net.py:as_dataclass {SIZE}": (IMAGE, ["logits", "features_0", "features_1"]),
    f"net.py:as_model_output {SIZE}": (IMAGE, ["logits", "image_2"]),
    "net.py:two --input-shape vector=1x6 --input-shape image=1x3x8x8": (
        {"image": [1, 3, 8, 8], "vector": [1, 6]},
        ["logits"],
    ),
    "net.py:lines --input-shape input=1x7x6": ({"input": [1, 7, 6]}, ["logits"]),
    "dynamic.pt2 --input-shape 1x3x16x10": (
        {"x": [1, 3, 16, 10]},
        ["map", "heads_class", "heads_twice_0", "heads_twice_1"],
    ),
    "dynamic.pt2 --input-shape x=2x3x9x10": (
        {"x": [2, 3, 9, 10]},
        ["map", "heads_class", "heads_twice_0", "heads_twice_1"],
    ),
    "two.pt2": ({"image": [1, 3, 12, 10], "vector": [1, 6]}, ["logits"]),
    "plain.onnx": ({"x": [1, 3, 12, 10]}, ["y"]),
    "plain.onnx --input-shape 2x3x12x10": ({"x": [2, 3, 12, 10]}, ["y"]),
    "half.onnx": ({"x": [1, 3, 12, 10]}, ["y"]),
    "brain.onnx": ({"x": [1, 3, 12, 10]}, ["y"]),
    "double.onnx": ({"x": [1, 3, 12, 10]}, ["y"]),
    "listed.onnx": ({"x": [1, 3, 12, 10]}, ["y"]),
    "pixels.onnx": ({"p": [1, 3, 12, 10]}, ["y"]),
    "functions.onnx": ({"x": [1, 3, 12, 10]}, ["y"]),
    "several.onnx --input-shape image=1x3x6x10": ({"image": [1, 3, 6, 10], "vector": [1, 5]}, ["map", "score"]),
    "weights_only.onnx": ({"x": [1, 3, 12, 10]}, ["y"]),
    "external.onnx": ({"x": [1, 3, 12, 10]}, ["y"]),
}
EVERYWHERE = {  # the others differ in what is in front of the graph: one target shows it
    f"net.py:as_dataclass {SIZE}",
    "net.py:two --input-shape vector=1x6 --input-shape image=1x3x8x8",
    "net.py:lines --input-shape input=1x7x6",
    "two.pt2",
    "pixels.onnx",
    "several.onnx --input-shape image=1x3x6x10",
    "half.onnx",
}


@pytest.mark.parametrize("what", TAKEN)
def test_taken(edgeport, folder, monkeypatch, tmp_path, what):
    inputs, outputs = TAKEN[what]
    targets = ("tflite", "onnx", "openvino", "coreml") if what in EVERYWHERE else ("tflite",)
    target = "all" if len(targets) > 1 else "tflite"
    monkeypatch.chdir(folder)
    done = edgeport("export", *what.split(), *FEW, "--target", target, "--output-dir", tmp_path)
    assert done.code == 0, done.err
    results = json.loads(done.out) if target == "all" else [json.loads(done.out)]
    assert {result["target"] for result in results} == set(targets)
    for result in results:
        manifest = Manifest.read(Path(result["manifest"]))
        assert result["verdict"] == "ok"
        assert [list(each.shape) for each in manifest.inputs] == list(inputs.values())
        if result["target"] != "coreml":  # which allows other names only
            assert [each.name for each in manifest.inputs] == list(inputs)
            assert [each.name for each in manifest.outputs] == outputs
        assert manifest.inputs[0].mean is None  # nobody says how an image becomes the input of such a model


# what the model is and what goes with it -> (exit code, what the sentence says)
REFUSED = {
    "net.py:only": (2, "give --input-shape C,H,W, or --input-shape NAME=1xCxHxW for each input"),
    "net.py:number --input-shape 3,12,10": (2, "has no function 'number'; it has: "),
    "net.py:deep --input-shape 3,12,10": (2, "net.py:deep: fails at line 89: KeyError: 'weights'"),
    "net.py:leaves --input-shape 3,12,10": (2, "ends the program at line"),
    "net.py:scripted --input-shape 3,12,10": (2, "is a TorchScript module"),
    "net.py:with_number --input-shape 3,12,10": (2, "output 'count' is a int, not a tensor"),
    "net.py:two --input-shape 3,8,8": (2, "does not run on an input of 3x8x8: "),
    "net.py:two --input-shape vector=1x6": (2, "its forward takes image, vector, and 'vector' needs those before it"),
    "net.py:two --input-shape image=1x3x8x8 --input-shape mask=1x6": (2, "takes image, vector, not 'mask'"),
    "net.py:two --input-shape image=1x3x8x8 --input-shape scale=1x6": (2, "takes 'scale' by keyword only"),
    "net.py:two --input-shape 3,8,8 --input-shape vector=1x6": (2, "of several inputs each needs its name"),
    "net.py:only --input-shape 3,8,8 --input-shape 3,9,9": (2, "each input has one shape"),
    "nowhere.at.all:only --input-shape 3,8,8": (2, "there is no Python module 'nowhere.at.all' here"),
    "dynamic.pt2": (2, "input 'x' has the open shape ?x3x?x10; give --input-shape x=1x3xNx10"),
    "dynamic.pt2 --input-shape 1x4x16x10": (2, "input 'x' has the shape ?x3x?x10, so it cannot be 1x4x16x10"),
    "two.pt2 --input-shape 1x4x16x10": (2, "of several inputs each needs its name, 'image' 1x3x12x10, 'vector' 1x6"),
    "two.pt2 --num-classes 3": (2, "--num-classes is for zoo models"),
    "text.pt2": (2, "is not a readable torch.export file"),
    "script.pt": (2, "is a TorchScript file"),
    "weights.pth": (2, "holds weights at most, no model"),
    "nothing.onnx": (2, "nothing.onnx: no such file"),
    "text.onnx": (2, "is not a"),
    "cut.onnx": (2, "is not a"),
    "lost.onnx": (2, "its data file 'lost.bin' is missing; it belongs beside the model"),
    "outside.onnx": (2, "lies outside the model's folder"),
    "several.onnx": (2, "input 'image' has the open shape ?x3x?x10; give --input-shape image=1x3xNx10"),
    "several.onnx --input-shape picture=1x3x6x10": (2, "there is no input 'picture'; the inputs are 'image' ?x3x?x10"),
    "several.onnx --input-shape image=1x3x999999999x10": (
        2,
        "1x3x999999999x10; artifacts hold at most 2147483647 numbers",
    ),
    "plain.onnx --input-shape 1x3x13x10": (2, "has the shape ?x3x12x10, so it cannot be 1x3x13x10"),
    "plain.onnx --weights random": (2, "--weights is for zoo models"),
    "several.onnx --input-shape image=1x3x6x10 --validation-data .": (2, "takes no image but 'image' 1x3x6x10"),
    "integer_ops.onnx": (3, "computes in integers by itself"),
    "wide.onnx": (3, "is of type INT16; quantise to 8 bits"),
    "timm:no_such_model": (2, "timm"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(edgeport, folder, monkeypatch, tmp_path, what):
    code, said = REFUSED[what]
    monkeypatch.chdir(folder)
    done = edgeport("export", *what.split(), "--output-dir", tmp_path, "--quiet")
    errors = [line for line in done.err.splitlines() if line.startswith("edgeport: ")]
    assert done.code == code, done.err
    assert len(errors) == 1
    assert done.err.endswith(errors[0] + "\n")
    assert said in errors[0]
    assert not list(tmp_path.iterdir())


def test_feeds_calibrate_and_validate(edgeport, folder, tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"image": rng.standard_normal((12, 3, 8, 8)), "vector": rng.standard_normal((12, 6))}
    np.savez(tmp_path / "feeds.npz", **{name: array.astype(np.float32) for name, array in arrays.items()})
    sizes = ("--input-shape", "image=1x3x8x8", "--input-shape", "vector=1x6")
    options = (*sizes, "--int8", "--feeds", "feeds.npz", "--json", "--num-runs", 2)
    done = edgeport("export", folder / "net.py:two", *options)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    manifest = Manifest.read(Path(result["manifest"]))
    assert manifest.calibration.count == 10
    assert manifest.calibration.warning is None
    assert result["agreement"]["samples"] == 2
    again = edgeport(
        "validate", result["artifact"], "--reference", folder / "net.py:two", *sizes, "--feeds", "feeds.npz", "--json"
    )
    assert again.code == 0, again.err
    assert json.loads(again.out)["verdict"].partition(":")[0] in ("ok", "warn")


def test_an_onnx_file_is_its_own_reference_again(edgeport, folder):
    done = edgeport("export", folder / "plain.onnx", *FEW)
    again = edgeport("validate", json.loads(done.out)["artifact"], "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["agreement"]["max_abs_over_std"] < 1e-4


def test_a_file_s_own_metadata_is_kept(edgeport, folder):
    done = edgeport("export", folder / "plain.onnx", "--target", "onnx", "--no-validate", "--no-benchmark", "--json")
    props = {entry.key: entry.value for entry in onnx.load(json.loads(done.out)["artifact"]).metadata_props}
    assert json.loads(props["edgeport"])["origin"]["author"] == "somebody"
