"""Put in nodes under names that follow from those that are there: OpenVINO keeps them in its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from ....graph.edit import Operand, constant, emit, maker, owner, replace


def put(
    before: ir.Node,
    name: str,
    op_type: str,
    inputs: Sequence[Operand],
    shape: Sequence[int],
    attributes: Mapping[str, Any] | None = None,
    dtype: ir.DataType | None = ir.DataType.FLOAT,
) -> ir.Value:
    """The result, called `name`, of a new node in front of `before`; the node itself has none."""
    value = emit(before, op_type, inputs, shape, attributes, dtype=dtype)
    value.name, maker(value).name = name, ""
    return value


def put_reshape(before: ir.Node, name: str, x: Operand, shape: Sequence[int]) -> ir.Value:
    """`x` in another shape, also where it has that shape."""
    assert x is not None
    to = constant(before.graph, np.array(shape), f"{name}_shape")
    return put(before, name, "Reshape", [x, to], shape, dtype=x.dtype)


def stand_in(new: ir.Value, node: ir.Node) -> None:
    """Let `new` take the place and the name of the node's output; the node goes."""
    out = node.outputs[0]
    name = out.name
    replace(out, new)
    owner(node).remove(node, safe=True)
    new.name = name


def put_behind(node: ir.Node, op_type: str, operand: ir.Value, shape: Sequence[int], inner: str) -> None:
    """out = node(...) -> inner = node(...), out = op_type(inner, operand)"""
    graph, out = owner(node), node.outputs[0]
    name, readers = out.name, tuple(out.uses())
    new = ir.node(op_type, [out, operand])
    graph.insert_after(node, new)
    result = new.outputs[0]
    result.shape, result.type = ir.Shape(shape), out.type
    for reader, index in readers:
        reader.replace_input_with(index, result)
    for index, value in enumerate(graph.outputs):
        if value is out:
            graph.outputs[index] = result
    out.name, result.name, new.name = inner, name, ""


def behind(value: Operand, op_type: str) -> ir.Node | None:
    """The node of that type that makes the value, but for what is done to each element."""
    node = value.producer() if value is not None else None
    while node is not None and node.op_type in ("Add", "Mul", "Where") and node.op_type != op_type:
        node = first_maker(node)
    return node if node is not None and node.op_type == op_type else None


def first_maker(node: ir.Node) -> ir.Node | None:
    """What computes the first of the node's operands that is computed."""
    makers = (value.producer() for value in node.inputs if value is not None)
    return next((node for node in makers if node is not None), None)
