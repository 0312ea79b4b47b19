"""Add | Mul | Sub | Div(Reduce...(x) of three axes, c) -> the same with c repeated to the result's shape

Fused into the reduction, a constant of (n, 1) is read along another axis. Leaves alone a constant that is one number or
has the whole shape.
"""

from math import prod

import numpy as np
import onnx_ir as ir

from ....graph.edit import const_value, constant, shape
from .named_nodes import first_maker


def rewrite(model: ir.Model) -> int:
    count = 0
    for node in model.graph:
        if node.op_type not in ("Add", "Mul", "Sub", "Div") or len(to := shape(node.outputs[0])) != 3:
            continue
        for index, value in enumerate(node.inputs):
            numbers = const_value(value)
            if numbers is None or not 1 < numbers.size < prod(to) or not is_reduced(node.inputs[1 - index], to):
                continue
            repeated = np.broadcast_to(numbers, to).copy()
            node.replace_input_with(index, constant(model.graph, repeated, f"{node.outputs[0].name}_repeated"))
            count += 1
    return count


def is_reduced(value: ir.Value | None, to: tuple[int, ...]) -> bool:
    """Whether a value of the shape is that of a reduction, or of operators element by element behind one."""
    node = value.producer() if value is not None else None
    while node is not None and shape(node.outputs[0]) == to:
        if node.op_type.startswith("Reduce"):
            return True
        node = first_maker(node)
    return False
