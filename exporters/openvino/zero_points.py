"""This file takes the zero points of what linears read into their biases, for OpenVINO.

(q - z) s W + b = q s W + (b - z s sum(W)), the sum over the rows of W. The CPU plugin's int8 convolutions take a zero
point along; behind its int8 linears it is subtracted in an operation of its own, over all of the result in float.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..onnx.proto import constants_of, makers_of
from .workarounds import put

MOVES = ("Reshape", "Transpose", "Slice")  # pass every element on as it is

Nodes = dict[str, onnx.NodeProto]
Constants = dict[str, onnx.TensorProto]


def take_zero_points_into_biases(graph: onnx.GraphProto) -> None:
    """Where all that reads a dequantised value are linears with int8 weights; directly, behind MOVES, or behind a
    Concat of such values that are quantised alike, whose zero points OpenVINO 2026.4 refuses in front of a linear."""
    constants, makers = constants_of(graph), makers_of(graph)
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    results = {info.name for info in graph.output}
    quants: dict[str, tuple[float, float]] = {}  # by the name of the dequantised value, as what follows
    concats: dict[str, list[onnx.NodeProto]] = {}
    summed: dict[str, list[tuple[onnx.NodeProto, np.ndarray]]] = {}  # the linears, with their weights' sums
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] in constants or len(node.input) < 3:
            continue
        scale, zero_point = (numpy_helper.to_array(constants[name]).astype(np.float64) for name in node.input[1:])
        if zero_point.ndim or not zero_point:
            continue
        name = node.output[0]
        linears, concats[name] = linears_behind(name, readers, results)
        weights = ((linear, weight_of(linear, makers, constants)) for linear in linears)
        summed[name] = [(linear, weight.sum(axis=0)) for linear, weight in weights if weight is not None]
        if linears and len(summed[name]) == len(linears):
            quants[name] = (float(scale), float(zero_point))
    offsets: dict[str, tuple[onnx.NodeProto, np.ndarray]] = {}  # by the name of the linear's product
    for name in alike(quants, concats, makers):
        del makers[name].input[2]
        scale, zero_point = quants[name]
        offsets |= {linear.output[0]: (linear, -scale * zero_point * total) for linear, total in summed[name]}
    added: Nodes = {}  # by the name of the linear's product, which then has another
    for product, (linear, offset) in offsets.items():
        add = bias_of(product, readers, makers, constants)
        if add is None:
            linear.output[0] = f"{product}_unbiased"
            added[linear.output[0]] = helper.make_node("Add", [linear.output[0], f"{product}_offset"], [product])
        else:
            index = 1 - list(add.input).index(product)
            bias = number_of(add.input[index], makers, constants)
            assert bias is not None
            offset = bias + offset
            add.input[index] = f"{product}_offset"
        graph.initializer.append(numpy_helper.from_array(offset.astype(np.float32), f"{product}_offset"))
    put(graph, [new for node in graph.node for new in (node, added.get(node.output[0])) if new is not None])


def linears_behind(
    name: str, readers: dict[str, list[onnx.NodeProto]], results: set[str]
) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """The MatMuls that multiply the value, from the right, and the Concats on the way; none where something else reads
    it."""
    linears, concats, values = [], [], [name]
    while values:
        value = values.pop()
        if value in results:
            return [], []
        for node in readers.get(value, []):
            if node.op_type == "Concat":
                concats.append(node)
                values.append(node.output[0])
            elif node.input[0] != value:
                return [], []
            elif node.op_type in MOVES:
                values.append(node.output[0])
            elif node.op_type == "MatMul":
                linears.append(node)
            else:
                return [], []
    return linears, concats


def alike(quants: dict[str, tuple[float, float]], concats: dict[str, list[onnx.NodeProto]], makers: Nodes) -> list[str]:
    """Those of the dequantised values whose Concats take nothing but such values, quantised alike."""
    found = list(quants)
    while True:
        kept = [
            name
            for name in found
            if all(
                source in found and quants[source] == quants[name]
                for concat in concats[name]
                for source in sources_of(concat, makers)
            )
        ]
        if kept == found:
            return found
        found = kept


def sources_of(concat: onnx.NodeProto, makers: Nodes) -> list[str]:
    """What a Concat takes, in front of MOVES and other Concats."""
    found, values = [], list(concat.input)
    while values:
        value = values.pop()
        node = makers.get(value)
        if node is not None and node.op_type == "Concat":
            values += node.input
        elif node is not None and node.op_type in MOVES:
            values.append(node.input[0])
        else:
            found.append(value)
    return found


def weight_of(linear: onnx.NodeProto, makers: Nodes, constants: Constants) -> np.ndarray | None:
    """(in, out) float64, if it is stored in int8."""
    name = linear.input[1]
    weight = number_of(name, makers, constants) if name in makers else None
    return weight if weight is not None and weight.ndim == 2 else None


def bias_of(
    product: str,
    readers: dict[str, list[onnx.NodeProto]],
    makers: Nodes,
    constants: Constants,
) -> onnx.NodeProto | None:
    """The Add of a constant of one axis, if nothing else reads the product."""
    reading = readers.get(product, [])
    if len(reading) != 1 or reading[0].op_type != "Add":
        return None
    (add,) = reading
    bias = number_of(add.input[1 - list(add.input).index(product)], makers, constants)
    return add if bias is not None and bias.ndim == 1 else None


def number_of(name: str, makers: Nodes, constants: Constants) -> np.ndarray | None:
    """A constant, or what a stored one is dequantised to, as float64."""
    if name in constants:
        return numpy_helper.to_array(constants[name]).astype(np.float64)
    node = makers.get(name)
    if node is None or node.op_type != "DequantizeLinear" or node.input[0] not in constants:
        return None
    stored, *rest = (numpy_helper.to_array(constants[name]).astype(np.float64) for name in node.input)
    scale, zero_point = (*rest, np.zeros(()))[:2]
    if stored.ndim and scale.size > 1:
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1) % stored.ndim
        shape = [-1 if index == axis else 1 for index in range(stored.ndim)]
        scale, zero_point = scale.reshape(shape), zero_point.reshape(shape) if zero_point.size > 1 else zero_point
    return (stored - zero_point) * scale
