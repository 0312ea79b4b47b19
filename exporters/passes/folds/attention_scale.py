"""Mul(MatMul(views(linear(q)), k), s) -> MatMul(views(linear'(q)), k), for a number s

Takes in the scale of the scores; a scale on q or k itself is channel_affine's. Goes into k's linear where q's cannot
take it. Leaves the node alone where neither is a layer that nothing else reads.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import can_replace, producer, replace, scalar, shape, sole_consumer
from ....graph.layers import rescale
from .affine_into_layer import layer_behind


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "Mul" or (factor := scalar(node.inputs[1])) is None:
            continue
        scores = node.inputs[0]
        matmul = producer(scores, "MatMul")
        if matmul is None or sole_consumer(scores) is None or shape(scores) != shape(node.outputs[0]):
            continue
        found = None
        for operand in matmul.inputs:
            found = found or layer_behind(operand, np.full((1,) * len(shape(operand)), factor))
        if found is None or not can_replace(node.outputs[0], scores):
            continue
        rescale(*found)
        replace(node.outputs[0], scores)
        graph.remove(node, safe=True)
        count += 1
    return count
