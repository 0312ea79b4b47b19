"""(x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) -> LayerNormalization(x, ones, zeros), over the last axis

The quotient may be a product with 1 / sqrt, the square a Pow or a product. Leaves the nodes alone where the means are
over other axes.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import Operand, array, constant, emit, producer, replace, scalar, shape
from ....graph.products import product


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type not in ("Div", "Mul"):
            continue
        found = match(node)
        if found is None:
            continue
        x, epsilon = found
        size = shape(x)[-1:]
        operands = [
            constant(graph, fill(size, np.float32), name)
            for fill, name in ((np.ones, "layer_norm.weight"), (np.zeros, "layer_norm.bias"))
        ]
        attributes = {"axis": len(shape(x)) - 1, "epsilon": epsilon}
        replace(node.outputs[0], emit(node, "LayerNormalization", [x, *operands], shape(x), attributes))
        count += 1
    return count


def match(node: ir.Node) -> tuple[ir.Value, float] | None:
    """x and eps of the normalisation that the node ends, or None."""
    centred, spread = node.inputs
    if node.op_type == "Mul":
        inverse = producer(spread, "Div")
        if inverse is None or scalar(inverse.inputs[0]) != 1:
            return None
        spread = inverse.inputs[1]
    root = producer(spread, "Sqrt")
    total = producer(root.inputs[0], "Add") if root is not None else None
    x = centred_over_last_axis(centred)
    if total is None or x is None or (epsilon := scalar(total.inputs[1])) is None:
        return None
    squares = mean_over_last_axis(total.inputs[0])
    if squares is None:
        return None
    parts = product(squares)
    same = all(part is centred or centred_over_last_axis(part) is x for part in parts.factors)
    return (x, epsilon) if same and len(parts.factors) == 2 and parts.number == 1 else None


def mean_over_last_axis(value: Operand) -> ir.Value | None:
    """x of ReduceMean(x, last axis), or None."""
    node = producer(value, "ReduceMean")
    if node is None or len(shape(value)) != len(shape(node.inputs[0])):
        return None
    return node.inputs[0] if array(node.inputs[1]).tolist() == [len(shape(value)) - 1] else None


def centred_over_last_axis(value: Operand) -> ir.Value | None:
    """x of Sub(x, ReduceMean(x, last axis)), or None."""
    node = producer(value, "Sub")
    return node.inputs[0] if node is not None and mean_over_last_axis(node.inputs[1]) is node.inputs[0] else None
