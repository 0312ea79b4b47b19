"""Mul(x, HardSigmoid(x)) | Mul(Mul(x, Clip(Add(x, 3), 0, 6)), 1/6) | Mul(Mul(x, 1/6), the Clip) -> HardSwish(x)

Leaves the nodes alone where HardSigmoid has other numbers than 1/6 and 1/2, or the factors read different values.
"""

import onnx_ir as ir

from ....graph.edit import Operand, attribute, emit, producer, replace, scalar, shape
from .hard_sigmoid import SIXTH, is_sixth, relu6_of_plus_3


def rewrite(model: ir.Model) -> int:
    count = 0
    for node in model.graph:
        x = argument(node) if node.op_type == "Mul" else None
        if x is not None:
            replace(node.outputs[0], emit(node, "HardSwish", [x], shape(x)))
            count += 1
    return count


def argument(node: ir.Node) -> ir.Value | None:
    """The x whose HardSwish the Mul computes, or None."""
    a, b = node.inputs
    if is_sixth(scalar(b)) and (product := producer(a, "Mul")) is not None:
        a, b = product.inputs
        return gated(a, b) or gated(b, a)
    for x, gate in ((a, b), (b, a)):
        hard = producer(gate, "HardSigmoid")
        if hard is not None and hard.inputs[0] is x:
            alpha, beta = attribute(hard, "alpha", 0.2), attribute(hard, "beta", 0.5)
            return x if abs(alpha - SIXTH) < 1e-6 and abs(beta - 0.5) < 1e-6 else None
        sixth = producer(x, "Mul")
        if sixth is not None and is_sixth(scalar(sixth.inputs[1])) and gated(sixth.inputs[0], gate) is not None:
            return sixth.inputs[0]
    return None


def gated(x: Operand, gate: Operand) -> ir.Value | None:
    return x if relu6_of_plus_3(gate) is x else None
