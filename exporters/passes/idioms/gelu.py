"""x * (1 + erf(x / sqrt(2))) / 2 -> Gelu(x); x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2 -> Gelu(x, "tanh")

The factors may stand in any order, x^3 may be a Pow or a product. Leaves the nodes alone where other numbers stand in
them.
"""

import math

import onnx_ir as ir

from ....graph.edit import Operand, emit, producer, replace, scalar, shape
from ....graph.products import Product, product


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for curve, argument, approximate in (("Erf", erf_argument, "none"), ("Tanh", tanh_argument, "tanh")):
        if not any(node.op_type == curve for node in graph):
            continue
        for node in graph:
            x = input_of(node, curve, argument) if node.op_type == "Mul" else None
            if x is not None:
                new = emit(node, "Gelu", [x], shape(x), {"approximate": approximate})
                replace(node.outputs[0], new)
                count += 1
    return count


def input_of(node: ir.Node, curve: str, argument) -> ir.Value | None:
    """The x whose Gelu the Mul computes: 0.5 * x * (1 + curve(argument of x))."""
    whole = product(node.outputs[0])
    if len(whole.factors) != 2:
        return None
    for gate in whole.factors:
        add = producer(gate, "Add")
        bell = producer(add.inputs[0], curve) if add is not None and scalar(add.inputs[1]) == 1 else None
        if bell is None:
            continue
        (x,) = (factor for factor in whole.factors if factor is not gate)
        inner = argument(bell.inputs[0], x)
        if inner is not None and Product(whole.number, ()).is_near(0.5) and shape(x) == shape(node.outputs[0]):
            return x
    return None


def erf_argument(value: Operand, x: ir.Value) -> ir.Value | None:
    rest = product(value).without(x)
    return x if rest is not None and rest.is_near(math.sqrt(0.5)) else None


def tanh_argument(value: Operand, x: ir.Value) -> ir.Value | None:
    """x where the value is sqrt(2 / pi) * (x + 0.044715 x^3), or sqrt(2 / pi) * x * (1 + 0.044715 x^2)."""
    outer = product(value)
    for total in outer.factors:
        add = producer(total, "Add")
        if add is None:
            continue
        front = outer.without(total)
        if scalar(add.inputs[1]) == 1:
            front, cubic = outer.without(total, x), product(add.inputs[0]).without(x, x)
        else:
            terms = [given for given in add.inputs if given is not x]
            cubic = product(terms[0]).without(x, x, x) if len(terms) == 1 else None
        if front is not None and cubic is not None:
            return x if front.is_near(math.sqrt(2 / math.pi)) and cubic.is_near(0.044715) else None
    return None
