"""Pad(x, mode "reflect" | "edge" | "wrap") -> Concat(a Slice of x before, x, a Slice of x after), axis by axis

A mirrored border is a Slice for each of its rows. Leaves a Pad with constants alone, whose pads are computed, and that
is wider than the image it mirrors or repeats.
"""

from __future__ import annotations

import onnx_ir as ir

from ....graph.edit import attribute, emit, given, replace, shape
from .explicit_slice import emit_slice
from .pad import full_pads

MODES = {"reflect", "edge", "wrap"}


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        mode = attribute(node, "mode", "constant")
        if node.op_type != "Pad" or mode not in MODES or (pads := full_pads(node)) is None:
            continue
        x = given(node.inputs[0])
        rank = len(shape(x))
        if any(reach(mode, shape(x)[i % rank]) < amount for i, amount in enumerate(pads)):
            continue
        for axis in range(rank):
            x = bordered(x, axis, pads[axis], pads[axis + rank], mode, node)
        replace(node.outputs[0], x)
        graph.remove(node, safe=True)
        count += 1
    return count


def reach(mode: str, size: int) -> float:
    """How wide a border the mode has for an axis of `size` elements."""
    return {"reflect": size - 1, "wrap": size, "edge": float("inf")}[mode]


def bordered(x: ir.Value, axis: int, before: int, after: int, mode: str, node: ir.Node) -> ir.Value:
    """x with a border on one axis; where it is negative, without as many of its elements."""
    size = shape(x)[axis]
    if min(before, after) < 0:
        x = emit_slice(x, {axis: (max(0, -before), size - max(0, -after), 1)}, node)
        before, after, size = max(0, before), max(0, after), shape(x)[axis]
    indices = {
        "reflect": lambda i: (size - 1) - abs((size - 1) - abs(i)) if size > 1 else 0,
        "edge": lambda i: min(max(i, 0), size - 1),
        "wrap": lambda i: i % size,
    }[mode]
    first = pieces([indices(i) for i in range(-before, 0)])
    last = pieces([indices(i) for i in range(size, size + after)])
    if not first and not last:
        return x
    known = dict.fromkeys([*first, *last])  # in an order that is the same at every size
    made = {piece: emit_slice(x, {axis: (*piece, 1)}, node) if piece != (0, size) else x for piece in known}
    parts = [*(made[piece] for piece in first), x, *(made[piece] for piece in last)]
    to = (*shape(x)[:axis], size + before + after, *shape(x)[axis + 1 :])
    return emit(node, "Concat", parts, to, {"axis": axis}, dtype=x.dtype)


def pieces(indices: list[int]) -> list[tuple[int, int]]:
    """The runs of ascending indices, as start and end."""
    runs: list[tuple[int, int]] = []
    for i in indices:
        if runs and runs[-1][1] == i:
            runs[-1] = (runs[-1][0], i + 1)
        else:
            runs.append((i, i + 1))
    return runs
