"""Files that somebody has made to break what reads them: one sentence, the right code, nothing left behind."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

# -- manifests

WRONG = {
    "a number for a text": (("model",), 7, "expected str, got int, at model"),
    "a text for a number": (("artifact", "size_bytes"), "7", "expected int, got str, at artifact.size_bytes"),
    "an object for a list": (("inputs",), {}, "expected array, got object, at inputs"),
    "a list for an object": (("weights",), [], "expected object, got array, at weights"),
    "a size that is a truth": (("inputs", 0, "shape", 1), True, "expected int | null, got bool, at inputs[0].shape[1]"),
    "a size below nothing": (("inputs", 0, "shape", 1), -3, "the shape holds a size out of range"),
    "a mean of a text": (("inputs", 0, "mean"), "0.5", "at inputs[0].mean"),
    "a std of nothing": (("inputs", 0, "std"), [0.0], "std must be above 0"),
    "a crop beyond the image": (("inputs", 0, "crop_pct"), 1e300, "crop_pct must be above 0 and at most 1"),
    "an unknown interpolation": (("inputs", 0, "interpolation"), "magic", "interpolation must be one of nearest"),
    "a file elsewhere": (("artifact", "file"), "/dev/zero", "is no name of a file beside the manifest, at artifact"),
    "no inputs": (("inputs",), [], "has no inputs"),
    "no outputs": (("outputs",), [], "has no outputs"),
    "a seed out of range": (("weights", "seed"), 2**64, "the seed is out of range"),
    "labels that are numbers": (("outputs", 0, "labels"), [1, 2], "expected str, got int, at outputs[0].labels[0]"),
    "a figure that is a text": (("agreement", "snr_db"), "high", "at agreement[...]"),
    "an unknown field": (("weights", "seeds"), 1, "unknown field 'weights.seeds'"),
    "half a preprocessing": (("inputs", 0, "crop"), ..., "input is said without crop, at inputs[0]"),
    "another schema": (("schema",), 99, "is a manifest of schema 99, this version reads 2"),
    "a schema that is a text": (("schema",), "2", "expected int, got str, at schema"),
    "an unknown precision": (("precision",), "int3", "precision"),
    "another input": (("inputs", 0, "name"), "picture", "has other inputs than its manifest says"),
    "another output": (("outputs", 0, "name"), "scores", "has other outputs than its manifest says"),
    "too many outputs": (("outputs",), None, "has other outputs than its manifest says"),
}


def changed(manifest: Path, place: tuple, value: object) -> str:
    facts = json.loads(manifest.read_bytes())
    inner = facts
    for key in place[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = [*facts["outputs"] * 2] if value is None else value
    return json.dumps(facts)


@pytest.fixture
def artifact(exported, tmp_path) -> Path:
    """A .tflite with its manifest beside it."""
    for name in (exported["fp32"], exported["fp32"].with_name(exported["fp32"].name + ".json")):
        shutil.copy(name, tmp_path)
    return tmp_path / exported["fp32"].name


@pytest.mark.parametrize("what", WRONG)
def test_a_manifest_of_wrong_values(edgeport, artifact, what):
    place, value, words = WRONG[what]
    manifest = artifact.with_name(artifact.name + ".json")
    manifest.write_text(changed(manifest, place, value))
    done = edgeport("validate", artifact, "--num-validation-samples", 1)
    assert done.code == 2
    assert words in done.error


@pytest.mark.parametrize("content", [b"[" * 100_000, rb'{"schema": 2, "model": "\ud800"}'])
@pytest.mark.parametrize("command", ["validate", "info", "bundle --platform linux", "debug"])
def test_a_manifest_that_is_no_json(edgeport, artifact, content, command):
    artifact.with_name(artifact.name + ".json").write_bytes(content)
    name, *options = command.split()
    done = edgeport(name, artifact, *options)
    assert done.code == 2
    assert "is not an edgeport manifest" in done.error
    assert done.error.isprintable()


def test_a_manifest_that_is_a_pipe(edgeport, artifact):
    manifest = artifact.with_name(artifact.name + ".json")
    manifest.unlink()
    os.mkfifo(manifest)
    done = edgeport("info", artifact)
    assert done.code == 2
    assert "it is a pipe or a device, not a file" in done.error


# -- ONNX files


def saved(path: Path, nodes: list, inputs=(1, 3, 8, 8), constants=(), outputs=None, **metadata) -> Path:
    """An .onnx from `x` to `y`."""
    value = inputs if isinstance(inputs, onnx.ValueInfoProto) else None
    graph = helper.make_graph(
        nodes,
        "g",
        [value or helper.make_tensor_value_info("x", TensorProto.FLOAT, inputs)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, outputs)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("text", ["7", "null", "[]", '{"layout": 3}', '{"preprocess": []}', "{", '{"a": "\\ud800"}'])
@pytest.mark.parametrize("command", ["benchmark", "export"])
def test_our_metadata_of_wrong_types(edgeport, tmp_path, text, command):
    path = saved(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], outputs=(1, 3, 8, 8), edgeport=text)
    done = edgeport(command, path)
    assert done.code == 2
    assert "m.onnx: its 'edgeport' metadata is damaged (" in done.error


def test_our_metadata_of_an_image_that_is_none(edgeport, tmp_path):
    path = saved(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], (2, 3), edgeport='{"layout": "nhwc"}')
    done = edgeport("benchmark", path)
    assert done.code == 2
    assert "says NHWC of an input without 4 axes" in done.error


def node(op: str, *inputs: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(op, ["x", *inputs], ["y"], **attributes)


FAILING = {  # at load or when they run
    "an index out of bounds": ([node("Gather", "i", axis=1)], {"i": np.array([99])}),
    "a shape that does not fit": ([node("Reshape", "s")], {"s": np.array([5, 5])}),
    "more than any memory": ([node("Pad", "p")], {"p": np.array([0, 0, 0, 0, 0, 0, 2**20, 2**20])}),
    "a group of nothing": ([node("Conv", "w", group=0)], {"w": np.ones((3, 3, 1, 1), np.float32)}),
    "an unknown operator": ([node("Nonsense")], {}),
}


@pytest.mark.parametrize("command", ["benchmark", "validate --reference {path}"])
@pytest.mark.parametrize("what", FAILING)
def test_what_onnxruntime_cannot_load_or_run(edgeport, tmp_path, what, command):
    nodes, constants = FAILING[what]
    path = saved(tmp_path / "m.onnx", nodes, constants=[numpy_helper.from_array(a, n) for n, a in constants.items()])
    name, *options = command.format(path=path).split()
    done = edgeport(name, path, *options)
    assert done.code == 2
    assert "m.onnx: ONNX Runtime cannot" in done.error
    assert "onnxruntime_src" not in done.err


@pytest.mark.parametrize(
    "value",
    [
        helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None),
        helper.make_tensor_value_info("x", TensorProto.STRING, [1]),
    ],
    ids=["sequence", "strings"],
)
def test_inputs_that_are_no_numbers(edgeport, tmp_path, value):
    made = helper.make_node("SequenceLength", ["x"], ["n"]) if value.type.HasField("sequence_type") else None
    nodes = [made or helper.make_node("Size", ["x"], ["n"]), helper.make_node("Cast", ["n"], ["y"], to=1)]
    done = edgeport("benchmark", saved(tmp_path / "m.onnx", nodes, value, outputs=()))
    assert done.code == 2
    assert "inputs and outputs must be tensors of numbers" in done.error


@pytest.mark.parametrize("sizes", [[1, 3, 0, 8], [1, 3, -4, 8]])
def test_a_resize_to_nothing(edgeport, tmp_path, sizes):
    constants = [numpy_helper.from_array(np.array(sizes), "s")]
    path = saved(tmp_path / "m.onnx", [helper.make_node("Resize", ["x", "", "", "s"], ["y"])], constants=constants)
    done = edgeport("export", path, "--target", "onnx")
    assert done.code in (2, 3)
    assert "m.onnx" in done.error or "resizes to nothing" in done.error


def test_a_constant_that_no_memory_holds(edgeport, tmp_path):
    constants = [
        numpy_helper.from_array(np.float32([1]), "one"),
        numpy_helper.from_array(np.array([2**16, 2**16]), "to"),
    ]
    nodes = [
        helper.make_node("Expand", ["one", "to"], ["large"]),
        helper.make_node("ReduceMax", ["large"], ["most"], keepdims=0),
        node("Add", "most"),
    ]
    done = edgeport("export", saved(tmp_path / "m.onnx", nodes, constants=constants, outputs=(1, 3, 8, 8)))
    assert done.code == 3
    assert f"makes {2**32} numbers of constants; at most {2**29} are folded" in done.error


# -- data beside the model


def external(location: str, **places: str) -> onnx.TensorProto:
    tensor = onnx.TensorProto(name="c", dims=[3], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **places}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def in_attribute(tensor: onnx.TensorProto) -> tuple[list, list]:
    return [helper.make_node("Constant", [], ["c"], value=tensor), node("Add", "c")], []


def in_subgraph(tensor: onnx.TensorProto) -> tuple[list, list]:
    nodes, _ = in_attribute(tensor)
    nodes[-1].output[0] = "z"
    inner = helper.make_graph(nodes, "inner", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)])
    true = helper.make_node("Constant", [], ["true"], value=numpy_helper.from_array(np.array(True)))
    return [true, helper.make_node("If", ["true"], ["y"], then_branch=inner, else_branch=inner)], []


PLACES = {
    "as a constant": lambda tensor: ([node("Add", "c")], [tensor]),
    "in an attribute": in_attribute,
    "in a subgraph": in_subgraph,
}
OUTSIDE = {
    "above": ("../secret", {}, "lies outside the model's folder"),
    "absolute": ("/etc/passwd", {}, "lies outside the model's folder"),
    "a link outwards": ("link", {}, "lies outside the model's folder"),
    "a pipe": ("pipe", {}, "it is a pipe or a device, not a file"),
    "a folder": ("folder", {}, "cannot be read"),
    "missing": ("nothing", {}, "is missing"),
    "a zero byte": ("a\0b", {}, "is no name of a file"),
    "a long name": ("a" * 5000, {}, ""),
    "a circle of links": ("circle", {}, ""),
    "too short": ("data", {"offset": "8", "length": "12"}, "is too short"),
    "an offset below nothing": ("data", {"offset": "-4", "length": "12"}, "is too short"),
    "no number": ("data", {"offset": "x"}, "says of 'c' no place"),
}


@pytest.fixture
def beside(tmp_path) -> Path:
    """A folder with all that external data may name."""
    folder = tmp_path / "inner"
    (folder / "folder").mkdir(parents=True)
    os.mkfifo(folder / "pipe")
    (tmp_path / "secret").write_bytes(b"0" * 12)
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "circle").symlink_to("circle")
    np.array([1, 2, 3], np.float32).tofile(folder / "data")
    return folder


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("what", OUTSIDE)
def test_external_data_that_is_not_the_models(edgeport, beside, where, what):
    location, places, words = OUTSIDE[what]
    nodes, constants = PLACES[where](external(location, **places))
    path = saved(beside / "m.onnx", nodes, (1, 3, 8, 3), constants=constants, outputs=(1, 3, 8, 3))
    for command in ("export", *["benchmark"] * (where == "as a constant")):
        done = edgeport(command, path)
        assert done.code == 2
        assert words in done.error
        assert "m.onnx" in done.error


@pytest.mark.parametrize("where", ["as a constant", "in an attribute"])
def test_external_data_beside_the_model(edgeport, beside, where):
    """Found from any working directory."""
    nodes, constants = PLACES[where](external("data"))
    path = saved(beside / "m.onnx", nodes, (1, 3, 8, 3), constants=constants, outputs=(1, 3, 8, 3))
    done = edgeport("export", path, "--target", "onnx", "--no-benchmark", "--json", "--num-validation-samples", 2)
    assert done.json["verdict"] == "ok"


# -- Core ML packages


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "expected object, got array"),
        ('{"itemInfoEntries": {}, "rootModelIdentifier": "a"}', "it has no item 'a'"),
        ('{"itemInfoEntries": {"a": {"path": 7}}, "rootModelIdentifier": "a"}', "expected str, got int"),
        ('{"itemInfoEntries": [], "rootModelIdentifier": "a"}', "expected object, got array"),
        ('{"itemInfoEntries": {"a": {"path": "a\\u0000b"}}, "rootModelIdentifier": "a"}', "is no name of a file"),
        (
            '{"itemInfoEntries": {"a": {"path": "%s"}}, "rootModelIdentifier": "a"}' % ("a" * 5000),
            "is no name of a file",
        ),
        ('{"itemInfoEntries": {"a": {"path": "circle"}}, "rootModelIdentifier": "a"}', "circle"),
        ('{"itemInfoEntries": {"a": {"path": "../../x"}}, "rootModelIdentifier": "a"}', "leads out of the package"),
        ('{"itemInfoEntries": {"a": {"path": "pipe"}}, "rootModelIdentifier": "a"}', "which is missing"),
        ("[" * 100_000, "nested too deeply"),
        (None, "it is a pipe or a device"),
    ],
)
def test_a_package_whose_manifest_lies(edgeport, tmp_path, content, words):
    package = tmp_path / "m.mlpackage"
    (package / "Data").mkdir(parents=True)
    (package / "Data" / "circle").symlink_to("circle")
    os.mkfifo(package / "Data" / "pipe")
    if content is None:
        os.mkfifo(package / "Manifest.json")
        (package / "Data" / "file").touch()
    else:
        (package / "Manifest.json").write_text(content)
    done = edgeport("info", package)
    assert done.code == 2
    assert words in done.error
    assert len(done.error) < 400


# -- names and pipes as anything that a command line names


@pytest.mark.parametrize("name", ["pipe", "a" * 5000, "folder"])
@pytest.mark.parametrize(
    "arguments",
    [
        "export {0}.onnx",
        "export {0}.pt2",
        "export lenet5 --weights {0}",
        "export lenet5 --weights {0}.safetensors",
        "export lenet5 --labels {0}",
        "export lenet5 --validation-data {0}.npz",
        "export lenet5 --validation-data {0}.d",
        "export {0}.py:net --input-shape 3,8,8",
        "benchmark {0}.tflite",
        "benchmark {0}.onnx",
        "info {0}.mlpackage",
        "info {0}.xml",
        "sweep {0}.yaml",
        "report {0}.json",
    ],
)
def test_what_is_no_file(edgeport, tmp_path, name, arguments):
    for word in arguments.split():
        if "{0}" in word and len(name) < 100:
            path = tmp_path / word.partition(":")[0].format(name)
            os.mkfifo(path) if name == "pipe" else path.mkdir()
    done = edgeport(*arguments.format(name).split())
    assert done.code == 2, done.err
    assert "Traceback" not in done.err


def test_an_image_that_is_a_pipe(edgeport, given, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(given / "photos", folder)
    os.mkfifo(folder / "z.png")
    done = edgeport("export", "lenet5", "--validation-data", folder, "--no-benchmark")
    assert done.code == 2
    assert "z.png is not a readable image" in done.error


def test_an_output_folder_of_300_characters(edgeport, tmp_path):
    done = edgeport("export", "lenet5", "--output-dir", tmp_path / ("a" * 300))
    assert done.code == 2
    assert "cannot be written (File name too long)" in done.error


STEPS = zip("abcdefgh", "bcdefghi", strict=True)
LAUGHS = "a: &a [1, 1]\n" + "".join(f"{to}: &{to} [{', '.join([f'*{of}'] * 10)}]\n" for of, to in STEPS)


def test_an_export_leaves_no_temporary_files(edgeport, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    done = edgeport("export", "lenet5", "--target", "coreml", "--no-benchmark", "--num-validation-samples", 2)
    assert done.code == 0
    assert not [path.name for path in temporary.iterdir() if path.name.startswith(("tmp", "edgeport", "."))]


YAML = {
    "deep": "a: " + "[" * 10_000,
    "within itself": "models: &a [*a]",
    "laughs": LAUGHS,
    "no such day": "models: 2001-99-99",
    "bytes": "\0",
}


@pytest.mark.parametrize("what", YAML)
def test_yaml_that_does_not_end(edgeport, tmp_path, what):
    (tmp_path / "sweep.yaml").write_text(YAML[what])
    done = edgeport("sweep", "sweep.yaml")
    assert done.code == 2
    assert "sweep.yaml" in done.error
