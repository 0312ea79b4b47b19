"""Compute with int16 activations, in several operators, what has no int16 kernel or one that is not exact."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...graph.qparams import QParams, symmetric16
from .builder import Builder

RELU6 = 3  # the schema's number

# x * y * y is 1 where y is exact, and grows with the square where y is too large, as interpolating makes it. Behind it
# RSQRT, of a range that ends here, is exact at 1 to 1 / 2700.
MOST_OFF = 16.0


def is_int16(mb: Builder) -> bool:
    """Whether the result that is being computed is int16."""
    return mb.target.quant is not None and mb.target.quant.dtype == "int16"


def hard_swish(mb: Builder, x: int) -> int:
    """x * (relu6(x + 3) / 6)"""
    total = _binary(mb, "ADD", [x, _number(mb, 3.0)], 6.0, fusedActivationFunction=RELU6, potScaleInt16=False)
    gate = _binary(mb, "MUL", [total, _number(mb, 1 / 6)], 1.0)
    return mb.run("MUL", [x, gate], mb.shape(x), fusedActivationFunction=0)


def inverse_root(mb: Builder, x: int) -> int:
    """y / sqrt(x * y * y), with the y that RSQRT gives

    LiteRT's kernel draws straight lines between 256 places of its range: near zero it is off by up to 9 %, and more
    below the first of them. What is left of x behind it, x * y * y, is near 1, where the kernel is exact.
    """
    shape, quant, known = mb.shape(x), mb.target.quant, mb.quant(x)
    assert quant is not None
    assert known is not None
    first = mb.emit("RSQRT", [x], shape, quant=quant)
    root = _binary(mb, "MUL", [x, first], 1.1 * known.range[1] ** 0.5)
    left = _binary(mb, "MUL", [root, first], MOST_OFF)
    second = mb.emit("RSQRT", [left], shape, quant=symmetric16(0, 1.25))
    return mb.run("MUL", [first, second], shape, fusedActivationFunction=0)


def _number(mb: Builder, number: float) -> int:
    quant = symmetric16(0, number)
    return mb.const(quant.quantize(np.array([number], np.float32)), quant)


def _binary(mb: Builder, op: str, operands: Sequence[int], most: float, **options: object) -> int:
    """The operator's result in a range that ends at `most`."""
    quant: QParams = symmetric16(0, most)
    return mb.emit(op, operands, mb.shape(operands[0]), quant=quant, **{"fusedActivationFunction": 0, **options})
