"""This file is the closed set of ops that a canonical graph consists of, and the check that a graph is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from .errors import DynamicShape, NotCanonical, UnsupportedOp
from .graph import array, attribute, const_value, given, producer, shape, where

OPSET = 20


@dataclass(frozen=True)
class Op:
    """One op of the dialect. Every attribute is written out in a canonical graph, every input given."""

    inputs: tuple[int, int]  # fewest, most
    attributes: frozenset[str] = frozenset()
    constants: frozenset[int] = frozenset()  # inputs that are initializers
    defaults: Mapping[str, Any] = field(default_factory=dict)  # what an attribute means where ONNX lets it be absent
    rule: Callable[[ir.Node], str | None] = lambda node: None  # what is wrong with a node, or None


def _op(least: int, most: int | None = None, *, constants=(), rule=lambda node: None, required=(), **defaults) -> Op:
    return Op((least, most or least), frozenset(required) | frozenset(defaults), frozenset(constants), defaults, rule)


def _rank(node: ir.Node, index: int = 0) -> int:
    return len(shape(node.inputs[index]))


def stored(value: ir.Value | None) -> np.ndarray | None:
    """The array of a constant, as it is stored: a quantised weight's is the one that its DequantizeLinear reads."""
    dequantize = producer(value, "DequantizeLinear")
    return const_value(dequantize.inputs[0] if dequantize is not None else value)


def _conv(node: ir.Node) -> str | None:
    return None if _rank(node) == 4 else f"it has {_rank(node) - 2} spatial axes, not 2"


def _matmul(node: ir.Node) -> str | None:
    a, b = node.inputs
    if stored(a) is not None:
        return "its first operand is a constant"
    if stored(b) is not None:
        return None if _rank(node, 1) == 2 else f"its constant has {_rank(node, 1)} axes, not (in, out)"
    return None if _rank(node, 0) == _rank(node, 1) else "its operands have different ranks"


def _commutes(node: ir.Node) -> str | None:
    return "its constant stands first" if stored(node.inputs[0]) is not None else None


def _bounds(node: ir.Node) -> str | None:
    return None if all(array(value).ndim == 0 for value in node.inputs[1:]) else "its bounds are no scalars"


def _last_axis(node: ir.Node) -> str | None:
    axis, rank = attribute(node, "axis"), _rank(node)
    return None if axis == rank - 1 else f"it works along axis {axis} of {rank}, not the last"


def _axis(node: ir.Node) -> str | None:
    axis, rank = attribute(node, "axis"), _rank(node)
    return None if 0 <= axis < rank else f"its axis is {axis} of {rank}"


def _reduce(node: ir.Node) -> str | None:
    axes = array(node.inputs[1]).tolist()
    if attribute(node, "keepdims") != 1:
        return "it drops the axes that it reduces"
    return None if axes and axes == sorted(set(axes)) and axes[0] >= 0 else f"its axes are {axes}"


def _pool(node: ir.Node) -> str | None:
    if len([out for out in node.outputs if out.uses()]) > 1:
        return "its indices are read"
    return None if _rank(node) == 4 else f"it has {_rank(node) - 2} spatial axes, not 2"


def _reshape(node: ir.Node) -> str | None:
    to = tuple(array(node.inputs[1]).tolist())
    return None if to == shape(node.outputs[0]) else f"its shape is written {to}"


def _slice(node: ir.Node) -> str | None:
    dims = shape(node.inputs[0])
    starts, ends, axes, steps = (array(value).tolist() for value in node.inputs[1:])
    fine = axes == sorted(set(axes)) and all(
        axis >= 0 and step > 0 and 0 <= start < end <= dims[axis]
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True)
    )
    return None if fine else f"it takes {starts} to {ends} by {steps} of axes {axes}"


def _pad(node: ir.Node) -> str | None:
    if attribute(node, "mode") != "constant":
        return f"its mode is {attribute(node, 'mode')!r}"
    pads = array(node.inputs[1])
    return None if len(pads) == 2 * _rank(node) and (pads >= 0).all() else f"its pads are {pads.tolist()}"


WINDOW = ("kernel_shape", "strides", "pads")

OPS: dict[str, Op] = {
    # layers with weights
    "Conv": _op(3, constants=(1, 2), rule=_conv, required=(*WINDOW, "dilations"), group=1),
    "MatMul": _op(2, rule=_matmul),
    # element by element
    "Add": _op(2, rule=_commutes),
    "Sub": _op(2),
    "Mul": _op(2, rule=_commutes),
    "Div": _op(2),
    "Pow": _op(2, constants=(1,)),
    "Clip": _op(3, constants=(1, 2), rule=_bounds),
    "HardSigmoid": _op(1, alpha=0.2, beta=0.5),
    "Gelu": _op(1, approximate="none"),
    "LeakyRelu": _op(1, alpha=0.01),
    **{name: _op(1) for name in ("Relu", "Sigmoid", "HardSwish", "Tanh", "Erf", "Exp", "Sqrt", "Neg", "Abs")},
    # along axes
    "LayerNormalization": _op(3, constants=(1, 2), rule=_last_axis, axis=-1, epsilon=1e-5),
    "Softmax": _op(1, rule=_axis, axis=-1),
    "ReduceMean": _op(2, constants=(1,), rule=_reduce, keepdims=1),
    "AveragePool": _op(1, rule=_pool, required=WINDOW, count_include_pad=0),
    "MaxPool": _op(1, rule=_pool, required=(*WINDOW, "dilations")),
    # order and shape
    "Reshape": _op(2, constants=(1,), rule=_reshape),
    "Transpose": _op(1, required=("perm",)),
    "Slice": _op(5, constants=(1, 2, 3, 4), rule=_slice),
    "Concat": _op(1, 1 << 16, rule=_axis, required=("axis",)),
    "Pad": _op(3, constants=(1, 2), rule=_pad, mode="constant"),
}

QUANTIZED_OPS: dict[str, Op] = {  # what a quantised graph has besides
    "QuantizeLinear": _op(3, constants=(1, 2), axis=1),
    "DequantizeLinear": _op(3, constants=(1, 2), axis=1),  # axis may be absent from both where the scale is a scalar
}

REMEDIES = {  # op -> what would work; for others the list of ops says it
    "Pad": "pad with a constant",
    "Gather": "index with constants that form a range",
    "If": "export without control flow on data",
    "Loop": "export without control flow on data",
    "LSTM": "edgeport exports feed-forward vision models",
    "Einsum": "write it as a matmul",
}


def check(model: ir.Model, *, quantized: bool = False) -> None:
    """Verify that the graph is canonical, so that a converter has nothing to ask.

    Raises DynamicShape (a value without a static shape), UnsupportedOp (an op outside the dialect), or NotCanonical (an
    op of the dialect in a form that it does not have); the message names node, PyTorch module path and remedy.
    """
    graph = model.graph
    if model.opset_imports.get("") != OPSET:
        raise NotCanonical(f"the graph is of ONNX opset {model.opset_imports.get('')}, not {OPSET}.")
    for value in graph.inputs:
        _check_value(value, quantized=False)
    ops = {**OPS, **QUANTIZED_OPS} if quantized else OPS
    for node in graph:
        op = ops.get(node.op_type) if node.domain == "" else None
        if op is None:
            remedy = REMEDIES.get(node.op_type, f"known ops: {', '.join(sorted(OPS))}")
            raise UnsupportedOp(f"{where(node)} is outside the dialect; {remedy}.")
        _check_node(node, op)
        for out in node.outputs:
            if out.uses() or out.is_graph_output():
                _check_value(out, quantized)


def _check_node(node: ir.Node, op: Op) -> None:
    least, most = op.inputs
    if not least <= len(node.inputs) <= most or any(value is None for value in node.inputs):
        count = sum(value is not None for value in node.inputs)
        raise NotCanonical(f"{where(node)} has {count} inputs where the dialect has {least}; give every operand.")
    for index in op.constants:
        if stored(node.inputs[index]) is None:
            name = given(node.inputs[index]).name
            raise NotCanonical(f"{where(node)}: operand {name!r} is computed; make it a constant.")
    if node.attributes.keys() != op.attributes and not (node.op_type in QUANTIZED_OPS and not node.attributes):
        extra, missing = node.attributes.keys() - op.attributes, op.attributes - node.attributes.keys()
        what = f"has attribute {min(extra)!r}" if extra else f"lacks attribute {min(missing)!r}"
        raise NotCanonical(f"{where(node)} {what}; the dialect's are: {', '.join(sorted(op.attributes)) or 'none'}.")
    wrong = op.rule(node)
    if wrong is not None:
        remedy = REMEDIES.get(node.op_type, "bring it to the dialect's form")
        raise NotCanonical(f"{where(node)}: {wrong}; {remedy}.")


def _check_value(value: ir.Value, quantized: bool) -> None:
    if 0 in shape(value):
        node = value.producer()
        raise DynamicShape(f"{where(node) if node else value.name} is empty: its shape is {shape(value)}.")
    if value.dtype != ir.DataType.FLOAT and not quantized:
        node = value.producer()
        place = where(node) if node is not None else f"input {value.name!r}"
        raise NotCanonical(f"{place} is of type {value.dtype}, not float32; compute it before export.")
