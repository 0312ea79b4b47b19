"""linear(LayerNormalization(x, g, b)) -> linear'(LayerNormalization(x, ones, zeros))

What only moves whole rows of channels may stand in between. Leaves a LayerNormalization alone that anything but linears
reads, or the graph returns, or that has no affine part.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import array, attribute, const_value, constant, consumers, given, shape, sole_consumer
from ....graph.layers import Weighted, is_matmul, set_weights, weighted


def rewrite(model: ir.Model) -> int:
    return sum(fold(node) for node in model.graph if node.op_type == "LayerNormalization")


def fold(node: ir.Node) -> int:
    gamma, beta = (const_value(value) for value in node.inputs[1:3])
    if gamma is None or beta is None or gamma.ndim != 1:
        return 0
    readers = linears_behind(node.outputs[0])
    if not readers:
        return 0
    if (gamma == 1).all() and (beta == 0).all():
        return 0
    gamma, beta = gamma.astype(np.float64), beta.astype(np.float64)
    for reader in readers:
        add = sole_consumer(reader.outputs[0], "Add")
        layer = weighted(add.outputs[0]) if add is not None else None
        layer = layer if layer is not None and layer.node is reader else Weighted(reader)
        set_weights(layer, gamma[:, None] * layer.weight, beta @ layer.weight + layer.bias)
    for index, numbers in ((1, np.ones(gamma.shape, np.float32)), (2, np.zeros(beta.shape, np.float32))):
        node.replace_input_with(index, constant(node.graph, numbers, given(node.inputs[index]).name))
    return 1


def linears_behind(normalised: ir.Value) -> list[ir.Node]:
    """The MatMuls that read the value, directly or moved; none where anything else does."""
    channels = shape(normalised)[-1]
    values, linears, joins = [normalised], [], []
    for value in values:  # which grows
        if value.is_graph_output():
            return []
        for reader in consumers(value):
            if is_matmul(reader) and reader.inputs[0] is value and shape(value)[-1] == channels:
                linears.append(reader)
            elif not moves_rows(reader, channels):
                return []
            elif reader.outputs[0] not in values:
                values.append(reader.outputs[0])
                joins += [reader] if reader.op_type == "Concat" else []
    return linears if all(operand in values for join in joins for operand in join.inputs) else []


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
