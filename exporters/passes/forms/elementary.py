"""Tan(x) -> Div(Sin(x), Cos(x)), and the other functions of angles and hyperbolas in Atan, Exp, Log and Sqrt

Every target has those. Abramowitz & Stegun, Handbook of Mathematical Functions, 4.4 to 4.6.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import constant, emit, given, shape
from ....graph.replacing import replace_each

Number = ir.Value | float


class _Formula:
    """Operators in front of a node, on values and numbers, all of the shape of the node's input."""

    def __init__(self, node: ir.Node) -> None:
        self.node, self.x = node, given(node.inputs[0])

    def __call__(self, op_type: str, *operands: Number) -> ir.Value:
        values = [
            v if isinstance(v, ir.Value) else constant(self.node.graph, np.array(v, np.float32), "number")
            for v in operands
        ]
        return emit(self.node, op_type, values, shape(self.x))


def tan(node: ir.Node) -> ir.Value:
    f = _Formula(node)
    return f("Div", f("Sin", f.x), f("Cos", f.x))


def asin(node: ir.Node) -> ir.Value:
    """atan(x / sqrt((1 - x) (1 + x)))"""
    f = _Formula(node)
    return f("Atan", f("Div", f.x, f("Sqrt", f("Mul", f("Sub", 1.0, f.x), f("Add", f.x, 1.0)))))


def acos(node: ir.Node) -> ir.Value:
    """2 atan(sqrt((1 - x) / (1 + x)))"""
    f = _Formula(node)
    return f("Mul", f("Atan", f("Sqrt", f("Div", f("Sub", 1.0, f.x), f("Add", f.x, 1.0)))), 2.0)


def sinh(node: ir.Node) -> ir.Value:
    f = _Formula(node)
    return f("Mul", f("Sub", f("Exp", f.x), f("Exp", f("Neg", f.x))), 0.5)


def cosh(node: ir.Node) -> ir.Value:
    f = _Formula(node)
    return f("Mul", f("Add", f("Exp", f.x), f("Exp", f("Neg", f.x))), 0.5)


def asinh(node: ir.Node) -> ir.Value:
    """sign(x) log(|x| + sqrt(x^2 + 1))"""
    f = _Formula(node)
    magnitude = f("Abs", f.x)
    root = f("Sqrt", f("Add", f("Mul", f.x, f.x), 1.0))
    return f("Mul", f("Log", f("Add", magnitude, root)), f("Sign", f.x))


def acosh(node: ir.Node) -> ir.Value:
    """log(x + sqrt((x - 1) (x + 1)))"""
    f = _Formula(node)
    root = f("Sqrt", f("Mul", f("Add", f.x, -1.0), f("Add", f.x, 1.0)))
    return f("Log", f("Add", f.x, root))


def atanh(node: ir.Node) -> ir.Value:
    """log((1 + x) / (1 - x)) / 2"""
    f = _Formula(node)
    return f("Mul", f("Log", f("Div", f("Add", f.x, 1.0), f("Sub", 1.0, f.x))), 0.5)


REWRITES = {
    "Tan": tan,
    "Asin": asin,
    "Acos": acos,
    "Sinh": sinh,
    "Cosh": cosh,
    "Asinh": asinh,
    "Acosh": acosh,
    "Atanh": atanh,
}


def rewrite(model: ir.Model) -> int:
    return replace_each(model.graph, REWRITES)
