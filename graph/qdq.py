"""Read from a graph how its values and constants are quantised, by QuantizeLinear and DequantizeLinear (QDQ)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from .edit import Operand, array, attribute, const_value, producer, scalar, shape
from .fusion import VIEWS
from .qparams import QParams

_MOVES = frozenset({"Slice", "Concat", "Pad", "MaxPool"})


@dataclass(frozen=True)
class Constant:
    """An array known when the model is exported; integers under `quant` if that is given."""

    array: np.ndarray
    quant: QParams | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def float(self) -> np.ndarray:
        """The real values, float32."""
        return self.array if self.quant is None else self.quant.dequantize(self.array)


def qparams_of(node: ir.Node) -> QParams:
    """The parameters of a QuantizeLinear or DequantizeLinear node. Raises ValueError for several zero points."""
    scales = np.ravel(array(node.inputs[1]))
    zero_points = np.zeros((), np.int8) if len(node.inputs) < 3 or node.inputs[2] is None else array(node.inputs[2])
    found = {int(z) for z in np.ravel(zero_points)} or {0}
    if len(found) > 1:
        raise ValueError("per-channel zero points differ; TFLite's int8 weights are symmetric")
    axis = None
    if scales.size > 1:
        axis = attribute(node, "axis", 1)
        axis += len(shape(node.inputs[0])) if axis < 0 else 0
    return QParams(tuple(float(s) for s in scales), found.pop(), axis, zero_points.dtype.name)


def constant_operand(value: Operand) -> Constant | None:
    """A constant, as it is, behind DequantizeLinear, or behind both of a pair; None for anything computed."""
    numbers = const_value(value)
    if numbers is not None:
        return Constant(numbers)
    dequantize = producer(value, "DequantizeLinear")
    if dequantize is None:
        return None
    quant = qparams_of(dequantize)
    integers = const_value(dequantize.inputs[0])
    if integers is not None:
        return Constant(integers, quant)
    quantize = producer(dequantize.inputs[0], "QuantizeLinear")
    real = const_value(quantize.inputs[0]) if quantize is not None else None
    return None if real is None else Constant(quant.quantize(real, np.float32), quant)


def stored_qparams(value: Operand) -> QParams | None:
    """How a value is stored, seen through views and through operators that only move data: None for float32."""
    found: set[QParams] = set()
    seen: set[ir.Node] = set()
    left = [value]
    while left:
        node = producer(left.pop())
        if node is None:
            return None
        if node in seen:
            continue
        seen.add(node)
        if node.op_type == "DequantizeLinear":
            found.add(qparams_of(node))
        elif node.op_type in VIEWS:
            left.append(node.inputs[0])
        elif (operands := moved_operands(node)) is not None:
            left.extend(operands)
        else:
            return None
    return found.pop() if len(found) == 1 else None


def read_qparams(value: ir.Value) -> QParams | None:
    """The one quantisation that all readers of `value` apply, None where they differ or some read float."""
    uses = value.uses()
    if not uses or value.is_graph_output() or any(u.node.op_type != "QuantizeLinear" for u in uses):
        return None
    found = {qparams_of(u.node) for u in uses}
    return found.pop() if len(found) == 1 else None


def moved_operands(node: ir.Node) -> tuple[Operand, ...] | None:
    """What a node only moves or chooses elements of: integers in, the same integers out. None for one that computes, as
    a Pad does with another number than 0."""
    if node.op_type not in _MOVES or (node.op_type == "Pad" and any(map(scalar, node.inputs[2:3]))):
        return None
    return tuple(node.inputs if node.op_type == "Concat" else node.inputs[:1])


def dequantized(node: ir.Node) -> np.ndarray:
    """The real numbers of a DequantizeLinear of a constant, float32; each slice may have its own zero point."""
    integers, scale, zero = (array(value) for value in node.inputs)
    if scale.size > 1:
        along = [1] * integers.ndim
        along[attribute(node, "axis")] = scale.size
        scale, zero = scale.reshape(along), zero.reshape(along)
    return (integers.astype(np.int64) - zero.astype(np.int64)).astype(np.float32) * scale.astype(np.float32)
