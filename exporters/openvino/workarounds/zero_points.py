"""MatMul(DequantizeLinear(q, s, z), w) -> Add(MatMul(DequantizeLinear(q, s), w), -z s sum(w)), or in its bias

(q - z) s W + b = q s W + (b - z s sum(W)), the sum over the rows of W. The CPU plugin's int8 convolutions take a zero
point along; behind its int8 linears it is subtracted in an operation of its own, over all of the result in float.

Done where all that reads a dequantized value are linears with int8 weights; directly, behind MOVES, or behind a Concat
of such values that are quantized alike, whose zero points OpenVINO 2026.4 refuses in front of a linear.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ....graph.edit import array, attribute, const_value, constant, given, maker, name_of, producer, shape
from .named_nodes import put_behind

MOVES = ("Reshape", "Transpose", "Slice")  # pass every element on as it is


def rewrite(model: ir.Model) -> int:
    graph = model.graph
    quants: dict[ir.Value, tuple[float, float]] = {}  # by the dequantized value, as what follows
    concats: dict[ir.Value, list[ir.Node]] = {}
    summed: dict[ir.Value, list[tuple[ir.Node, np.ndarray]]] = {}  # the linears, with their weights' sums
    for node in graph:
        if node.op_type != "DequantizeLinear" or const_value(node.inputs[0]) is not None or len(node.inputs) < 3:
            continue
        scale, zero_point = (array(value).astype(np.float64) for value in node.inputs[1:])
        if zero_point.ndim or not zero_point:
            continue
        value = node.outputs[0]
        linears, concats[value] = linears_behind(value)
        weights = ((linear, weight_of(linear)) for linear in linears)
        summed[value] = [(linear, weight.sum(axis=0)) for linear, weight in weights if weight is not None]
        if linears and len(summed[value]) == len(linears):
            quants[value] = (float(scale), float(zero_point))
    offsets: dict[ir.Node, np.ndarray] = {}  # by the linear
    for value in alike(quants, concats):
        maker(value).resize_inputs(2)
        scale, zero_point = quants[value]
        offsets |= {linear: -scale * zero_point * total for linear, total in summed[value]}
    for linear, offset in offsets.items():
        move_offset(graph, linear, offset)
    return len(offsets)


def move_offset(graph: ir.Graph, linear: ir.Node, offset: np.ndarray) -> None:
    """Add the offset (out,) to the linear's bias, or behind it where it has none."""
    product = linear.outputs[0]
    add, name = bias_of(product), name_of(product)
    if add is None:
        put_behind(linear, "Add", _float32(graph, offset, name), shape(product), f"{name}_unbiased")
        return
    index = 1 - add.inputs.index(product)
    bias = numbers_of(add.inputs[index])
    assert bias is not None
    add.replace_input_with(index, _float32(graph, bias + offset, name))


def _float32(graph: ir.Graph, offset: np.ndarray, product: str) -> ir.Value:
    return constant(graph, offset.astype(np.float32), f"{product}_offset")


def linears_behind(value: ir.Value) -> tuple[list[ir.Node], list[ir.Node]]:
    """The MatMuls that multiply the value, from the right, and the Concats on the way; none where something else reads
    it."""
    linears, concats, values = [], [], [value]
    while values:
        value = values.pop()
        if value.is_graph_output():
            return [], []
        for node, index in value.uses():
            if node.op_type == "Concat":
                concats.append(node)
                values.append(node.outputs[0])
            elif index != 0:
                return [], []
            elif node.op_type in MOVES:
                values.append(node.outputs[0])
            elif node.op_type == "MatMul":
                linears.append(node)
            else:
                return [], []
    return linears, concats


def alike(quants: dict[ir.Value, tuple[float, float]], concats: dict[ir.Value, list[ir.Node]]) -> list[ir.Value]:
    """Those of the dequantized values whose Concats take nothing but such values, quantized alike."""
    found = list(quants)
    while True:
        kept = [
            value
            for value in found
            if all(
                source in found and quants[source] == quants[value]
                for concat in concats[value]
                for source in sources_of(concat)
            )
        ]
        if kept == found:
            return found
        found = kept


def sources_of(concat: ir.Node) -> list[ir.Value]:
    """What a Concat takes, in front of MOVES and other Concats."""
    found, values = [], [given(value) for value in concat.inputs]
    while values:
        value = values.pop()
        node = value.producer()
        if node is not None and node.op_type == "Concat":
            values += [given(value) for value in node.inputs]
        elif node is not None and node.op_type in MOVES:
            values.append(given(node.inputs[0]))
        else:
            found.append(value)
    return found


def weight_of(linear: ir.Node) -> np.ndarray | None:
    """(in, out) float64, if it is stored in int8."""
    value = linear.inputs[1]
    weight = numbers_of(value) if producer(value) is not None else None
    return weight if weight is not None and weight.ndim == 2 else None


def bias_of(product: ir.Value) -> ir.Node | None:
    """The Add of a constant of one axis, if nothing else reads the product."""
    reading = list(product.uses())
    if len(reading) != 1 or reading[0].node.op_type != "Add":
        return None
    add = reading[0].node
    bias = numbers_of(add.inputs[1 - add.inputs.index(product)])
    return add if bias is not None and bias.ndim == 1 else None


def numbers_of(value: ir.Value | None) -> np.ndarray | None:
    """A constant, or what a stored one is dequantized to, as float64."""
    numbers = const_value(value)
    if numbers is not None:
        return numbers.astype(np.float64)
    node = producer(value, "DequantizeLinear")
    if node is None or const_value(node.inputs[0]) is None:
        return None
    stored, *rest = (array(value).astype(np.float64) for value in node.inputs)
    scale, zero_point = (*rest, np.zeros(()))[:2]
    if stored.ndim and scale.size > 1:
        axis = attribute(node, "axis", 1) % stored.ndim
        along = [-1 if index == axis else 1 for index in range(stored.ndim)]
        scale, zero_point = scale.reshape(along), zero_point.reshape(along) if zero_point.size > 1 else zero_point
    return (stored - zero_point) * scale
