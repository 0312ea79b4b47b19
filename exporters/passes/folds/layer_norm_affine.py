"""layer(LayerNormalization(x, g, b)) -> layer'(LayerNormalization(x, ones, zeros)), for linears and Convs

What only moves whole rows of channels may stand in between, and what makes an image of them. Leaves a
LayerNormalization alone that anything but such layers reads, or the graph returns, or that has no affine part; where it
has a shift, also one that a Conv pads: a border of zeros is not the shift.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import array, attribute, const_value, constant, consumers, given, shape
from ....graph.layers import Weighted, bias_add, is_matmul, weighted
from .affine_into_reader import pads, take_in

TO_IMAGE = (0, 3, 1, 2)  # NHWC -> NCHW


def rewrite(model: ir.Model) -> int:
    return sum(fold(node) for node in model.graph if node.op_type == "LayerNormalization")


def fold(node: ir.Node) -> int:
    gamma, beta = (const_value(value) for value in node.inputs[1:3])
    if gamma is None or beta is None or gamma.ndim != 1:
        return 0
    readers = layers_behind(node.outputs[0])
    if (gamma == 1).all() and (beta == 0).all():
        return 0
    if not readers or (beta.any() and any(pads(reader) for reader in readers)):
        return 0
    for reader in readers:
        take_in(reader, "Add", beta.astype(np.float64))
        take_in(reader, "Mul", gamma.astype(np.float64))
    for index, numbers in ((1, np.ones(gamma.shape, np.float32)), (2, np.zeros(beta.shape, np.float32))):
        node.replace_input_with(index, constant(node.graph, numbers, given(node.inputs[index]).name))
    return 1


def layers_behind(normalised: ir.Value) -> list[Weighted]:
    """The linears and Convs that read the value, directly or moved; none where anything else does."""
    channels = shape(normalised)[-1]
    values, images, layers, joins = [normalised], [], [], []
    for value in values:  # which grows
        if value.is_graph_output():
            return []
        for reader in consumers(value):
            if is_matmul(reader) and reader.inputs[0] is value and shape(value)[-1] == channels:
                add = bias_add(reader)
                layers.append((add and weighted(add.outputs[0])) or Weighted(reader))
            elif makes_image(reader, channels):
                images.append(reader.outputs[0])
            elif not moves_rows(reader, channels):
                return []
            elif reader.outputs[0] not in values:
                values.append(reader.outputs[0])
                joins += [reader] if reader.op_type == "Concat" else []
    for image in images:
        convs = [weighted(reader.outputs[0]) for reader in consumers(image) if reader.op_type == "Conv"]
        whole = len(convs) == len(consumers(image)) and not image.is_graph_output()
        if not whole or any(conv is None or conv.node.inputs[0] is not image for conv in convs):
            return []
        layers += convs
    return layers if all(operand in values for join in joins for operand in join.inputs) else []


def makes_image(node: ir.Node, channels: int) -> bool:
    """Whether the node brings the channels of rows (n, h, w, c) in front of their places, as a Conv reads them."""
    return (
        node.op_type == "Transpose"
        and tuple(attribute(node, "perm")) == TO_IMAGE
        and shape(node.inputs[0])[-1] == channels
    )


def moves_rows(node: ir.Node, channels: int) -> bool:
    """Whether the node moves rows, each of all channels, of which the last axis holds one or several."""
    dims = shape(node.inputs[0])
    last = len(dims) - 1
    match node.op_type:
        case "Reshape":
            to = shape(node.outputs[0])
            return bool(to) and to[-1] % channels == 0
        case "Transpose":
            return attribute(node, "perm")[-1] == last
        case "Slice":
            return last not in {int(axis) % len(dims) for axis in array(node.inputs[3])}
        case "Concat":
            return attribute(node, "axis") % len(dims) != last
    return False
