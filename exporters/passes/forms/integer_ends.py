"""QuantizeLinear(x) that the graph returns, or computes with -> Cast(Clip(Round(x / scale) + zero point));
DequantizeLinear(integers that the graph takes) -> Mul(Sub(Cast(x), zero point), scale)

So a graph may take and give 8-bit integers, in a wider type, and compute their scale. Behind a layer with one constant
scale the QuantizeLinear stays and x is read through its pair, so that the layer computes in int8. Leaves pairs alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ....graph.edit import (
    array,
    attribute,
    const_value,
    constant,
    emit,
    given,
    owner,
    producer,
    replace,
    reshape,
    shape,
)
from ..entry import float32
from .number_forms import cast

FLOAT, INT32 = ir.DataType.FLOAT, ir.DataType.INT32
MOVES = {
    "Transpose",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Flatten",
    "Slice",
    "Split",
    "Concat",
    "Gather",
    "Pad",
    "MaxPool",
}
LIMITS = {ir.DataType.INT8: (-128, 127), ir.DataType.UINT8: (0, 255)}


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type == "QuantizeLinear" and node.outputs[0].dtype in LIMITS:
            count += quantized(node)
        elif node.op_type == "DequantizeLinear":
            count += dequantized(node)
    return count + (float32.real_inputs(graph) if count else 0)


def quantized(node: ir.Node) -> int:
    out = node.outputs[0]
    readers = [(reader, index) for reader, index in out.uses() if reader.op_type not in MOVES | {"DequantizeLinear"}]
    if not readers and not out.is_graph_output():
        return 0
    x, scale, zero = given(node.inputs[0]), *_parameters(node)
    if producer(x) is not None and _is_one_constant(node):
        integers = emit(node, "QuantizeLinear", node.inputs, shape(out), dtype=out.dtype)
        x = emit(node, "DequantizeLinear", [integers, *node.inputs[1:]], shape(out))
    steps = emit(node, "Round", [emit(node, "Div", [x, scale], shape(out))], shape(out))
    steps = emit(node, "Add", [steps, zero], shape(out))
    assert out.dtype is not None
    bounds = [constant(node.graph, np.array(bound, np.float32), "bound") for bound in LIMITS[out.dtype]]
    numbers = cast(emit(node, "Clip", [steps, *bounds], shape(out)), INT32, node)
    for reader, index in readers:
        reader.replace_input_with(index, numbers)
    if out.is_graph_output():
        rest = [(reader, index) for reader, index in out.uses()]
        replace(out, numbers)
        for reader, index in rest:
            reader.replace_input_with(index, out)
    return 1


def dequantized(node: ir.Node) -> int:
    x = given(node.inputs[0])
    if not x.is_graph_input():
        return 0
    scale, zero = _parameters(node)
    to = shape(x)
    steps = emit(node, "Sub", [cast(x, FLOAT, node), zero], to)
    replace(node.outputs[0], emit(node, "Mul", [steps, scale], to))
    owner(node).remove(node, safe=True)
    return 1


def _is_one_constant(node: ir.Node) -> bool:
    return all(const_value(value) is not None and array(value).size == 1 for value in node.inputs[1:])


def _parameters(node: ir.Node) -> Sequence[ir.Value]:
    """Scale and zero point as real numbers that broadcast to the node's input."""
    dims, found = shape(node.inputs[0]), []
    for value in node.inputs[1:]:
        along = [1] * len(dims)
        if shape(value) not in ((), (1,)):
            axis = attribute(node, "axis", 1) % len(dims)
            along[axis] = dims[axis]
        known = const_value(value)
        if known is not None:
            found.append(
                constant(node.graph, known.astype(np.float32).reshape(along if known.size > 1 else ()), "step")
            )
        else:
            found.append(reshape(cast(given(value), FLOAT, node), along if shape(value) else (), node))
    return found
