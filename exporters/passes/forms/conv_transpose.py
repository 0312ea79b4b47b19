"""ConvTranspose(auto_pad, output_shape) -> ConvTranspose(pads, output_padding), with a bias; with groups, dilations or
unit strides -> Conv(x with zeros between its elements, W turned round)

The zeros are a nearest Resize times a mask. Leaves a node alone whose weights are computed, that has other than two
spatial axes, or that is written so already.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ....graph.edit import array, attribute, const_value, constant, emit, given, name_of, replace, shape
from .explicit_slice import emit_slice

ATTRIBUTES = {"kernel_shape", "strides", "pads", "output_padding"}


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "ConvTranspose" or len(shape(node.inputs[0])) != 4:
            continue
        if (len(node.inputs) == 3 and node.attributes.keys() == ATTRIBUTES) or const_value(node.inputs[1]) is None:
            continue
        replace(node.outputs[0], canonical(node))
        graph.remove(node, safe=True)
        count += 1
    return count


def canonical(node: ir.Node) -> ir.Value:
    x, weight, group = given(node.inputs[0]), array(node.inputs[1]), attribute(node, "group", 1)
    strides, dilations = attribute(node, "strides", (1, 1)), attribute(node, "dilations", (1, 1))
    pads, extra = pads_of(node)
    to = shape(node.outputs[0])
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is None:
        name = name_of(node.inputs[1]).removesuffix(".weight") + ".bias"
        bias = constant(node.graph, np.zeros(to[1], np.float32), name)
    kernel = weight.shape[2:]
    if group == 1 and tuple(dilations) == (1, 1) and tuple(strides) != (1, 1):
        attributes = {"kernel_shape": kernel, "strides": strides, "pads": pads, "output_padding": extra}
        return emit(node, "ConvTranspose", [x, node.inputs[1], bias], to, attributes)
    x = spread(x, strides, node)
    ends = []
    for i in (0, 1):  # the spread image ends in strides - 1 zeros
        reach = dilations[i] * (kernel[i] - 1)
        ends.append((reach - pads[i], reach - pads[i + 2] + extra[i] - (strides[i] - 1)))
    cut = {2 + i: (max(0, -a), shape(x)[2 + i] - max(0, -b), 1) for i, (a, b) in enumerate(ends) if min(a, b) < 0}
    if cut:
        x = emit_slice(x, cut, node)
    grouped = weight.reshape(group, -1, *weight.shape[1:]).swapaxes(1, 2)  # (g, c, o, h, w) -> (g, o, c, h, w)
    turned = grouped.reshape(to[1], -1, *kernel)[:, :, ::-1, ::-1]
    attributes = {
        "kernel_shape": kernel,
        "strides": (1, 1),
        "pads": [max(0, pair[side]) for side in (0, 1) for pair in ends],
        "dilations": dilations,
        "group": group,
    }
    return emit(node, "Conv", [x, constant(node.graph, turned, name_of(node.inputs[1])), bias], to, attributes)


def pads_of(node: ir.Node) -> tuple[list[int], list[int]]:
    """pads (top, left, bottom, right) and output_padding, so that the result has its shape."""
    sizes, out = shape(node.inputs[0])[2:], shape(node.outputs[0])[2:]
    strides, dilations = attribute(node, "strides", (1, 1)), attribute(node, "dilations", (1, 1))
    kernel, extra = shape(node.inputs[1])[2:], list(attribute(node, "output_padding", (0, 0)))
    pads, auto_pad = list(attribute(node, "pads", (0, 0, 0, 0))), attribute(node, "auto_pad", "NOTSET")
    if auto_pad in ("NOTSET", "VALID") and "output_shape" not in node.attributes:
        return pads, extra
    for i in (0, 1):
        total = strides[i] * (sizes[i] - 1) + extra[i] + dilations[i] * (kernel[i] - 1) + 1 - out[i]
        extra[i] += max(0, -total)
        less, more = max(0, total) // 2, max(0, total) - max(0, total) // 2
        pads[i], pads[i + 2] = (less, more) if auto_pad == "SAME_UPPER" else (more, less)
    return pads, extra


def spread(x: ir.Value, strides: tuple[int, int], node: ir.Node) -> ir.Value:
    """(n, c, h, w) -> (n, c, h * stride, w * stride): each element, then zeros."""
    if tuple(strides) == (1, 1):
        return x
    n, c, h, w = shape(x)
    to = (n, c, h * strides[0], w * strides[1])
    mask = np.zeros(to[2:], np.float32)
    mask[:: strides[0], :: strides[1]] = 1
    attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    x = emit(node, "Resize", [x, None, None, constant(node.graph, np.array(to, np.int64), "sizes")], to, attributes)
    return emit(node, "Mul", [x, constant(node.graph, mask, "mask")], to)
