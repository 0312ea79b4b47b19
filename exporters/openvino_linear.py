"""This file takes the zero points of what linears read into their biases, for OpenVINO.

(q - z) s W + b = q s W + (b - z s sum(W)), the sum over the rows of W. The CPU plugin's int8 convolutions take a zero
point along; behind its int8 linears it is subtracted in an operation of its own, over all of the result in float.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .openvino_faults import put
from .proto import constants_of, makers_of

MOVES = ("Reshape", "Transpose", "Slice")  # pass every element on as it is


def take_zero_points_into_biases(graph: onnx.GraphProto) -> None:
    """Where all that reads a dequantised value are linears with int8 weights; directly, or behind MOVES."""
    constants, makers = constants_of(graph), makers_of(graph)
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    results = {info.name for info in graph.output}
    added: dict[str, onnx.NodeProto] = {}  # by the name of the linear's product, which then has another
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] in constants or len(node.input) < 3:
            continue
        scale, zero_point = (numpy_helper.to_array(constants[name]).astype(np.float64) for name in node.input[1:])
        linears = linears_behind(node.output[0], readers, results)
        weights = [weight_of(linear, makers, constants) for linear in linears]
        if zero_point.ndim or not zero_point or not linears or any(weight is None for weight in weights):
            continue
        for linear, weight in zip(linears, weights, strict=True):
            assert weight is not None
            product = linear.output[0]
            offset = -scale * zero_point * weight.sum(axis=0)
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
        del node.input[2]
    put(graph, [new for node in graph.node for new in (node, added.get(node.output[0])) if new is not None])


def linears_behind(name: str, readers: dict[str, list[onnx.NodeProto]], results: set[str]) -> list[onnx.NodeProto]:
    """The MatMuls that multiply the value, from the right; none where something else reads it."""
    found, values = [], [name]
    while values:
        value = values.pop()
        if value in results:
            return []
        for node in readers.get(value, []):
            if node.input[0] != value:
                return []
            if node.op_type in MOVES:
                values.append(node.output[0])
            elif node.op_type == "MatMul":
                found.append(node)
            else:
                return []
    return found


def weight_of(
    linear: onnx.NodeProto, makers: dict[str, onnx.NodeProto], constants: dict[str, onnx.TensorProto]
) -> np.ndarray | None:
    """(in, out) float64, if it is stored in int8."""
    name = linear.input[1]
    weight = number_of(name, makers, constants) if name in makers else None
    return weight if weight is not None and weight.ndim == 2 else None


def bias_of(
    product: str,
    readers: dict[str, list[onnx.NodeProto]],
    makers: dict[str, onnx.NodeProto],
    constants: dict[str, onnx.TensorProto],
) -> onnx.NodeProto | None:
    """The Add of a constant of one axis, if nothing else reads the product."""
    reading = readers.get(product, [])
    if len(reading) != 1 or reading[0].op_type != "Add":
        return None
    (add,) = reading
    bias = number_of(add.input[1 - list(add.input).index(product)], makers, constants)
    return add if bias is not None and bias.ndim == 1 else None


def number_of(
    name: str, makers: dict[str, onnx.NodeProto], constants: dict[str, onnx.TensorProto]
) -> np.ndarray | None:
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
