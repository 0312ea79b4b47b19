"""This file decides, before anything is written, which nodes become one operator and which of those run in int8."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...graph.edit import scalar, shape, sole_consumer
from ..quantization import Quant, constant_operand, quant_of
from .kernels import FIXED_OUTPUT, INT8, MOVES, VIEWS, Rule

_DATA_INPUTS = {  # op -> how many of its inputs are activations or weights, where not all are
    **dict.fromkeys(("Slice", "Pad", "Reshape", "ReduceMean", "ReduceMax", "ReduceMin", "Resize", "Clip", "Pow"), 1),
    "PRelu": 2,
    **dict.fromkeys(("Conv", "ConvTranspose"), 2),
}
_LINEAR = frozenset({"Conv", "MatMul"})
_FUSES_ACTIVATION = frozenset({"Conv", "ConvTranspose", "MatMul", "Add", "Sub", "Mul"})


@dataclass(frozen=True)
class Unit:
    """`node` and what is fused behind it, up to the value `output`. `quant`: the output's, if it runs in int8."""

    node: ir.Node
    output: ir.Value
    bias: ir.Value | None = None
    activation: str = "NONE"
    quant: Quant | None = None
    fused: tuple[ir.Node, ...] = ()


def unit_of(node: ir.Node, rules: Mapping[str, Rule] = INT8) -> Unit:
    """The longest unit that starts at `node`; `rules` say what the int8 kernels take.

    Conv or MatMul takes the Add of its bias; then, as Add, Sub and Mul do, a Relu or Clip(0, 6). A Clip(0, 1) is taken
    where the int8 output range does it.
    """
    unit = Unit(node, node.outputs[0])
    if node.op_type == "MatMul" and matrix(node.inputs[1]) is not None:
        unit = _with_bias(unit)
    candidates = [unit]
    if node.op_type in _FUSES_ACTIVATION and node.outputs[0].dtype == ir.DataType.FLOAT:
        longer = _with_activation(unit)
        if longer is not None:
            candidates.insert(0, longer)
    for u in candidates:
        quant = _int8_output(u, rules)
        if quant is not None and (u.activation != "CLIP_0_1" or _range_within(quant, 0.0, 1.0)):
            activation = "NONE" if u.activation == "CLIP_0_1" else u.activation
            return Unit(u.node, u.output, u.bias, activation, quant, u.fused)
    for u in candidates:
        if u.activation != "CLIP_0_1":
            return u
    raise AssertionError("the unit without an activation is always a candidate")


def matrix(value: ir.Value | None) -> tuple[np.ndarray, Quant | None] | None:
    """A constant of rank 2, as it is or behind DequantizeLinear."""
    found = constant_operand(value)
    return found if found is not None and found[0].ndim == 2 else None


def stored_quant(value: ir.Value | None) -> Quant | None:
    """How a value is stored, seen through views and through operators that only move data: None for float32."""
    found: set[Quant] = set()
    seen: set[ir.Node] = set()
    left = [value]
    while left:
        value = left.pop()
        node = value.producer() if value is not None else None
        if node is None:
            return None
        if node in seen:
            continue
        seen.add(node)
        if node.op_type == "DequantizeLinear":
            found.add(quant_of(node))
        elif node.op_type in VIEWS:
            left.append(node.inputs[0])
        elif _moves(node):
            left.extend(_data_inputs(node))
        else:
            return None
    return found.pop() if len(found) == 1 else None


def _moves(node: ir.Node) -> bool:
    """Whether the node only moves or chooses elements; a Pad with another number than 0 brings that in."""
    return node.op_type in MOVES and not (node.op_type == "Pad" and scalar(node.inputs[2]))


def _data_inputs(node: ir.Node) -> list[ir.Value]:
    """The inputs that hold activations or weights (not shapes, axes or the bias)."""
    count = _DATA_INPUTS.get(node.op_type, len(node.inputs))
    return [v for v in node.inputs[:count] if v is not None]


def _with_bias(unit: Unit) -> Unit:
    add = sole_consumer(unit.output, "Add")
    if add is None:
        return unit
    other = add.inputs[1] if add.inputs[0] is unit.output else add.inputs[0]
    found = constant_operand(other)
    size = shape(unit.output)[-1]
    if found is None or found[0].size != size or found[0].shape[-1:] != (size,):
        return unit
    return Unit(unit.node, add.outputs[0], other, fused=(add,))


def _with_activation(unit: Unit) -> Unit | None:
    follower = sole_consumer(unit.output)
    if follower is None:
        return None
    activation = {"Relu": "RELU"}.get(follower.op_type)
    if follower.op_type == "Clip" and scalar(follower.inputs[1]) == 0:
        activation = {6.0: "RELU6", 1.0: "CLIP_0_1"}.get(scalar(follower.inputs[2]) or 0.0)
    if activation is None:
        return None
    return Unit(unit.node, follower.outputs[0], unit.bias, activation, fused=(*unit.fused, follower))


def _int8_output(unit: Unit, rules: Mapping[str, Rule]) -> Quant | None:
    """The quantisation in which the unit's kernel computes its output, or None where it has to be float."""
    node = unit.node
    inputs = [stored_quant(v) for v in _data_inputs(node)]
    if not inputs or any(q is None for q in inputs):
        return None
    if _moves(node):
        return inputs[0] if len(set(inputs)) == 1 else None
    out = sole_quant(unit.output)
    kind = "BatchMatMul" if node.op_type == "MatMul" and matrix(node.inputs[1]) is None else node.op_type
    rule = rules.get(kind)
    if out is None or rule is None or not rule(inputs, out):  # type: ignore[arg-type]
        return None
    return FIXED_OUTPUT.get(node.op_type, out)


def sole_quant(value: ir.Value) -> Quant | None:
    """The one quantisation that all readers of `value` apply, None where they differ or some read float."""
    uses = value.uses()
    if not uses or value.is_graph_output() or any(u.node.op_type != "QuantizeLinear" for u in uses):
        return None
    quants = {quant_of(u.node) for u in uses}
    return quants.pop() if len(quants) == 1 else None


def _range_within(quant: Quant, low: float, high: float) -> bool:
    a, b = quant.range()
    return a >= low - 1e-6 and b <= high + 1e-6
