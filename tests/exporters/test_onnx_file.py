"""ONNX files: their bytes, their metadata, half precision."""

import json

import edgeport
import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from edgeport.artifacts.digest import files_of
from edgeport.artifacts.errors import ArtifactError, ArtifactTooLarge
from edgeport.artifacts.manifest import Manifest
from edgeport.exporters.onnx.convert import convert, write
from edgeport.graph.edit import NAME_SCOPES
from edgeport.runtime.sessions.onnx import OnnxSession
from graphs import canonical, feeds, run_onnx

METADATA = {"model": "tiny", "preprocess": {"mean": [0.5], "std": [0.25]}, "labels": ["a b", "c"]}


def classifier():
    model = canonical(
        "agraph (float[1,3,8,10] image) => (float[1,2] logits) "
        "{ c = Conv (image, w, b) p = ReduceMean (c, axes) f = Reshape (p, to) logits = MatMul (f, v) }",
        {"w": (64, 3, 5, 5), "b": (64,), "axes": [2, 3], "to": [1, 64], "v": (64, 2)},
    )
    model.graph[0].metadata_props[NAME_SCOPES] = "['', 'stem', 'conv2d']"
    model.graph[0].metadata_props["pkg.torch.onnx.stack_trace"] = 'File "/home/me/model.py", line 3'
    model.metadata_props["a key"] = "of somebody's"
    return model


def run(content, inputs):
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def test_the_file_is_the_graph():
    model = classifier()
    content = convert(model, metadata=METADATA)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    inputs = feeds(model)
    np.testing.assert_allclose(run(content, inputs), run_onnx(model, inputs)["logits"], atol=1e-5)
    assert convert(classifier(), metadata=METADATA) == content


def test_what_the_file_says():
    proto = onnx.load_from_string(convert(classifier(), metadata=METADATA))
    props = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(props.pop("edgeport")) == METADATA
    assert props["model_info labels"] == "a_b c"
    assert props["model_info scale_values"] == "63.75"
    assert all(key.startswith("model_info ") for key in props)
    assert {entry.key for node in proto.graph.node for entry in node.metadata_props} == {NAME_SCOPES}
    assert b"/home/me" not in proto.SerializeToString()
    assert proto.ir_version <= 10


def test_half_precision_is_half_the_size_and_float_outside():
    model = classifier()
    content = convert(model, half_weights=True)
    proto = onnx.load_from_string(content)
    onnx.checker.check_model(proto, full_check=True)
    halves = [t.name for t in proto.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    assert halves == ["c/weight_fp16"]
    assert len(content) < len(convert(model)) - 64 * 3 * 5 * 5 * 2 + 500
    inputs = feeds(model)
    error = np.abs(run(content, inputs) - run_onnx(model, inputs)["logits"]).max()
    assert 0 < error < 1e-3


def test_what_half_precision_cannot_hold_stays():
    model = classifier()
    weight = model.graph.initializers["c/weight"]
    weight.const_value = ir.tensor(np.full((64, 3, 5, 5), 1e6, np.float32), name=weight.name)
    proto = onnx.load_from_string(convert(model, half_weights=True))
    assert all(t.data_type != onnx.TensorProto.FLOAT16 for t in proto.graph.initializer)


def test_a_file_beyond_protobufs_limit_is_refused(monkeypatch):
    monkeypatch.setitem(convert.__globals__, "LARGEST", 1000)
    with pytest.raises(ArtifactTooLarge, match="a single file holds 1000"):
        convert(classifier())


def test_what_one_message_does_not_hold_lies_beside_it(monkeypatch, tmp_path):
    monkeypatch.setitem(write.__globals__, "LARGEST", 1000)
    paths = [tmp_path / folder / "m.onnx" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        write(classifier(), path)
    path, again = paths
    assert [file.name for file in files_of(path)] == ["m.onnx", "m.onnx.data"]
    assert [file.read_bytes() for file in files_of(path)] == [file.read_bytes() for file in files_of(again)]
    proto = onnx.load_model(path, load_external_data=False)
    places = [{e.key: e.value for e in t.external_data} for t in proto.graph.initializer if t.external_data]
    assert places
    assert all(place["location"] == "m.onnx.data" and int(place["offset"]) % 4096 == 0 for place in places)
    assert len(path.read_bytes()) < len(path.with_name("m.onnx.data").read_bytes())
    inputs = feeds(classifier())
    wanted = run_onnx(classifier(), inputs)["logits"]
    np.testing.assert_allclose(OnnxSession(path).run(inputs)["logits"], wanted, rtol=1e-4, atol=1e-5)


def test_an_artifact_with_a_data_file(monkeypatch, tmp_path):
    """Both files are described, checked, validated, read again, and replaced together."""

    def export(**more):
        return edgeport.export(
            "lenet5", "onnx", weights="random", output_dir=tmp_path, benchmark=False, num_validation_samples=2, **more
        )

    monkeypatch.setitem(write.__globals__, "LARGEST", 1000)
    result = export()
    data = result.path.with_name("lenet5_fp32.onnx.data")
    assert result.verdict == "ok"
    assert sorted(path.name for path in result.path.parent.iterdir()) == [
        *("lenet5_fp32.onnx", "lenet5_fp32.onnx.data", "lenet5_fp32.onnx.json")
    ]
    manifest = Manifest.read(result.manifest_path)
    assert manifest.artifact.size_bytes == result.path.stat().st_size + data.stat().st_size
    assert edgeport.validate(result.path, num_validation_samples=2).verdict == "ok"
    again = edgeport.export(result.path, "tflite", output_dir=tmp_path / "b", benchmark=False, num_validation_samples=2)
    assert again.verdict == "ok"
    content = bytearray(data.read_bytes())
    content[100] ^= 1
    data.write_bytes(content)
    with pytest.raises(ArtifactError, match="sha256"):
        edgeport.open_session(result.path)
    monkeypatch.undo()
    export()
    assert not data.exists()


@pytest.mark.parametrize("group", [1, 4])
def test_a_float_conv_between_pairs_stays_float(group):
    """Weights of which int8 per tensor would leave nothing: one channel's are huge."""
    weight = np.random.default_rng(0).standard_normal((8, 4 // group, 3, 3)).astype(np.float32)
    weight[-1] = 1e4
    model = canonical(
        "agraph (float[1,4,8,8] image) => (float[1,8,6,6] y) { "
        "q = QuantizeLinear (image, s, z) d = DequantizeLinear (q, s, z) "
        f"c = Conv <group = {group}> (d, w, b) p = QuantizeLinear (c, t, z) y = DequantizeLinear (p, t, z) }}",
        {"s": np.float32(0.05), "t": np.float32(0.2), "z": np.int8(0), "w": weight, "b": (8,)},
    )
    inputs = feeds(model)
    wanted, got = run_onnx(model, inputs)["y"], run(convert(model), inputs)
    np.testing.assert_allclose(got[:, :-1], wanted[:, :-1], atol=0.21)
    assert np.abs(wanted[:, :-1]).max() > 1
