"""The OpenVINO session: the protocol, and one sentence for every damage."""

import json
import shutil
import sys

import numpy as np
import pytest
from edgeport.artifacts.check import manifest_path
from edgeport.artifacts.errors import ArtifactError, FeedError, RuntimeUnavailable
from edgeport.artifacts.manifest import Artifact
from edgeport.exporters.openvino.convert import convert
from edgeport.runtime.session import Session, TensorSpec
from edgeport.runtime.sessions.openvino import OpenVINOSession
from edgeport.targets.registry import open_session
from graphs import canonical, feeds, run_onnx

TEXT = (
    "agraph (float[1,3,8,10] image) => (float[1,4,8,10] y, float[1,3,8,10] z) "
    "{ y = Conv (image, w, b) z = Relu (image) }"
)
CONSTANTS = {"w": (4, 3, 1, 1), "b": (4,)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("ir") / "tiny_fp32_openvino_model"
    path.mkdir()
    convert(canonical(TEXT, CONSTANTS), path, metadata={"model": "tiny"})
    return path


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / folder.name)


@pytest.mark.parametrize("name", ["", "tiny.xml"], ids=["folder", "xml"])
def test_protocol(folder, name):
    session = open_session(folder / name, threads=2)
    assert isinstance(session, Session)
    assert session.inputs == (TensorSpec("image", (1, 3, 8, 10), "float32"),)
    assert session.outputs == (TensorSpec("y", (1, 4, 8, 10), "float32"), TensorSpec("z", (1, 3, 8, 10), "float32"))
    assert session.threads == 2
    assert session.load_ms > 0
    assert session.runtime.startswith("openvino 20")
    inputs = feeds(canonical(TEXT, CONSTANTS))
    got, expected = session.run(inputs), run_onnx(canonical(TEXT, CONSTANTS), inputs)
    assert list(got) == ["y", "z"]
    for key, array in expected.items():
        np.testing.assert_allclose(got[key], array, atol=1e-5)
    again = session.run({"image": np.zeros((1, 3, 8, 10))})
    np.testing.assert_allclose(got["z"], expected["z"], atol=1e-5, err_msg="a later run changed an earlier result")
    assert not again["z"].any()
    session.close()


def test_settings_that_would_lie(folder):
    compiled = OpenVINOSession(folder, threads=1)._compiled
    assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("NUM_STREAMS") == 1
    assert compiled.get_property("DYNAMIC_QUANTIZATION_GROUP_SIZE") == 0
    assert not compiled.get_property("ENABLE_CPU_PINNING")


@pytest.mark.parametrize(
    ("fed", "words"),
    [({}, "inputs are"), ({"x": np.zeros(3)}, "inputs are"), ({"image": np.zeros((1, 3, 8, 9))}, "shape")],
)
def test_feeds_that_do_not_fit(folder, fed, words):
    with pytest.raises(FeedError, match=words):
        open_session(folder).run(fed)


def edit(name, change):
    def damage(folder):
        path = folder / name
        path.write_bytes(change(path.read_bytes()))

    return damage


def replaced(old, new):
    return edit("tiny.xml", lambda data: data.replace(old, new, 1))


DAMAGE = {
    "no bin": (lambda folder: (folder / "tiny.bin").unlink(), r"tiny\.bin: no such file"),
    "no xml": (lambda folder: (folder / "tiny.xml").unlink(), r"holds 0 \.xml files"),
    "two xml": (lambda folder: shutil.copy(folder / "tiny.xml", folder / "b.xml"), r"holds 2 \.xml files"),
    "empty folder": (lambda folder: [file.unlink() for file in folder.iterdir()], "is empty"),
    "truncated bin": (edit("tiny.bin", lambda data: data[:-1]), r"bytes, but its \.xml names"),
    "empty bin": (edit("tiny.bin", lambda data: b""), r"has 0 bytes, but its \.xml names"),
    "truncated xml": (edit("tiny.xml", lambda data: data[: len(data) // 2]), "is not a whole OpenVINO IR"),
    "empty xml": (edit("tiny.xml", lambda data: b""), "is not a whole OpenVINO IR"),
    "no xml at all": (edit("tiny.xml", lambda data: b"\0\xff" * 99), "is not a whole OpenVINO IR"),
    "other xml": (edit("tiny.xml", lambda data: b"<html/>"), "not an OpenVINO IR"),
    "no layers": (edit("tiny.xml", lambda data: b'<net version="11"><layers/></net>'), "not an OpenVINO IR"),
    "future version": (replaced(b'version="11"', b'version="99"'), "not an OpenVINO IR of version 10 or 11"),
    "unknown operation": (replaced(b'type="Convolution"', b'type="Konvolution"'), "OpenVINO refuses it .*Konvolution"),
    "unknown type": (replaced(b'element_type="f32"', b'element_type="q32"'), "OpenVINO refuses it .*q32"),
    "constant too short": (replaced(b'size="48"', b'size="47"'), "OpenVINO refuses it"),
    "constant before the file": (replaced(b'offset="0"', b'offset="-4"'), r"bytes, but its \.xml names"),
    "offset in words": (replaced(b'offset="0"', b'offset="zero"'), "is not a whole OpenVINO IR"),
    "edge to nowhere": (replaced(b'to-layer="', b'to-layer="9'), "OpenVINO refuses it"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_one_sentence(kind, copy, capfd):
    damage, words = DAMAGE[kind]
    before = {file.name: file.read_bytes() for file in copy.iterdir()}
    damage(copy)
    assert {file.name: file.read_bytes() for file in copy.iterdir()} != before
    with pytest.raises(ArtifactError, match=words) as caught:
        open_session(copy)
    assert "\n" not in str(caught.value)
    assert str(copy) in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "a_openvino_model"
    path.write_bytes(b"x")
    with pytest.raises(ArtifactError, match="is not a folder"):
        open_session(path)
    with pytest.raises(ArtifactError, match="no such folder"):
        open_session(tmp_path / "b_openvino_model")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (None, None),
        (edit("tiny.bin", lambda data: data + b"\0"), "bytes, but its manifest says"),
        (edit("tiny.bin", lambda data: data[:-1] + bytes([data[-1] ^ 1])), "sha256"),
        (lambda folder: (folder / "tiny.bin").rename(folder / "other.bin"), "sha256"),
    ],
    ids=["intact", "longer", "one bit", "renamed"],
)
def test_the_manifest_beside_it_is_believed(damage, words, copy):
    recorded = Artifact.of(copy)
    facts = {"file": recorded.file, "size_bytes": recorded.size_bytes, "sha256": recorded.sha256}
    manifest_path(copy).write_text(json.dumps({"artifact": facts}))
    if damage is None:
        open_session(copy)
        return
    damage(copy)
    with pytest.raises(ArtifactError, match=words):
        open_session(copy)


def test_a_missing_backend_names_its_extra(folder, monkeypatch):
    for module in [m for m in sys.modules if m.split(".")[0] == "openvino"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(RuntimeUnavailable, match=r"edgeport\[openvino\]"):
        open_session(folder)
