"""Packages that are damaged, or no ML programs: one sentence each, and never another exception."""

import json
import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from edgeport.artifacts.errors import ArtifactError
from edgeport.runtime.mil.blob import SENTINEL
from edgeport.targets.registry import open_session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mil_packages import ct, mb, save

X = np.ones((1, 40), np.float32)
MODEL = "Data/com.apple.CoreML/model.mlmodel"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"


def two_layers(a):
    hidden = mb.relu(x=mb.linear(x=a, weight=np.ones((30, 40), np.float32), bias=np.ones(30, np.float32)))
    return mb.softmax(x=mb.linear(x=hidden, weight=np.ones((4, 30), np.float32), bias=np.zeros(4, np.float32)), axis=-1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return save(tmp_path_factory.mktemp("whole") / "a.mlpackage", two_layers, [X])


def replace(file: str, old: bytes, new: bytes):
    """Damage by replacing bytes; both of one length, so that the message stays whole."""

    def damage(package: Path) -> None:
        data = (package / file).read_bytes()
        assert len(old) == len(new)
        assert old in data
        (package / file).write_bytes(data.replace(old, new))

    return damage


def cut(file: str, size: int):
    return lambda package: (package / file).write_bytes((package / file).read_bytes()[:size])


def write(file: str, data: bytes):
    return lambda package: (package / file).write_bytes(data)


def metadata(field: int, value: int):
    """Damage of the first weight's metadata: uint32 sentinel, uint32 type, uint64 size, uint64 offset."""

    def damage(package: Path) -> None:
        data = bytearray((package / WEIGHTS).read_bytes())
        fields = list(struct.unpack_from("<IIQQ", data, 64))
        assert fields[0] == SENTINEL
        fields[field] = value
        struct.pack_into("<IIQQ", data, 64, *fields)
        (package / WEIGHTS).write_bytes(data)

    return damage


def second_offset(added: int):
    """Damage of the place that the program names for its second weight, a number of two bytes."""

    def damage(package: Path) -> None:
        data = (package / MODEL).read_bytes()
        at = [m.end() for m in re.finditer(rb"weights/weight.bin\x10", data)][1]
        assert data[at] >= 128 > data[at + 1]
        offset = data[at] - 128 + 128 * data[at + 1] + added
        (package / MODEL).write_bytes(data[:at] + bytes([offset % 128 + 128, offset // 128]) + data[at + 2 :])

    return damage


def leads_out(package: Path) -> None:
    manifest = json.loads((package / "Manifest.json").read_text())
    manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"] = "../../elsewhere/model.mlmodel"
    (package / "Manifest.json").write_text(json.dumps(manifest))


def empty(package: Path) -> None:
    shutil.rmtree(package)
    package.mkdir()


def is_a_file(package: Path) -> None:
    shutil.rmtree(package)
    package.write_bytes(b"x")


def neural_network(package: Path) -> None:
    builder = ct.models.neural_network.NeuralNetworkBuilder(
        [("a", ct.models.datatypes.Array(3))], [("y", ct.models.datatypes.Array(3))]
    )
    builder.add_activation("relu", "RELU", "a", "y")
    (package / MODEL).write_bytes(builder.spec.SerializeToString())


def onnx_file(package: Path) -> None:
    import onnx

    text = '<ir_version: 10, opset_import: ["" : 20]> g (float[1] x) => (float[1] y) { y = Relu(x) }'
    (package / MODEL).write_bytes(onnx.parser.parse_model(text).SerializeToString())


DAMAGE = {
    "weights cut": (cut(WEIGHTS, 3000), "truncated or damaged"),
    "weights cut before the last": (cut(WEIGHTS, 5200), "outside of the file|truncated"),
    "weights of a few bytes": (cut(WEIGHTS, 10), "too few for the header"),
    "weights gone": (lambda package: (package / WEIGHTS).unlink(), "it is missing"),
    "weights of another format": (write(WEIGHTS, bytes(9000)), "no weight file of version 2"),
    "offset between weights": (second_offset(64), "no metadata there"),
    "offset unaligned": (second_offset(1), "outside of the file or not at a multiple of 64"),
    "offset far out": (second_offset(8192), "outside of the file"),
    "data's offset": (metadata(3, 64), "has its data at 64, not behind its metadata"),
    "data's offset far out": (metadata(3, 1 << 40), "not behind its metadata"),
    "no sentinel": (metadata(0, 1), "no metadata there"),
    "other type": (metadata(1, 1), "is float16, but the program says float32"),
    "unknown type": (metadata(1, 99), "is of type 99, but the program says float32"),
    "other size": (metadata(2, 100), "has 100 bytes, but the program says 1200 elements"),
    "no manifest": (lambda package: (package / "Manifest.json").unlink(), "is empty|has no Manifest.json"),
    "broken manifest": (cut("Manifest.json", 40), "does not name the package's model"),
    "another manifest": (write("Manifest.json", b"[1, 2]"), "does not name the package's model"),
    "manifest leads out": (leads_out, "leads out of the package"),
    "no model": (lambda package: (package / MODEL).unlink(), "which is missing"),
    "empty model": (write(MODEL, b""), "is no Core ML model"),
    "model cut": (cut(MODEL, 700), "not a whole Core ML model"),
    "text": (write(MODEL, b"hello, this is no protobuf"), "not a whole Core ML model|is no Core ML model"),
    "an ONNX file": (onnx_file, "Core ML model"),
    "a neural network": (neural_network, "is a Core ML neuralNetwork; only an ML program can be run"),
    "empty folder": (empty, "is empty|has no Manifest.json"),
    "a file": (is_a_file, "is not a folder"),
    "gone": (shutil.rmtree, "no such folder"),
    "unknown operator": (
        replace(MODEL, b"softmax", b"hardmax"),
        r"hardmax \(at '.*'\) is an operator that this runner",
    ),
    "unknown parameter": (replace(MODEL, b"\x04axis", b"\x04axes"), "has a parameter 'axes'"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_one_sentence(whole, tmp_path, name):
    damage, words = DAMAGE[name]
    package = tmp_path / "a.mlpackage"
    shutil.copytree(whole, package)
    damage(package)
    with pytest.raises(ArtifactError, match=words) as caught:
        open_session(package)
    assert "\n" not in str(caught.value)
    assert str(package) in str(caught.value)


def test_the_package_is_whole(whole):
    np.testing.assert_array_equal(open_session(whole).run({"a": X})["y0"], [[0.25] * 4])


@pytest.mark.parametrize("file", [MODEL, WEIGHTS, "Manifest.json"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_an_artifact_error(whole, tmp_path, file, data):
    """Bytes changed or cut anywhere: it runs, or it says why not."""
    package = tmp_path / "a.mlpackage"
    if not package.exists():
        shutil.copytree(whole, package)
    content = bytearray((whole / file).read_bytes())
    end = len(content) if file != WEIGHTS else 192  # most of the weights' bytes are numbers
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    size = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    (package / file).write_bytes(content[:size])
    try:
        session = open_session(package)
        session.run({spec.name: np.ones([d or 1 for d in spec.shape], np.float32) for spec in session.inputs})
    except ArtifactError as e:
        message = str(e)
    else:
        message = str(package)
    finally:
        shutil.copyfile(whole / file, package / file)
    assert str(package) in message
    assert "\n" not in message
