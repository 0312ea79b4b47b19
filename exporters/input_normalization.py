"""Let a graph take pixels from 0 to 255 and normalise them itself, or in its first convolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from ..graph.edit import array, attribute, const_value, constant, emit, name_of, shape, sole_consumer
from ..graph.open_sizes import is_open

RANGE = (0.0, 255.0)


def pixel_mean_and_std(facts: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """(mean, std) of pixels from 0 to 255, of facts with the mean, std and scale of a manifest's Input."""
    divisor = 1 / facts.get("scale", 1 / 255)
    mean, std = ([divisor * number for number in facts[key]] for key in ("mean", "std"))
    return mean, std


@dataclass(frozen=True)
class Normalization:
    """x = (pixel - mean) / std, per channel of x.

    Attributes:
        mean, std: of pixels from 0 to 255.
        reverses: the pixels come in the other order of channels: RGB for a model of BGR.
    """

    mean: Sequence[float]
    std: Sequence[float]
    reverses: bool = False

    @property
    def scale(self) -> np.ndarray:
        """float64 (c,): x = scale * pixel + shift."""
        return 1 / np.asarray(self.std, np.float64)

    @property
    def shift(self) -> np.ndarray:
        """float64 (c,)."""
        return -np.asarray(self.mean, np.float64) / np.asarray(self.std, np.float64)


@dataclass(frozen=True)
class FoldedNormalization:
    """A graph whose first convolution reads pixels.

    Attributes:
        ranges: {value: (lowest, highest)} of the input and what frames it: known, not observed.
    """

    model: ir.Model
    ranges: Mapping[str, tuple[float, float]]


def prepend_normalization(model: ir.Model, how: Normalization) -> ir.Model:
    """x -> Add(Mul(pixels, scale), shift), float or with Q/DQ; `model` is left as it was.

    The one input holds pixels from then on, float32 (n, c, h, w), under its old name; where their order of channels is
    the other one, Concat of three Slices comes first.
    """
    model = model.clone()
    graph, x = model.graph, model.graph.inputs[0]
    first, readers = graph[0], tuple(x.uses())
    scale, shift = (numbers.astype(np.float32).reshape(1, -1, 1, 1) for numbers in (how.scale, how.shift))
    pixels = _reversed_channels(x, first) if how.reverses else x
    scaled = emit(first, "Mul", [pixels, constant(graph, scale, "pixel_scale")], shape(x))
    result = emit(first, "Add", [scaled, constant(graph, shift, "pixel_shift")], shape(x))
    scaled.name, result.name = f"{x.name}_scaled", f"{x.name}_normalised"
    for use in readers:
        use.node.replace_input_with(use.idx, result)
    return model


def fold_normalization(model: ir.Model, how: Normalization, *, whole: bool) -> FoldedNormalization | None:
    """Conv(x, w, b) -> Conv(pixels in a frame of the mean, w * scale, b + sum(w * shift)), of a float graph

    So int8 reads uint8 pixels as they are, at scale 1, where a normalised image is rounded to 256 steps once more. What
    a convolution pads with, x = 0, is the pixel that is each channel's mean; `whole`: to the nearest whole number, by
    half a pixel's step at most, for int8. None where not one convolution of one group with
    constant weights reads the image, a mean is no pixel, or images of several sizes come: the frame is of one. `model`
    is left as it was.
    """
    if is_open(model):
        return None
    conv = sole_consumer(model.graph.inputs[0], "Conv")
    if conv is None or const_value(conv.inputs[1]) is None or attribute(conv, "group", 1) != 1:
        return None
    if min(how.mean) < RANGE[0] or max(how.mean) > RANGE[1]:
        return None
    model = model.clone()
    graph, x = model.graph, model.graph.inputs[0]
    conv = sole_consumer(x, "Conv")
    assert conv is not None, "a copy is like its original"
    weight, bias = (array(value).astype(np.float64) for value in conv.inputs[1:3])  # OIHW, O
    bias += np.einsum("oihw,i->o", weight, how.shift)
    weight *= how.scale.reshape(1, -1, 1, 1)
    fill = np.asarray(how.mean, np.float64)
    if how.reverses:
        weight, fill = weight[:, ::-1], fill[::-1]
    frame = _frame(x, conv, (np.rint(fill) if whole else fill).astype(np.float32))
    values = [x, *(value for node in frame for value in node.outputs)]
    conv.replace_input_with(0, values[-1])
    for index, numbers in ((1, weight), (2, bias)):
        name = f"{name_of(conv.inputs[index])}_of_pixels"
        conv.replace_input_with(index, constant(graph, np.ascontiguousarray(numbers, np.float32), name))
    conv.attributes["pads"] = ir.AttrInt64s("pads", (0, 0, 0, 0))
    return FoldedNormalization(model, {name_of(value): RANGE for value in values})


def _reversed_channels(x: ir.Value, before: ir.Node) -> ir.Value:
    """(n, c, h, w) -> the same with the last channel first."""
    graph, (n, channels, *rest) = before.graph, shape(x)
    parts = []
    for i in reversed(range(channels)):
        bounds = [
            constant(graph, np.array([number], np.int64), f"channel_{i}_{k}")
            for k, number in enumerate((i, i + 1, 1, 1))
        ]
        parts.append(emit(before, "Slice", [x, *bounds], [n, 1, *rest]))
    return emit(before, "Concat", parts, shape(x), {"axis": 1})


def _frame(x: ir.Value, conv: ir.Node, fill: np.ndarray) -> list[ir.Node]:
    """The nodes, at most two, that put `fill` (c,) around x as far as the convolution's windows reach."""
    graph, nodes = conv.graph, []
    pads, out = attribute(conv, "pads", (0, 0, 0, 0)), shape(conv.outputs[0])[2:]
    kernel, strides = shape(conv.inputs[1])[2:], attribute(conv, "strides", (1, 1))
    dilations = attribute(conv, "dilations", (1, 1))
    for axis in (3, 2):
        i, dims = axis - 2, shape(x)
        reach = (out[i] - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1
        before, after = pads[i], max(reach - dims[axis] - pads[i], 0)
        parts: list[ir.Value] = [x]
        for size, at in ((before, 0), (after, len(parts) + bool(before))):
            if size:
                strip = [size if d == axis else dim for d, dim in enumerate(dims)]
                parts.insert(at, constant(graph, np.broadcast_to(fill.reshape(1, -1, 1, 1), strip), "pixel_frame"))
        if len(parts) > 1:
            whole = [dim + (before + after) * (d == axis) for d, dim in enumerate(dims)]
            x = emit(conv, "Concat", parts, whole, {"axis": axis})
            nodes.append(x.producer())
    return nodes
