"""Gelu(x) -> Mul(x, Sigmoid(Mul(x, Add(Mul(Mul(x, x), b), a))))

The formula with the third power (arXiv:1606.08415, section 2), of which tanh(z) = 2 sigmoid(2 z) - 1: off by at most
0.0005, for kernels of int16 that have no GELU. int8 has no bits for it and takes `expand_gelu`.
"""

from __future__ import annotations

import math

import onnx_ir as ir

from .in_parts import Step, rewrite_each

SLOPE = 2 * math.sqrt(2 / math.pi)
CUBIC = 0.044715 * SLOPE


def rewrite(model: ir.Model) -> ir.Model:
    """A copy of `model`; what a Gelu computes keeps its name."""
    return rewrite_each(model, "Gelu", _gelu)


def _gelu(step: Step, x: ir.Value) -> ir.Value:
    scaled = step("scaled", "Mul", step("square", "Mul", x, x), CUBIC)
    steeper = step("steeper", "Mul", x, step("factor", "Add", scaled, SLOPE))
    return step("result", "Mul", x, step("gate", "Sigmoid", steeper))
