"""Write operators of the dialect in others of it, for the targets that have no kernel for them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import onnx_ir as ir

from ....graph.edit import remove_dead
from ....graph.replacing import replace_output
from ..forms import constant_folding, operand_order
from . import grid_sample, recurrence, suppression

Expansion = Callable[[ir.Node], tuple[ir.Value, ...]]  # a node -> what stands for each of its outputs

EXPANSIONS: Mapping[str, Expansion] = {
    "GridSample": grid_sample.expand,
    "LSTM": recurrence.expand,
    "GRU": recurrence.expand,
    "NonMaxSuppression": suppression.expand,
}


def expand(model: ir.Model, ops: Collection[str], which: Callable[[ir.Node], bool] = lambda node: True) -> ir.Model:
    """A copy in which the nodes of `ops` are other operators of the dialect; `model` itself where it has none.

    `which` says of a node of `ops` whether it is to be expanded. Raises UnsupportedOp for a recurrence of too many
    steps, a selection among too many classes.
    """
    if not any(node.op_type in ops and which(node) for node in model.graph):
        return model
    model = model.clone()
    graph = model.graph
    for node in list(graph):
        if node.op_type in ops and which(node):
            for index, (out, value) in enumerate(zip(node.outputs, EXPANSIONS[node.op_type](node), strict=False)):
                if out.uses() or out.is_graph_output():
                    name = out.name
                    replace_output(node, value, index)
                    out.name, value.name = f"{name}_whole", name
            graph.remove(node, safe=True)
    remove_dead(graph)
    constant_folding.rewrite(model)  # of a constant grid everything but what it takes, of a first state its product
    operand_order.rewrite(model)
    remove_dead(graph)
    return model
