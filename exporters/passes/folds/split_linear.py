"""Slice(views(linear(x))) -> views(linear'(x)), where each Slice takes some of the linear's columns

So one linear for q, k and v becomes three, each with its own views, whichever way the model cut it up (chunk, split,
unbind, indexing, before or after the heads are made). Leaves a linear alone where something else reads it, a Slice
takes a part of another axis, or the Slices together would compute more columns than the linear has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ....graph.edit import PART, Operand, consumers, given, producer, remove_dead, replace, reshape, shape, transpose
from ....graph.layers import Weighted, emit_linear, linears
from ....graph.view_axes import VIEWS, ViewAxes
from ..forms.explicit_slice import ranges_of


@dataclass(frozen=True)
class Part:
    """What one Slice takes: the linear's columns, and the views that the remaining linear needs, in order."""

    slice: ir.Node
    columns: np.ndarray
    steps: list[tuple[str, tuple[int, ...]]]


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for layer in linears(graph):
        parts = parts_of(layer)
        if not parts or sum(len(part.columns) for part in parts) > layer.channels:
            continue
        weight, bias, x = layer.weight, layer.bias if layer.add is not None else None, layer.node.inputs[0]
        end = layer.add or layer.node
        names = (given(layer.node.inputs[1]).name, given(layer.add.inputs[1]).name if layer.add is not None else None)
        for number, part in enumerate(sorted(parts, key=lambda part: int(part.columns[0]))):
            columns = part.columns
            value = emit_linear(
                x, weight[:, columns], bias[columns] if bias is not None else None, end, like=layer.node, names=names
            )
            label(value, number)
            for op_type, argument in part.steps:
                value = (reshape if op_type == "Reshape" else transpose)(value, argument, part.slice)
            replace(part.slice.outputs[0], value)
        count += 1
    if count:
        remove_dead(graph)
    return count


def label(value: Operand, number: int) -> None:
    """Say in the metadata of a new linear which part of the old one it is; a part of a part is "1.0"."""
    add = producer(value, "Add")
    for node in (add, producer(add.inputs[0] if add is not None else value)):
        if node is not None:
            outer = node.metadata_props.get(PART)
            node.metadata_props[PART] = str(number) if outer is None else f"{outer}.{number}"


def parts_of(layer: Weighted) -> list[Part] | None:
    """The parts that Slices take of the linear's output; None where something else reads it."""
    parts: list[Part] = []
    return parts if _collect(layer.output, [], parts) else None


def _collect(value: ir.Value, path: list[ir.Node], parts: list[Part]) -> bool:
    if value.is_graph_output() or not value.uses():
        return False
    for node in consumers(value):
        if node.op_type in VIEWS:
            if not _collect(node.outputs[0], [*path, node], parts):
                return False
        elif node.op_type != "Slice" or (part := part_of(node, path)) is None:
            return False
        else:
            parts.append(part)
    return True


def part_of(node: ir.Node, path: list[ir.Node]) -> Part | None:
    source = shape(path[0].inputs[0] if path else node.inputs[0])
    axes = ViewAxes(source)
    if not all(axes.apply(view) for view in path):
        return None
    ranges = ranges_of(node)
    if not ranges or len(ranges) != 1:
        return None
    ((axis, bounds),) = ranges.items()
    columns_axis = axes.source[-1]
    if len(axes.dims[axis]) != 1 or axes.dims[axis][0] not in columns_axis:
        return None
    (atom,) = axes.dims[axis]
    columns = np.arange(source[-1]).reshape([axes.sizes[key] for key in columns_axis])
    columns = np.take(columns, range(*bounds), axis=columns_axis.index(atom)).reshape(-1)
    axes.narrow(atom, len(range(*bounds)))  # the same views, of fewer columns
    return Part(node, columns, axes.steps())
