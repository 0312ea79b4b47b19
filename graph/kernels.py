"""Say, as data, what a target's integer kernels can do; planner and converter read it and know no target by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import onnx_ir as ir

from .qparams import QParams


@dataclass(frozen=True)
class Kernel:
    """One kind of integer kernel. A kind is an op type, or "Linear": MatMul with a constant, with its bias Add.

    The limits bound a requantisation factor. "each": s_input / s_output for every operand; "product":
    s_a * s_b / s_output, with s_b the weight's scale for Conv and Linear. Outside [low, high) the unit runs in float.
    """

    operands: int | None = 1  # how many leading inputs are activations; None: all of them
    weight_axis: int | None = None  # the output channel's axis of a constant weight (input 1)
    epilogues: tuple[str, ...] = ()  # what the kernel does to its result at no cost, by the names in fusion.EPILOGUES
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
    # Whether float takes no longer for this node: then it stays float between float units.
    as_fast_in_float: Callable[[ir.Node], bool] = lambda node: False
    refuses: Callable[[ir.Node], str | None] = lambda node: None  # why a plan leaves this node in float

    def data_inputs(self, node: ir.Node) -> list[ir.Value]:
        """The inputs that hold activations or the weight (not shapes, axes or the bias)."""
        count = None if self.operands is None else self.operands + (self.weight_axis is not None)
        return [value for value in node.inputs[:count] if value is not None]

    def factors(self, inputs: Sequence[QParams], output: QParams) -> list[float]:
        """What `limits` bound, for the quantisations of `data_inputs` and of the output."""
        if self.multiplier is None:
            return []
        scales = [params.scales[0] for params in inputs]
        if self.multiplier == "product":
            scales = [scales[0] * other for params in inputs[1:] for other in params.scales]
        return [scale / output.scales[0] for scale in scales]

    def accepts(self, inputs: Sequence[QParams], output: QParams) -> bool:
        """Whether the kernel computes integers of `output` from the `data_inputs` as they are quantised.

        Whatever the output, where the kernel has a fixed one: it is requantised behind it. A layer may be below the
        lower limit, which a plan keeps by raising the weight's scale: the kernel then gives zeros.
        """
        if self.same_parameters and any(params != output for params in inputs):
            return False
        activations = inputs if self.weight_axis is None else inputs[:-1]
        if any((params.dtype == "int16") != (output.dtype == "int16") for params in activations):
            return False
        zeros = self.symmetric if self.weight_axis is None else (*self.symmetric, 1)
        if any(inputs[index].zero_point for index in zeros):
            return False
        low, high = self.limits if self.weight_axis is None else (0.0, self.limits[1])
        return all(low <= factor < high for factor in self.factors(inputs, output))


Calibration = TypeVar("Calibration")  # quantize's statistics of a graph's values, which only the rewrites look into
Rewrite = Callable[[ir.Model, Any], tuple[ir.Model, Any]]  # (graph, its calibration) -> both as the kernels like them


@dataclass(frozen=True)
class KernelSet:
    """A target's kernels by kind; every other kind is a float island. `islands` says why, for the ones we know.

    `forms` write the float graph in ops that have kernels, before it is calibrated; `rewrites` put it, and the
    statistics of its values, into the form that the kernels like.
    """

    name: str
    kernels: Mapping[str, Kernel]
    int16: Mapping[str, Kernel] = field(default_factory=dict)  # of int16 activations and int8 weights
    activations: Literal["int8", "uint8"] = "int8"  # the same real numbers either way
    islands: Mapping[str, str] = field(default_factory=dict)
    symmetric_weights: bool = False  # the kernels multiply by weights whose zero point is 0 only
    integer_biases: bool = False  # the kernels add int32 numbers at s_input * s_weight only
    # How many channels at one place of a window a convolution multiplies at once; it fills up with zeros what is fewer.
    channel_block: int = 1
    # Whether a depthwise convolution is as fast where it makes several channels of each.
    widens_depthwise: bool = True
    requantization: tuple[float, float] = (0.0, float("inf"))  # s_input / s_output, int8 to int8; both ends included
    forms: tuple[Callable[[ir.Model], ir.Model], ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    has_float: bool = True  # else what stays float is refused
    inexact: frozenset[str] = frozenset()  # operators of the format whose int16 kernels are off by far more than a step
    operators: frozenset[str] | None = None  # of the format, that the device's runtime has; None for all

    def of_type(self, dtype: str) -> Mapping[str, Kernel]:
        """The kernels whose activations are of that type: "int8", "uint8" or "int16"."""
        return self.int16 if dtype == "int16" else self.kernels

    def requantizes(self, stored: QParams, wanted: QParams) -> bool:
        """Whether a kernel takes integers under one scale to those under the other."""
        if "int16" in (stored.dtype, wanted.dtype):
            return True
        low, high = self.requantization
        return low <= stored.scales[0] / wanted.scales[0] <= high

    def apply_forms(self, model: ir.Model) -> ir.Model:
        """All forms, one after the other; `model` itself is left as it was."""
        for form in self.forms:
            model = form(model)
        return model

    def apply_rewrites(self, model: ir.Model, stats: Calibration) -> tuple[ir.Model, Calibration]:
        """All rewrites, one after the other; `model` itself is left as it was."""
        for rewrite in self.rewrites:
            model, stats = rewrite(model, stats)
        return model, stats
