"""HardSwish(x) -> Mul(x, Mul(Clip(Add(x, 3), 0, 6), 1/6))

For kernels of int16, which have no HARD_SWISH (arXiv:1905.02244, section 5.2), and bits enough for one product more.
"""

from __future__ import annotations

import onnx_ir as ir

from .in_parts import Step, rewrite_each


def rewrite(model: ir.Model) -> ir.Model:
    """A copy of `model`; what a HardSwish computes keeps its name."""
    return rewrite_each(model, "HardSwish", _hard_swish)


def _hard_swish(step: Step, x: ir.Value) -> ir.Value:
    clipped = step("clipped", "Clip", step("total", "Add", x, 3.0), 0.0, 6.0)
    return step("result", "Mul", x, step("gate", "Mul", clipped, 1 / 6))
