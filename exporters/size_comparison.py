"""Find how a canonical graph depends on the size of its image, by what the same model gives at other sizes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from ..artifacts.errors import UnsupportedOp
from ..artifacts.sizes import Size, shown
from ..graph.edit import array, attribute, const_value, module_path, shape, where
from ..graph.open_sizes import declare_open, fit, mark
from .lengths import ADVICE
from .passes.expansions.map_normalization import expand_normalization, is_uniform

SHAPING = {  # op -> its operands that may follow from the size: shapes, sizes and places
    "Reshape": {1},
    "Resize": {3},
    "Slice": {1, 2},
    "Tile": {1},
    "Pad": {1},
}


def mark_sizes(graph: ir.Model, size: Size, others: Mapping[Size, ir.Model]) -> None:
    """Note in the graph, which is of `size`, which of its constants follow from the size of the image, and how.

    `others` are the canonical graphs of the same model at other sizes. Raises UnsupportedOp where one is another graph,
    or where numbers that no target computes (weights, attributes) depend on the size; it names the PyTorch module.
    """
    models = {size: graph, **others}
    declare_open(graph)
    for nodes in zip(*(list(model.graph) for model in models.values()), strict=False):
        if len({shape(node.inputs[1]) for node in nodes if is_uniform(node)}) > 1:
            for node in filter(is_uniform, nodes):
                expand_normalization(node)
    walks = [list(model.graph) for model in models.values()]
    for other, walk in zip(models, walks, strict=True):
        _check_same_operators(walks[0], walk, size, other)
    places = [{out: (i, k) for i, node in enumerate(walk) for k, out in enumerate(node.outputs)} for walk in walks]
    for nodes in zip(*walks, strict=True):
        for index in range(len(nodes[0].inputs)):
            _compare_operand(nodes, index, list(models), places)
    for ends in zip(*(model.graph.outputs for model in models.values()), strict=True):
        if len({known.get(end) for known, end in zip(places, ends, strict=True)}) > 1:
            raise UnsupportedOp(
                f"--dynamic size: output {ends[0].name!r} comes from another operator elsewhere{ADVICE}"
            )


def _check_same_operators(walk: list[ir.Node], other: list[ir.Node], size: Size, elsewhere: Size) -> None:
    """Raises UnsupportedOp where the second graph does something else than the first."""
    for node, twin in zip(walk, other, strict=False):
        if node.op_type != twin.op_type or len(node.inputs) != len(twin.inputs):
            raise UnsupportedOp(
                f"--dynamic size: {where(node)} at {shown(size)} is {where(twin)} at {shown(elsewhere)}: the model "
                f"computes something else there{ADVICE}"
            )
        for name in node.attributes:
            here, there = attribute(node, name), attribute(twin, name)
            if here != there:
                raise UnsupportedOp(
                    f"--dynamic size: {where(node)} has {name} {here} at {shown(size)} and {there} at "
                    f"{shown(elsewhere)}, which a file holds but once{ADVICE}"
                )
    if len(walk) != len(other):
        longer = max(walk, other, key=len)[min(len(walk), len(other))]
        raise UnsupportedOp(f"--dynamic size: {where(longer)} is there at one size and not at another{ADVICE}")


def _compare_operand(
    nodes: tuple[ir.Node, ...], index: int, sizes: list[Size], places: list[dict[ir.Value, tuple[int, int]]]
) -> None:
    """Marks an operand that follows from the size. Raises UnsupportedOp where it does so in no known way."""
    node, values = nodes[0], [each.inputs[index] for each in nodes]
    constants = [const_value(value) for value in values]
    if all(each is None for each in constants):
        read = {known.get(value) if value is not None else None for known, value in zip(places, values, strict=True)}
        if len(read) > 1:
            raise UnsupportedOp(f"--dynamic size: {where(node)} reads other values at another size{ADVICE}")
        return
    if any(each is None for each in constants):
        raise UnsupportedOp(f"--dynamic size: {where(node)} computes at one size what is constant at another{ADVICE}")
    arrays = [array(value) for value in values]
    if all(np.array_equal(arrays[0], each) for each in arrays[1:]):
        return
    shapes = {each.shape for each in arrays}
    if index not in SHAPING.get(node.op_type, ()) or len(shapes) > 1:
        dims = "x".join(map(str, arrays[0].shape)) or "1"
        raise UnsupportedOp(
            f"--dynamic size: {_place(node)} holds {dims} numbers that were made for {shown(sizes[0])} and are others "
            f"at other sizes ({where(node)}){ADVICE}"
        )
    numbers = [fit(sizes, column) for column in np.stack([each.ravel() for each in arrays], 1).tolist()]
    if any(each is None for each in numbers):
        told = ", ".join(f"{each.ravel().tolist()} at {shown(s)}" for each, s in zip(arrays, sizes, strict=True))
        raise UnsupportedOp(f"--dynamic size: {where(node)} follows from the size in no known way: {told}{ADVICE}")
    mark(node, index, [each for each in numbers if each is not None])


def _place(node: ir.Node) -> str:
    path = module_path(node)
    return f"module {path!r}" if path else "the model itself"
