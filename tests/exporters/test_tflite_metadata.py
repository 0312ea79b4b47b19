"""TFLite's own metadata, read by the field numbers of its schema and nothing of the writer's; labels as a zip."""

import io
import json
import zipfile

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from edgeport.exporters.classifier_head import add_classifier_head
from edgeport.runtime.sessions.tflite_verifier import verify
from flatbuffers import number_types as types
from graphs import canonical
from tflite_convert import convert

TEXT = """agraph (float[1,3,6,8] image) => (float[1,5] logits) {
    p = ReduceMean (image, a) f = Reshape (p, s) logits = MatMul (f, v) }"""
CONSTANTS = {"a": [2, 3], "s": [1, 3], "v": (3, 5)}
LABELS = ("ant", "bee", "é", "wasp nest", "5")
FACTS = {"model": "tiny", "preprocess": {"mean": [0.485, 0.456, 0.406], "std": [0.25, 0.5, 0.125]}, "labels": LABELS}


class Table:
    """A table read with the flatbuffers library alone; fields by number."""

    def __init__(self, data: bytes, position: int):
        self.table = flatbuffers.table.Table(data, position)

    def at(self, field: int) -> int:
        return self.table.Offset(4 + 2 * field)

    def number(self, field: int, flags=types.Int8Flags) -> int:
        return self.table.Get(flags, self.table.Pos + self.at(field)) if self.at(field) else 0

    def text(self, field: int) -> str:
        return self.table.String(self.table.Pos + self.at(field)).decode()

    def child(self, field: int) -> "Table":
        return Table(self.table.Bytes, self.table.Indirect(self.table.Pos + self.at(field)))

    def children(self, field: int) -> list["Table"]:
        if not self.at(field):
            return []
        start = self.table.Vector(self.at(field))
        return [
            Table(self.table.Bytes, self.table.Indirect(start + 4 * i))
            for i in range(self.table.VectorLen(self.at(field)))
        ]

    def floats(self, field: int) -> np.ndarray:
        return self.table.GetVectorAsNumpy(types.Float32Flags, self.at(field))


def read(content: bytes) -> Table:
    """The ModelMetadata in a .tflite file."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    (entry,) = [each for each in model.metadata if each.name == b"TFLITE_METADATA"]
    raw = bytes(model.buffers[entry.buffer].data)
    assert raw[4:8] == b"M001"
    return Table(raw, int.from_bytes(raw[:4], "little"))


def made(**options) -> bytes:
    return convert(canonical(TEXT, CONSTANTS), **{"metadata": FACTS, **options})


@pytest.mark.parametrize("pixels", [False, True])
def test_the_image(pixels):
    model = read(made(pixels=pixels))
    assert (model.text(0), model.text(7)) == ("tiny", "1.0.0")
    (subgraph,) = model.children(3)
    (image,) = subgraph.children(2)
    content = image.child(3)
    assert (image.text(0), content.number(0, types.Uint8Flags)) == ("image", 2)  # ImageProperties
    properties = content.child(1)
    assert properties.number(0) == 1  # RGB
    size = properties.child(1)
    assert [size.number(i, types.Uint32Flags) for i in (0, 1)] == [8, 6]
    (unit,) = image.children(4)
    assert unit.number(0, types.Uint8Flags) == 1  # NormalizationOptions
    mean, std = (255 * np.array(FACTS["preprocess"][key]) for key in ("mean", "std"))
    if pixels:
        mean, std = np.zeros(3), np.ones(3)
    np.testing.assert_allclose(unit.child(1).floats(0), mean, rtol=1e-6)
    np.testing.assert_allclose(unit.child(1).floats(1), std, rtol=1e-6)
    np.testing.assert_allclose(image.child(5).floats(0), (255 - mean) / std, rtol=1e-6)
    np.testing.assert_allclose(image.child(5).floats(1), -mean / std, rtol=1e-6)


@pytest.mark.parametrize("pixels", [False, True])
def test_an_image_of_bgr_and_another_scale(pixels):
    """The schema knows no BGR: readers that need RGB refuse UNKNOWN; an artifact of pixels takes RGB."""
    how = {"mean": [104.0, 117.0, 123.0], "std": [1.0, 2.0, 3.0], "scale": 1.0, "color": "bgr"}
    (subgraph,) = read(made(metadata=FACTS | {"preprocess": how}, pixels=pixels)).children(3)
    (image,) = subgraph.children(2)
    assert image.child(3).child(1).number(0) == (1 if pixels else 0)
    assert image.text(1) == ("the image, RGB" if pixels else "the image, BGR")
    normalisation = image.children(4)[0].child(1)
    np.testing.assert_allclose(normalisation.floats(0), [0] * 3 if pixels else how["mean"])
    np.testing.assert_allclose(normalisation.floats(1), [1] * 3 if pixels else how["std"])


def test_the_labels():
    content = made()
    (subgraph,) = read(content).children(3)
    (scores,) = subgraph.children(3)
    (file,) = scores.children(6)
    assert (scores.text(0), file.text(0), file.number(2)) == ("logits", "labels.txt", 2)  # TENSOR_AXIS_LABELS
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert [(each.filename, each.compress_type) for each in archive.infolist()] == [("labels.txt", 0)]
        assert archive.read("labels.txt").decode().splitlines() == list(LABELS)
    verify(content)
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    assert content == made()


def test_top_classes_are_values_of_the_labels():
    model = add_classifier_head(canonical(TEXT, CONSTANTS), softmax=True, top_k=2)
    (subgraph,) = read(convert(model, metadata=FACTS)).children(3)
    kinds = {each.text(0): [file.number(2) for file in each.children(6)] for each in subgraph.children(3)}
    assert kinds == {"probabilities": [2], "top_scores": [], "top_classes": [3]}


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"input_layout": "nchw"}, 1),
        ({"metadata": {"model": "tiny"}}, 1),
        ({}, 2),
    ],  # FeatureProperties, ImageProperties
)
def test_what_is_no_image_is_a_feature(options, kind):
    (subgraph,) = read(made(**options)).children(3)
    assert subgraph.children(2)[0].child(3).number(0, types.Uint8Flags) == kind


def test_without_labels_there_is_no_archive():
    content = made(metadata={k: v for k, v in FACTS.items() if k != "labels"})
    assert not zipfile.is_zipfile(io.BytesIO(content))
    entries = {each.name for each in schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0)).metadata}
    assert entries == {b"min_runtime_version", b"edgeport", b"TFLITE_METADATA"}
    assert json.dumps("tiny").encode() in content
