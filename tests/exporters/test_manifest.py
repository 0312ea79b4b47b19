import dataclasses
import json

import pytest
from edgeport.artifacts.errors import ManifestError
from edgeport.artifacts.manifest import RANDOM, Artifact, Calibration, Input, Manifest, Output, Weights

MANIFEST = Manifest(
    model="lenet5",
    num_classes=None,
    weights=Weights(source=RANDOM, sha256="ab", seed=3),
    target="tflite",
    precision="int8",
    inputs=(
        Input(
            name="image",
            shape=(1, 1, 32, 32),
            layout="nhwc",
            dtype="float32",
            mean=(0.1307,),
            std=(0.3081,),
            resize=(36, 36),
            crop=(32, 32),
            crop_pct=0.875,
            interpolation="bicubic",
        ),
    ),
    outputs=(Output(name="logits", shape=(1, 10), dtype="float32", labels=("null", "één")),),
    profile="xnnpack",
    calibration=Calibration(
        source="generated",
        count=2,
        inputs=("01", "02"),
        observer="mse",
        effort="default",
        correcting=2,
        warning="no photographs",
    ),
    tools={"torch": "2", "edgeport": "1"},
    artifact=Artifact(file="lenet5_int8.tflite", size_bytes=1, sha256="cd"),
    agreement={"snr_db": 30.5, "top1": None},
    validation="generated, 4 inputs",
    delegate_partitions=1,
    verdict="ok",
)


def test_round_trip(tmp_path):
    path = tmp_path / "m.json"
    path.write_bytes(MANIFEST.to_bytes())
    assert Manifest.read(path) == MANIFEST
    assert Manifest.read(path).to_bytes() == MANIFEST.to_bytes()


def test_the_order_of_making_does_not_show():
    other = dataclasses.replace(MANIFEST, tools=dict(reversed(MANIFEST.tools.items())))
    assert other.to_bytes() == MANIFEST.to_bytes()


@pytest.mark.parametrize(
    ("name", "written"),
    [("\udcff.onnx", r"\xff.onnx"), ("\udcc3\udca9.onnx", "é.onnx"), ("\ud800é", r"\xed\xa0\x80é")],
)
def test_names_that_are_no_text(tmp_path, name, written):
    """Bytes of a file's name that are not UTF-8, or that the locale cannot read."""
    path = tmp_path / "m.json"
    path.write_bytes(dataclasses.replace(MANIFEST, model=name, options={name: name}).to_bytes())
    assert Manifest.read(path).model == written
    assert Manifest.read(path).options == {written: written}


def test_nan_is_null():
    manifest = dataclasses.replace(MANIFEST, agreement={"snr_db": float("nan"), "max_abs": float("inf")})
    assert json.loads(manifest.to_bytes())["agreement"] == {"snr_db": None, "max_abs": None}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        MANIFEST.to_bytes()[:-30],
        MANIFEST.to_bytes().replace(b'"schema": 2', b'"schema": 99'),
        MANIFEST.to_bytes().replace(b'"verdict"', b'"judgement"'),
        MANIFEST.to_bytes().replace(b'"seed"', b'"seeds"'),
    ],
)
def test_what_is_no_manifest(tmp_path, content):
    path = tmp_path / "m.json"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=r"m\.json") as caught:
        Manifest.read(path)
    assert "\n" not in str(caught.value)


def test_a_folder_as_artifact(tmp_path):
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "weights").write_bytes(b"12345")
    (folder / "model.xml").write_bytes(b"12")
    facts = Artifact.of(folder)
    assert (facts.file, facts.size_bytes) == ("model", 7)
    (folder / "inner" / "weights").rename(folder / "weights")
    assert Artifact.of(folder).sha256 != facts.sha256


def test_weights_as_text():
    assert str(MANIFEST.weights) == "RANDOM (seed 3)"
    assert str(Weights(source="w.safetensors", sha256="ab")) == "w.safetensors"
