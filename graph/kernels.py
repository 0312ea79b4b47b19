"""This file says, as data, what a target's integer kernels can do; `plan` reads it and knows no target by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import onnx_ir as ir

from ..quantize.calibration.statistics import Statistics
from .qparams import QParams


@dataclass(frozen=True)
class Kernel:
    """One kind of integer kernel. A kind is an op type, or "Linear": MatMul with a constant, with its bias Add.

    The limits bound a requantisation factor. "each": s_input / s_output for every operand; "product":
    s_a * s_b / s_output, with s_b the weight's scale for Conv and Linear. Outside [low, high) the unit runs in float.
    """

    operands: int | None = 1  # how many leading inputs are activations; None: all of them
    weight_axis: int | None = None  # the output channel's axis of a constant weight (input 1)
    epilogues: tuple[str, ...] = ()  # what the kernel does to its result at no cost, by the names in units.EPILOGUES
    # What becomes of the result. "rounded": it gets a pair, which the kernel does itself; "float": it stays float until
    # a reader rounds it; "moved": it consists of the operands' integers and needs no pair (with same_parameters).
    result: Literal["rounded", "float", "moved"] = "rounded"
    same_parameters: bool = False  # all operands and the result must have one scale and zero point
    fixed_output: QParams | None = None  # the only output parameters the kernel has
    symmetric: tuple[int, ...] = ()  # operands whose zero point must be 0
    multiplier: Literal["each", "product"] | None = None
    limits: tuple[float, float] = (0.0, float("inf"))
    light: bool = False  # so cheap in float that it joins its surroundings: float if only float units read the result
    moves_data: bool = False  # only copies: float if all its operands come from float units
    refuses: Callable[[ir.Node], str | None] = lambda node: None  # why this node cannot run on the kernel


Rewrite = Callable[[ir.Model, Statistics], tuple[ir.Model, Statistics]]


@dataclass(frozen=True)
class KernelSet:
    """A target's kernels by kind; every other kind is a float island. `islands` says why, for the ones we know.

    `forms` write the float graph in ops that have kernels, before it is calibrated; `rewrites` put it, and the
    statistics of its values, into the form that the kernels like.
    """

    name: str
    kernels: Mapping[str, Kernel]
    activations: Literal["int8", "uint8"] = "int8"  # the same real numbers either way
    islands: Mapping[str, str] = field(default_factory=dict)
    symmetric_weights: bool = False  # the kernels multiply by weights whose zero point is 0 only
    integer_biases: bool = False  # the kernels add int32 numbers at s_input * s_weight only
    forms: tuple[Callable[[ir.Model], ir.Model], ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    has_float: bool = True  # else what stays float is refused

    def formed(self, model: ir.Model) -> ir.Model:
        """All forms, one after the other; `model` itself is left as it was."""
        for form in self.forms:
            model = form(model)
        return model

    def rewrite(self, model: ir.Model, stats: Statistics) -> tuple[ir.Model, Statistics]:
        """All rewrites, one after the other; `model` itself is left as it was."""
        for rewrite in self.rewrites:
            model, stats = rewrite(model, stats)
        return model, stats
