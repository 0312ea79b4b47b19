"""Mul | Add(LayerNormalization(x, g, b), c) -> LayerNormalization(x, g * c, b * c) | (x, g, b + c)

c lies along the last axis. Leaves the node alone where something else reads the LayerNormalization, or c varies
along another axis.
"""

import numpy as np
import onnx_ir as ir

from ..graph import can_replace, const_value, constant, producer, replace, shape, sole_consumer


def rewrite(graph: ir.Graph) -> int:
    count = 0
    for node in graph:
        if node.op_type not in ("Mul", "Add"):
            continue
        (value, _), array = node.inputs, const_value(node.inputs[1])
        norm = producer(value, "LayerNormalization")
        if norm is None or array is None or sole_consumer(value) is None or not can_replace(node.outputs[0], value):
            continue
        if (array.ndim and array.shape[-1] != array.size) or shape(value) != shape(node.outputs[0]):
            continue
        gamma, beta = (const_value(given) for given in norm.inputs[1:3])
        new = (gamma * array, beta * array) if node.op_type == "Mul" else (gamma, beta + array)
        for index, numbers in zip((1, 2), new, strict=True):
            numbers = np.broadcast_to(numbers.reshape(-1), gamma.shape).astype(np.float32)
            norm.replace_input_with(index, constant(graph, numbers, norm.inputs[index].name))
        replace(node.outputs[0], value)
        graph.remove(node, safe=True)
        count += 1
    return count
