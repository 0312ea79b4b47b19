"""Celu | Selu | Softsign | Swish(x) -> Elu, Sigmoid, Abs and arithmetic; ThresholdedRelu | Shrink | Hardmax(x) ->
comparisons and Where; PRelu(x, one number) -> LeakyRelu(x); PRelu(x, s) -> Add(Relu(x), Mul(Min(x, 0), s)) where s is
computed or not one number per channel

Leaves a PRelu alone whose slope is (c, 1, ...), one number per channel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, const_value, constant, emit, given, shape
from ....graph.replacing import replace_each
from .clip import LOWEST


def rewrite(model: ir.Model) -> int:
    return replace_each(model.graph, REWRITES, dtype=ir.DataType.FLOAT)


def _number(node: ir.Node, value: float, name: str) -> ir.Value:
    return constant(node.graph, np.array(value, np.float32), name)


def _times(node: ir.Node, x: ir.Value, factor: float) -> ir.Value:
    return emit(node, "Mul", [x, _number(node, factor, "factor")], shape(x))


def _celu(node: ir.Node) -> ir.Value:
    """max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))"""
    x, alpha = given(node.inputs[0]), attribute(node, "alpha", 1.0)
    return _times(node, emit(node, "Elu", [_times(node, x, 1 / alpha)], shape(x), {"alpha": 1.0}), alpha)


def _selu(node: ir.Node) -> ir.Value:
    x = given(node.inputs[0])
    alpha = attribute(node, "alpha", 1.67326319217681884765625)  # ONNX's defaults
    gamma = attribute(node, "gamma", 1.05070102214813232421875)
    return _times(node, emit(node, "Elu", [x], shape(x), {"alpha": alpha}), gamma)


def _softsign(node: ir.Node) -> ir.Value:
    """x / (1 + |x|)"""
    x = given(node.inputs[0])
    size = emit(node, "Add", [emit(node, "Abs", [x], shape(x)), _number(node, 1, "one")], shape(x))
    return emit(node, "Div", [x, size], shape(x))


def _swish(node: ir.Node) -> ir.Value:
    """x * sigmoid(alpha * x)"""
    x, alpha = given(node.inputs[0]), attribute(node, "alpha", 1.0)
    gate = emit(node, "Sigmoid", [x if alpha == 1 else _times(node, x, alpha)], shape(x))
    return emit(node, "Mul", [x, gate], shape(x))


def _where(node: ir.Node, op_type: str, bound: float, yes: ir.Value, no: ir.Value) -> ir.Value:
    """`yes` where x is greater or less than the bound, else `no`."""
    x = given(node.inputs[0])
    holds = emit(node, op_type, [x, _number(node, bound, "bound")], shape(x), dtype=ir.DataType.BOOL)
    return emit(node, "Where", [holds, yes, no], shape(x))


def _thresholded(node: ir.Node) -> ir.Value:
    return _where(node, "Greater", attribute(node, "alpha", 1.0), given(node.inputs[0]), _number(node, 0, "zero"))


def _shrink(node: ir.Node) -> ir.Value:
    """x + bias below -lambd, x - bias above lambd, 0 between"""
    x, bound, bias = given(node.inputs[0]), attribute(node, "lambd", 0.5), attribute(node, "bias", 0.0)
    low, high = x, x
    if bias:
        low, high = (emit(node, "Add", [x, _number(node, sign * bias, "bias")], shape(x)) for sign in (1, -1))
    return _where(node, "Less", -bound, low, _where(node, "Greater", bound, high, _number(node, 0, "zero")))


def _hardmax(node: ir.Node) -> ir.Value:
    """1 at the first largest along the axis, else 0"""
    x, dims = given(node.inputs[0]), shape(node.inputs[0])
    axis = attribute(node, "axis", -1) % len(dims)
    kept = [1 if i == axis else size for i, size in enumerate(dims)]
    attributes = {"axis": axis, "keepdims": 1, "select_last_index": 0}
    largest = emit(node, "ArgMax", [x], kept, attributes, dtype=ir.DataType.INT64)
    places = np.arange(dims[axis]).reshape([size if i == axis else 1 for i, size in enumerate(dims)])
    found = emit(node, "Equal", [largest, constant(node.graph, places, "places")], dims, dtype=ir.DataType.BOOL)
    return emit(node, "Cast", [found], dims, {"to": ir.DataType.FLOAT})


def _prelu(node: ir.Node) -> ir.Value | None:
    x, slope = given(node.inputs[0]), given(node.inputs[1])
    dims, numbers = shape(x), const_value(slope)
    if numbers is not None and numbers.size == 1:
        return emit(node, "LeakyRelu", [x], dims, {"alpha": float(numbers.reshape(()))})
    per_channel = (dims[1],) + (1,) * (len(dims) - 2) if len(dims) > 1 else None
    if numbers is not None and (1,) * (len(dims) - numbers.ndim) + numbers.shape == (1, *(per_channel or ())):
        if numbers.shape == per_channel:
            return None
        return emit(node, "PRelu", [x, constant(node.graph, numbers.reshape(per_channel), slope.name)], dims)
    bounds = [_number(node, LOWEST, "min"), _number(node, 0, "max")]
    low = emit(node, "Mul", [emit(node, "Clip", [x, *bounds], dims), slope], dims)
    return emit(node, "Add", [emit(node, "Relu", [x], dims), low], dims)


REWRITES: dict[str, Callable[[ir.Node], ir.Value | None]] = {
    "Celu": _celu,
    "Selu": _selu,
    "Softsign": _softsign,
    "Swish": _swish,
    "ThresholdedRelu": _thresholded,
    "Shrink": _shrink,
    "Hardmax": _hardmax,
    "PRelu": _prelu,
}
