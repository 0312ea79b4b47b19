"""Mul(Clip(Add(x, 3), 0, 6), 1/6) -> HardSigmoid(x)

Leaves the nodes alone where other numbers stand in them, or something else reads what they compute in between.
"""

import onnx_ir as ir

from ....graph.edit import Operand, emit, producer, replace, scalar, shape, sole_consumer

SIXTH = 1 / 6


def rewrite(model: ir.Model) -> int:
    count = 0
    for node in model.graph:
        if node.op_type != "Mul" or not is_sixth(scalar(node.inputs[1])):
            continue
        x = relu6_of_plus_3(node.inputs[0])
        if x is None or sole_consumer(node.inputs[0]) is None or shape(x) != shape(node.outputs[0]):
            continue
        new = emit(node, "HardSigmoid", [x], shape(x), {"alpha": SIXTH, "beta": 0.5})
        replace(node.outputs[0], new)
        count += 1
    return count


def is_sixth(number: float | None) -> bool:
    return number is not None and abs(number - SIXTH) < 1e-6


def relu6_of_plus_3(value: Operand) -> ir.Value | None:
    """x of Clip(Add(x, 3), 0, 6), where the Clip alone reads the sum."""
    clip = producer(value, "Clip")
    if clip is None or (scalar(clip.inputs[1]), scalar(clip.inputs[2])) != (0, 6):
        return None
    add = producer(clip.inputs[0], "Add")
    if add is None or scalar(add.inputs[1]) != 3 or sole_consumer(add.outputs[0]) is None:
        return None
    return add.inputs[0]
