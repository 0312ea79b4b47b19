"""Mul | Add(LayerNormalization(x, g, b), c) -> LayerNormalization(x, g * c, b * c) | (x, g, b + c)

c lies along the last axis. Leaves the node alone where something else reads the LayerNormalization, or c varies
along another axis.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import array, can_replace, const_value, constant, given, producer, replace, shape, sole_consumer


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type not in ("Mul", "Add"):
            continue
        value, numbers = node.inputs[0], const_value(node.inputs[1])
        norm = producer(value, "LayerNormalization")
        if norm is None or numbers is None or sole_consumer(value) is None or not can_replace(node.outputs[0], value):
            continue
        if (numbers.ndim and numbers.shape[-1] != numbers.size) or shape(value) != shape(node.outputs[0]):
            continue
        gamma, beta = (array(operand) for operand in norm.inputs[1:3])
        new = (gamma * numbers, beta * numbers) if node.op_type == "Mul" else (gamma, beta + numbers)
        for index, parameter in zip((1, 2), new, strict=True):
            parameter = np.broadcast_to(parameter.reshape(-1), gamma.shape).astype(np.float32)
            norm.replace_input_with(index, constant(graph, parameter, given(norm.inputs[index]).name))
        replace(node.outputs[0], value)
        graph.remove(node, safe=True)
        count += 1
    return count
