"""Mul | Add(views(layer(x)), c) -> views(layer'(x)), for a Conv or linear and one number per channel, or one for all

Takes in BatchNormalization behind a layer, layer scale, and a bias that stands alone; c may have passed Transposes, and
Reshapes that keep the channels last. Leaves a node alone where something else reads the layer's result, or c varies
along another axis.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import Operand, attribute, can_replace, const_value, producer, replace, shape, sole_consumer
from ....graph.layers import Weighted, rescale, weighted


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type not in ("Mul", "Add") or is_bias(node):
            continue
        x, array = node.inputs[0], const_value(node.inputs[1])
        if array is None or shape(x) != shape(node.outputs[0]) or not can_replace(node.outputs[0], x):
            continue
        found = layer_behind(x, array.reshape((1,) * (len(shape(x)) - array.ndim) + array.shape))
        if found is None:
            continue
        layer, numbers = found
        rescale(layer, *((numbers,) if node.op_type == "Mul" else (1.0, numbers)))
        replace(node.outputs[0], node.inputs[0])
        graph.remove(node, safe=True)
        count += 1
    return count


def is_bias(node: ir.Node) -> bool:
    layer = weighted(node.outputs[0])
    return layer is not None and layer.add is node


def layer_behind(value: Operand, array: np.ndarray) -> tuple[Weighted, np.ndarray] | None:
    """The layer whose result, seen through views, is `value`, and `array` as one number per channel of it.

    array: of the rank of `value`, to be broadcast to its shape. None where there is no such layer or something else
    reads what the layer computes.
    """
    if sole_consumer(value) is None:
        return None
    layer = weighted(value)
    if layer is not None:
        along = [i for i, size in enumerate(array.shape) if size != 1]
        return (layer, array.reshape(-1)) if set(along) <= {layer.channel_axis} else None
    node = producer(value)
    if node is None:
        return None
    before = node.inputs[0]
    if node.op_type == "Transpose":
        perm = attribute(node, "perm")
        return layer_behind(before, array.transpose(np.argsort(perm)))
    if node.op_type == "Reshape":
        dims, rank = shape(before), len(shape(before))
        if array.size == 1:
            return layer_behind(before, array.reshape((1,) * rank))
        if array.shape[-1] == array.size and dims[-1] == shape(value)[-1]:
            return layer_behind(before, array.reshape((1,) * (rank - 1) + (-1,)))
    return None
