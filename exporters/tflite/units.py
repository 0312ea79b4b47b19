"""Decide, before anything is written, which nodes become one operator and which of those run in integers."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ...graph.fusion import EPILOGUES, Fused, fuse
from ...graph.kernels import KernelSet
from ...graph.qdq import moved_operands, read_qparams, stored_qparams
from ...graph.qparams import QParams

_FUSES_ACTIVATION = frozenset({"Conv", "ConvTranspose", "MatMul", "Add", "Sub", "Mul"})
_IN_RANGE = "Relu0To1"  # no operator has it: an int8 output between 0 and 1 does it
_ACTIVATIONS = {"Relu": "RELU", "Relu6": "RELU6"}  # in the schema's words


@dataclass(frozen=True)
class Unit:
    """The nodes that become one operator. `quant`: the output's, if it runs in integers."""

    fused: Fused
    quant: QParams | None = None

    @property
    def output(self) -> ir.Value:
        return self.fused.output

    @property
    def activation(self) -> str:
        if self.fused.epilogue == _IN_RANGE and self.quant is not None and self.quant.dtype == "int16":
            return "RELU"  # the range begins below zero, and ends at one
        return _ACTIVATIONS.get(self.fused.epilogue or "", "NONE")


def unit_of(node: ir.Node, kernels: KernelSet) -> Unit:
    """The longest unit that starts at `node`: in integers if one of `kernels` takes it, else in float."""
    fuses = node.op_type in _FUSES_ACTIVATION and node.outputs[0].dtype == ir.DataType.FLOAT
    longest = fuse(node, EPILOGUES if fuses else ())
    for fused in dict.fromkeys((longest, longest.without_epilogue())):
        quant = _integer_output(fused, kernels)
        low = -1.001 if quant is not None and quant.dtype == "int16" else 0.0
        if quant is not None and (fused.epilogue != _IN_RANGE or _is_within(quant, low, 1.0)):
            return Unit(fused, quant)
    return Unit(longest.without_epilogue() if longest.epilogue == _IN_RANGE else longest)


def _integer_output(fused: Fused, kernels: KernelSet) -> QParams | None:
    """The quantisation in which the kernel computes its output, or None where it has to be float."""
    node, output = fused.nodes[0], read_qparams(fused.output)
    moved = moved_operands(node)
    if moved is not None:
        found = {stored_qparams(value) for value in moved}
        return found.pop() if len(found) == 1 else None
    kernel = kernels.of_type(output.dtype).get(fused.kind) if output is not None else None
    if kernel is None or output is None:
        return None
    inputs = [stored_qparams(value) for value in kernel.data_inputs(node)]
    stored = [params for params in inputs if params is not None]
    if not inputs or len(stored) < len(inputs) or not kernel.accepts(stored, output):
        return None
    return kernel.fixed_output or output


def _is_within(quant: QParams, low: float, high: float) -> bool:
    a, b = quant.range
    return a >= low - 1e-6 and b <= high + 1e-6
