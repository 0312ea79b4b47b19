"""Add(c, x) -> Add(x, c); Mul(Sigmoid(x), x) -> Mul(x, Sigmoid(x)); a constant loses the leading axes of size 1

So a constant operand stands second, a scalar is 0-d and a bias 1-D. Leaves Sub and Div alone, which do not commute, and
a constant whose leading axes make the result's rank.
"""

import onnx_ir as ir

from ....graph.dialect import stored
from ....graph.edit import const_value, constant, given, producer, shape

COMMUTE = {"Add", "Mul"}
BROADCAST = COMMUTE | {"Sub", "Div", "Pow"}


def rewrite(model: ir.Model) -> int:
    return sum(swap(node) + strip(node) for node in model.graph if node.op_type in BROADCAST)


def swap(node: ir.Node) -> int:
    a, b = node.inputs
    if node.op_type not in COMMUTE or a is b:
        return 0
    silu = node.op_type == "Mul" and (sigmoid := producer(a, "Sigmoid")) is not None and sigmoid.inputs[0] is b
    if not silu and (stored(a) is None or stored(b) is not None):
        return 0
    node.replace_input_with(0, b)
    node.replace_input_with(1, a)
    return 1


def strip(node: ir.Node) -> int:
    for i, value in enumerate(node.inputs):
        numbers, other = const_value(value), node.inputs[1 - i]
        if numbers is None or const_value(other) is not None:
            continue
        to = numbers.shape
        while to and to[0] == 1:
            to = to[1:]
        if to != numbers.shape and len(shape(other)) == len(shape(node.outputs[0])):
            node.replace_input_with(i, constant(node.graph, numbers.reshape(to), given(value).name))
            return 1
    return 0
