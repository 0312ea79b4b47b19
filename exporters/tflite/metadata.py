"""Write TFLite's own metadata: what goes in and out, for readers that know nothing of edgeport.

The schema is metadata_schema.fbs 1.1.0 of TFLite Support (file identifier M001); the numbers below are its field ids.
Files that belong to a tensor, its labels, lie in a zip archive behind the flatbuffer, stored as they are.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from ...graph.edit import name_of, shape
from ..classifier_head import TOP_CLASSES
from ..input_normalization import pixel_mean_and_std

NAME, IDENTIFIER = "TFLITE_METADATA", b"M001"
PARSER = "1.0.0"  # the oldest that understands all fields below
LABELS_FILE = "labels.txt"
_TENSOR_AXIS_LABELS, _TENSOR_VALUE_LABELS = 2, 3  # AssociatedFileType
_FEATURES, _IMAGES = 1, 2  # ContentProperties
_NORMALIZATION = 1  # ProcessUnitOptions
_COLOUR_SPACE = {"bgr": 0, "rgb": 1, "gray": 2}  # -> UNKNOWN, RGB, GRAYSCALE
_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's first day: the same labels give the same bytes


@dataclass(frozen=True)
class Table:
    """A flatbuffer table, {field id: value}. A value is text, an array, a table, a sequence of these, or a Number."""

    fields: Mapping[int, Any]


@dataclass(frozen=True)
class Number:
    """A scalar field; `slot` is the flatbuffers builder's method for its type."""

    value: int
    slot: str = "PrependByteSlot"


def of_model(model: ir.Model, facts: Mapping[str, Any], layout: str, pixels: bool) -> bytes:
    """The flatbuffer that lies in the buffer NAME: a model's facts, as far as the schema has words for them.

    Reads `facts["model"]`, `facts["preprocess"]` (as a manifest's Input has it) and `facts["labels"]`; `pixels`: the
    file takes bytes, in RGB, and normalises them itself.
    """
    how, labels = facts.get("preprocess"), facts.get("labels") or ()
    inputs = [_feature(name_of(value)) for value in model.graph.inputs]
    size = shape(model.graph.inputs[0])[1:] if len(inputs) == 1 else ()
    if how and layout == "nhwc" and len(size) == 3 and size[0] in (1, 3):
        mean, std = pixel_mean_and_std(how)
        color = how.get("color", "rgb")
        if pixels:
            mean, std, color = [0.0] * len(mean), [1.0] * len(std), "rgb"
        inputs = [_image(name_of(model.graph.inputs[0]), (size[0], size[1], size[2]), mean, std, color)]
    outputs = []
    for value in model.graph.outputs:
        per_class = bool(labels) and shape(value)[-1:] == (len(labels),)
        classes = bool(labels) and name_of(value) == TOP_CLASSES
        outputs.append(_feature(name_of(value), labels="axis" if per_class else "value" if classes else ""))
    return _finished(str(facts.get("model", "model")), inputs, outputs)


def _image(
    name: str,
    size: tuple[int, int, int],
    mean: Sequence[float],
    std: Sequence[float],
    color: str,
) -> Table:
    """An input that is an image of `size` (channels, height, width): (pixel - mean) / std, pixels from 0 to 255.

    The schema has no word for BGR: its colour space is UNKNOWN, and the description says it.
    """
    channels, height, width = size
    color = "gray" if channels == 1 else color
    properties = Table(
        {
            0: Number(_COLOUR_SPACE[color]),
            1: Table({0: Number(width, "PrependUint32Slot"), 1: Number(height, "PrependUint32Slot")}),
        }
    )
    low, high = ([(pixel - m) / s for m, s in zip(mean, std, strict=True)] for pixel in (0, 255))
    normalisation = Table({0: _floats(mean), 1: _floats(std)})
    return Table(
        {
            0: name,
            1: "the image, " + ("luminance" if channels == 1 else color.upper()),
            3: _content(_IMAGES, properties),
            4: [Table({0: Number(_NORMALIZATION, "PrependUint8Slot"), 1: normalisation})],
            5: Table({0: _floats(high), 1: _floats(low)}),
        }
    )


def _feature(name: str, labels: str = "") -> Table:
    """Any other input or output. `labels`: "axis" where it has a number for each class, "value" where it holds them."""
    fields: dict[int, Any] = {0: name, 3: _content(_FEATURES, Table({}))}
    if labels:
        kind = {"axis": _TENSOR_AXIS_LABELS, "value": _TENSOR_VALUE_LABELS}[labels]
        fields[6] = [Table({0: LABELS_FILE, 1: "the names of the classes", 2: Number(kind)})]
    return Table(fields)


def _finished(name: str, inputs: Sequence[Table], outputs: Sequence[Table]) -> bytes:
    import flatbuffers

    root = Table({0: name, 1: "made by edgeport", 3: [Table({2: list(inputs), 3: list(outputs)})], 7: PARSER})
    builder = flatbuffers.Builder(1024)
    builder.Finish(_written(builder, root), IDENTIFIER)
    return bytes(builder.Output())


def with_labels(content: bytes, labels: Sequence[str]) -> bytes:
    """The file with the archive behind it."""
    packed = io.BytesIO(content)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(LABELS_FILE, _EPOCH), "".join(f"{label}\n" for label in labels))
    return packed.getvalue()


def _content(kind: int, properties: Table) -> Table:
    return Table({0: Number(kind, "PrependUint8Slot"), 1: properties})


def _floats(values: Sequence[float]) -> np.ndarray:
    return np.asarray(values, np.float32)


def _written(builder: Any, value: Any) -> int:
    """The offset of a value, and of all that it refers to, written before it."""
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    if isinstance(value, list):
        offsets = [_written(builder, each) for each in value]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()
    offsets = {i: _written(builder, each) for i, each in value.fields.items() if not isinstance(each, Number)}
    builder.StartObject(max(value.fields, default=-1) + 1)
    for i, each in value.fields.items():
        if isinstance(each, Number):
            getattr(builder, each.slot)(i, each.value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(i, offsets[i], 0)
    return builder.EndObject()
