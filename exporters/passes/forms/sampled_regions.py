"""RoiAlign(x, boxes, images) -> AveragePool(GridSample(x, places in the boxes));
DeformConv(x, W, offsets, b, mask) -> Conv(GridSample(x, places of the taps), W)

Leaves a RoiAlign alone that takes the largest of its samples, or as many samples as a box is large, and a DeformConv
whose weight is computed.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, const_value, constant, given, shape
from ....graph.replacing import replace_each
from ..expansions.steps import Steps
from ..stages import leave_alone

SAMPLES = {"mode": "linear", "align_corners": 0}


def rewrite(model: ir.Model) -> int:
    return replace_each(model.graph, {"RoiAlign": _roi_align, "DeformConv": _deform_conv})


def _roi_align(node: ir.Node) -> ir.Value | None:
    x, boxes, images = map(given, node.inputs)
    ratio = attribute(node, "sampling_ratio", 0)
    if attribute(node, "mode", "avg") != "avg" or ratio < 1:
        return leave_alone(node, "it takes the largest sample, or as many as a box is large")
    at = Steps(node, named=False)
    count, (_, c, height, width) = shape(boxes)[0], shape(x)
    rows, columns = (attribute(node, name, 1) * ratio for name in ("output_height", "output_width"))
    scaled = at.mul(boxes, attribute(node, "spatial_scale", 1.0))
    shifted = attribute(node, "coordinate_transformation_mode", "half_pixel") == "half_pixel"
    along_x, in_x = _places(at, scaled, 0, columns, width, shifted)
    along_y, in_y = _places(at, scaled, 1, rows, height, shifted)
    pair = (at.reshape(along_x, count, 1, columns, 1), at.reshape(along_y, count, rows, 1, 1))
    grid = at.concat([at.mul(axis, np.ones((count, rows, columns, 1))) for axis in pair], 3)
    inside = at.mul(at.reshape(in_y, count, rows, 1), at.reshape(in_x, count, 1, columns))
    numbers = const_value(images)
    if shape(x)[0] == 1 or (numbers is not None and (numbers == numbers[0]).all()):
        first = 0 if numbers is None else int(numbers[0])
        x = at.part(x, 0, first, first + 1) if shape(x)[0] > 1 else x
        grid, of = at.reshape(grid, 1, count * rows, columns, 2), 1
    else:
        x, of = at.run("Gather", x, images, to=(count, c, height, width), axis=0), count
    sampled = at.run("GridSample", x, grid, to=(of, c, count // of * rows, columns), padding_mode="border", **SAMPLES)
    sampled = at.mul(sampled, at.reshape(inside, of, 1, count // of * rows, columns))
    to = (of, c, count // of * (rows // ratio), columns // ratio)
    if ratio > 1:
        window = {"kernel_shape": [ratio, ratio], "strides": [ratio, ratio], "pads": [0, 0, 0, 0]}
        sampled = at.run("AveragePool", sampled, to=to, **window, count_include_pad=0)
    if of == count and count > 1:
        return sampled
    return at.transpose(at.reshape(sampled, c, count, rows // ratio, columns // ratio), 1, 0, 2, 3)


def _places(at: Steps, boxes: ir.Value, axis: int, samples: int, size: int, shifted: bool) -> tuple[ir.Value, ir.Value]:
    """(boxes, samples): where the samples lie along an axis, from -1 to 1, and 1 for those that are in the image."""
    start, end = (at.part(boxes, 1, i, i + 1) for i in (axis, axis + 2))
    length = at.sub(end, start)
    if shifted:
        start = at.add(start, -0.5)
    else:
        length = at.run("Max", length, 1.0)
    steps = ((np.arange(samples) + 0.5) / samples).astype(np.float32).reshape(1, -1)
    pixels = at.add(at.mul(length, steps), start)
    bool_ = ir.DataType.BOOL
    low, high = at.run("GreaterOrEqual", pixels, -1.0, dtype=bool_), at.run("LessOrEqual", pixels, size, dtype=bool_)
    inside = at.cast(at.run("And", low, high, dtype=bool_), ir.DataType.FLOAT)
    return _normalized(at, pixels, np.array(size)), inside


def _normalized(at: Steps, pixels: ir.Value, size: np.ndarray) -> ir.Value:
    """Pixels -> from -1 to 1 between the edges of the image."""
    return at.add(at.mul(at.add(pixels, 0.5), 2 / size), -1.0)


def _deform_conv(node: ir.Node) -> ir.Value | None:
    x, _, offset = map(given, node.inputs[:3])
    weight = const_value(node.inputs[1])
    if weight is None:
        return leave_alone(node, "its weight is computed")
    at, parts = Steps(node, named=False), attribute(node, "offset_group", 1)
    n, c, height, width = shape(x)
    made, inputs, *kernel = weight.shape
    taps, (rows, columns) = kernel[0] * kernel[1], shape(node.outputs[0])[2:]
    offsets = at.reshape(offset, n * parts, taps, 2, rows * columns)  # (y, x) of each
    pixels = at.add(at.transpose(offsets, 0, 1, 3, 2), _taps(node, kernel, rows, columns))
    grid = _normalized(at, pixels, np.array([height, width], np.float64))
    grid = at.concat([at.part(grid, 3, 1, 2), at.part(grid, 3, 0, 1)], 3)  # (x, y)
    grid = at.reshape(grid, n * parts, taps * rows, columns, 2)
    images = at.reshape(x, n * parts, c // parts, height, width)
    to = (n * parts, c // parts, taps * rows, columns)
    sampled = at.run("GridSample", images, grid, to=to, padding_mode="zeros", **SAMPLES)
    if len(node.inputs) > 4 and node.inputs[4] is not None:
        sampled = at.mul(sampled, at.reshape(given(node.inputs[4]), n * parts, 1, taps * rows, columns))
    sampled = at.reshape(sampled, n, c * taps, rows, columns)
    bias = given(node.inputs[3]) if len(node.inputs) > 3 and node.inputs[3] is not None else np.zeros(made)
    return at.run(
        "Conv",
        sampled,
        constant(node.graph, weight.reshape(made, inputs * taps, 1, 1), given(node.inputs[1]).name),
        bias,
        to=shape(node.outputs[0]),
        kernel_shape=[1, 1],
        strides=[1, 1],
        pads=[0, 0, 0, 0],
        dilations=[1, 1],
        group=attribute(node, "group", 1),
    )


def _taps(node: ir.Node, kernel: list[int], rows: int, columns: int) -> np.ndarray:
    """(1, taps, rows * columns, 2): the pixel (y, x) of each tap at each place, before the offsets."""
    strides, dilations = (attribute(node, name, (1, 1)) for name in ("strides", "dilations"))
    pads = attribute(node, "pads", (0, 0, 0, 0))
    axes = [
        np.arange(k)[:, None] * dilation + np.arange(count) * stride - pad
        for k, dilation, count, stride, pad in zip(kernel, dilations, (rows, columns), strides, pads, strict=False)
    ]
    y = np.broadcast_to(axes[0][:, None, :, None], (*kernel, rows, columns))
    x = np.broadcast_to(axes[1][None, :, None, :], (*kernel, rows, columns))
    return np.stack([y, x], -1).reshape(1, kernel[0] * kernel[1], rows * columns, 2).astype(np.float32)
