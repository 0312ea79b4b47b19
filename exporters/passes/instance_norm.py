"""InstanceNormalization(x, g, b) -> Add(Mul(Div(Sub(x, mean), Sqrt(Add(mean of squares, eps))), g), b)

A GroupNorm of one group comes as Reshape(y) to (n, 1, all) in front: then the means are taken over the axes of y.
Leaves a node alone whose g or b is computed.
"""

import numpy as np
import onnx_ir as ir

from ..graph import Operand, attribute, const_value, constant, emit, producer, replace, reshape, shape


def rewrite(graph: ir.Graph) -> int:
    count = 0
    for node in graph:
        if node.op_type != "InstanceNormalization":
            continue
        x, gamma, beta = node.inputs[0], const_value(node.inputs[1]), const_value(node.inputs[2])
        if gamma is None or beta is None:
            continue
        to = shape(x)
        before = producer(x, "Reshape")
        if before is not None and to[1] == 1 and shape(before.inputs[0])[0] == to[0]:
            x = before.inputs[0]
        first = 1 if to[1] == 1 else 2  # channels are normalised together where there is one
        value = normalised(x, list(range(first, len(shape(x)))), attribute(node, "epsilon", 1e-5), node)
        per_channel = (-1,) + (1,) * (len(shape(x)) - 2)  # (c,) -> (c, 1, 1) for NCHW
        for op_type, array, name, neutral in (("Mul", gamma, "weight", 1), ("Add", beta, "bias", 0)):
            if (array == neutral).all():
                continue
            operand = constant(graph, array.reshape(per_channel), f"instance_norm.{name}")
            value = emit(node, op_type, [value, operand], shape(x))
        replace(node.outputs[0], reshape(value, to, node))
        graph.remove(node, safe=True)
        count += 1
    return count


def normalised(x: Operand, axes: list[int], epsilon: float, before: ir.Node) -> ir.Value:
    """(x - mean) / sqrt(variance + epsilon) over the axes."""
    dims = shape(x)
    kept = [1 if i in axes else size for i, size in enumerate(dims)]
    operand = constant(before.graph, np.array(axes, np.int64), "axes")
    small = constant(before.graph, np.array(epsilon, np.float32), "epsilon")
    centred = emit(before, "Sub", [x, emit(before, "ReduceMean", [x, operand], kept, {"keepdims": 1})], dims)
    squares = emit(before, "Mul", [centred, centred], dims)
    variance = emit(before, "ReduceMean", [squares, operand], kept, {"keepdims": 1})
    spread = emit(before, "Sqrt", [emit(before, "Add", [variance, small], kept)], kept)
    return emit(before, "Div", [centred, spread], dims)
