"""The walk that most rewrites share: each node of some operators becomes another value, or stays."""

from collections.abc import Callable, Mapping

import onnx_ir as ir

from .edit import can_replace, emit, given, replace, shape

Rewrite = Callable[[ir.Node], ir.Value | None]  # the value that stands for the node's output, or None


def replace_each(graph: ir.Graph, rewrites: Mapping[str, Rewrite], *, dtype: ir.DataType | None = None) -> int:
    """Let each rewrite replace the nodes of its operator, those that give `dtype` if it is given; how many it did."""
    count = 0
    for node in graph:
        if dtype is not None and node.outputs[0].dtype != dtype:
            continue
        rewrite = rewrites.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        new = rewrite(node) if rewrite is not None else None
        if new is not None:
            replace_output(node, new)
            graph.remove(node, safe=True)
            count += 1
    return count


def replace_output(node: ir.Node, new: ir.Value, index: int = 0) -> None:
    """`new` instead of an output of the node; a copy of it where the graph returns what cannot be returned twice."""
    out = node.outputs[index]
    if not can_replace(out, new):
        new = emit(node, "Identity", [new], shape(new), dtype=given(new).dtype)
    replace(out, new)
