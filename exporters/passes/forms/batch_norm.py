"""BatchNormalization(x) -> Add(Mul(x, s), t) with one number per channel

channel_affine then folds both into the layer in front, if there is one. Leaves a node alone that is in training mode or
whose parameters are computed.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import array, attribute, const_value, constant, emit, given, replace, shape


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "BatchNormalization" or attribute(node, "training_mode", 0):
            continue
        if any(const_value(value) is None for value in node.inputs[1:]):
            continue
        gamma, beta, mean, variance = (array(value).astype(np.float64) for value in node.inputs[1:])
        scale = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        x, (out, *_) = node.inputs[0], node.outputs
        to = shape(x)
        per_channel = (-1,) + (1,) * (len(to) - 2)  # (c,) -> (c, 1, 1) for NCHW
        for op_type, numbers in (("Mul", scale), ("Add", beta - mean * scale)):
            operand = numbers.reshape(per_channel).astype(np.float32)
            x = emit(node, op_type, [x, constant(graph, operand, given(node.inputs[1]).name)], to)
        replace(out, x)
        graph.remove(node, safe=True)
        count += 1
    return count
