"""Sessions of every kind of artifact: names and layouts outside, feeds and files that are refused."""

import hashlib
import json
import sys

import numpy as np
import pytest
import torch
from edgeport.artifacts.errors import ArtifactError, FeedError, RuntimeUnavailable
from edgeport.runtime.session import Session, TensorSpec
from edgeport.runtime.sessions.onnx import OPTIMISATION, OnnxSession
from edgeport.runtime.sessions.tflite import TFLiteSession
from edgeport.runtime.sessions.torch import TorchSession
from edgeport.targets.registry import open_session

OFFSETS = np.array([1, 2, 3], np.float32).reshape(1, 3, 1, 1)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("nhwc.tflite", ("image", "shifted")),
        ("nchw.tflite", ("image", "shifted")),
        ("foreign.tflite", ("in", "out")),
    ],
)
def test_tflite_is_nchw_outside(artifacts, name, names):
    session = open_session(artifacts[name])
    assert isinstance(session, Session)
    assert session.inputs == (TensorSpec(names[0], (1, 3, 4, 5), "float32"),)
    image = np.random.default_rng(0).standard_normal((1, 3, 4, 5), np.float32)
    output = session.run({names[0]: image})[names[1]]
    np.testing.assert_array_equal(output, image + OFFSETS)
    assert session.load_ms > 0


def test_tflite_quantised_ends(artifacts):
    session = open_session(artifacts["int8.tflite"])  # scale 0.5, zero point -3: -62.5 ... 65
    x = np.array([[0.0, 0.24, 0.26, -1.0, 100.0, -100.0]], np.float32)
    np.testing.assert_array_equal(session.run({"x": x})["y"], [[0, 0, 0.5, -1, 65, -62.5]])


@pytest.mark.parametrize(("name", "partitions", "left"), [("dense.tflite", 1, []), ("half.tflite", 2, ["FLOOR_MOD"])])
def test_delegate_partitions(artifacts, name, partitions, left):
    assert TFLiteSession(artifacts[name]).delegate_partitions() == partitions
    assert TFLiteSession(artifacts[name]).undelegated() == left


@pytest.mark.parametrize("optimisation", OPTIMISATION)
def test_onnx_and_torch_agree(artifacts, optimisation):
    onnx_session = OnnxSession(artifacts["linear.onnx"], optimisation=optimisation, threads=2)
    module = torch.nn.Linear(4, 10)
    reference = TorchSession(module, onnx_session.inputs, ["logits"])
    assert reference.outputs == onnx_session.outputs == (TensorSpec("logits", (1, 10), "float32"),)
    assert onnx_session.threads == 2
    zero = onnx_session.run({"x": np.zeros((1, 4), np.float32)})["logits"]
    with torch.no_grad():
        module.bias.copy_(torch.from_numpy(zero[0]))
        for row in range(4):
            unit = np.eye(4, dtype=np.float32)[row : row + 1]
            module.weight[:, row] = torch.from_numpy((onnx_session.run({"x": unit})["logits"] - zero)[0])
    x = np.random.default_rng(1).standard_normal((1, 4), np.float32)
    np.testing.assert_allclose(reference.run({"x": x})["logits"], onnx_session.run({"x": x})["logits"], rtol=1e-5)


def test_nothing_reaches_stderr(artifacts, capfd):
    open_session(artifacts["nhwc.tflite"]).close()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ({}, "inputs are"),
        ({"pixels": np.zeros((1, 4))}, "inputs are"),
        ({"x": np.zeros((1, 5))}, "shape"),
        ({"x": np.zeros(4)}, "shape"),
    ],
)
def test_feeds_that_do_not_fit(artifacts, feeds, words):
    with pytest.raises(FeedError, match=words):
        open_session(artifacts["linear.onnx"]).run(feeds)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tflite", None, "no such file"),
        ("a.tflite", b"", "is empty"),
        ("a.tflite", b"TFL3" * 100, "not a whole TFLite model"),
        ("a.tflite", b"\x08\0\0\0TFL3" + b"\xff" * 100, "not a whole TFLite model"),
        ("a.onnx", b"no protobuf", "ONNX Runtime cannot load it"),
        ("a.pb", b"x", "no runtime for the suffix '.pb'"),
        ("a", b"x", "no runtime for the suffix"),
    ],
)
def test_files_that_are_no_artifacts(tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match=words) as caught:
        open_session(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_folder_is_no_artifact(tmp_path):
    folder = tmp_path / "a.onnx"
    folder.mkdir()
    with pytest.raises(ArtifactError, match="is not a file"):
        open_session(folder)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data, None),
        (lambda data: data[:-4], "bytes, but its manifest says"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "sha256"),
    ],
    ids=["intact", "shorter", "one bit"],
)
def test_the_manifest_beside_it_is_believed(artifacts, tmp_path, damage, words):
    data = artifacts["linear.onnx"].read_bytes()
    path = tmp_path / "a.onnx"
    path.write_bytes(damage(data))
    recorded = {"file": "a.onnx", "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (tmp_path / "a.onnx.json").write_text(json.dumps({"artifact": recorded}))
    if words is None:
        open_session(path)
    else:
        with pytest.raises(ArtifactError, match=words):
            open_session(path)


@pytest.mark.parametrize(
    ("name", "missing", "words"),
    [("nhwc.tflite", "ai_edge_litert", r"edgeport\[tflite\]"), ("linear.onnx", "onnxruntime", "onnxruntime")],
)
def test_a_missing_backend_names_its_extra(artifacts, monkeypatch, name, missing, words):
    for module in [m for m in sys.modules if m.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(RuntimeUnavailable, match=words):
        open_session(artifacts[name])
