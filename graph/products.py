"""Take a value apart into a number times other values, so that an idiom is found however it is spelled."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from .edit import Operand, given, producer, scalar


@dataclass(frozen=True)
class Product:
    """number * factors[0] * factors[1] * ..., each factor as often as it is multiplied in."""

    number: float
    factors: tuple[ir.Value, ...]

    def without(self, *values: ir.Value) -> Product | None:
        """The product less one of each value; None where one is not a factor."""
        rest = list(self.factors)
        for value in values:
            if value not in rest:
                return None
            rest.remove(value)
        return Product(self.number, tuple(rest))

    def is_near(self, number: float) -> bool:
        """Whether it is nothing but a number, this one to four digits (models write 0.7979 and 0.044715)."""
        return not self.factors and abs(self.number - number) <= 1e-4 * abs(number)


def product(value: Operand, depth: int = 6) -> Product:
    """Take Mul, Neg, and Pow by 2 or 3 apart, at most `depth` deep."""
    number = scalar(value)
    if number is not None:
        return Product(number, ())
    node = producer(value)
    if node is not None and depth and node.op_type == "Mul":
        a, b = (product(given, depth - 1) for given in node.inputs)
        return Product(a.number * b.number, a.factors + b.factors)
    if node is not None and depth and node.op_type == "Neg":
        a = product(node.inputs[0], depth - 1)
        return Product(-a.number, a.factors)
    if node is not None and depth and node.op_type == "Pow" and (power := scalar(node.inputs[1])) in (2, 3):
        a = product(node.inputs[0], depth - 1)
        return Product(a.number ** int(power), a.factors * int(power))
    return Product(1.0, (given(value),))
