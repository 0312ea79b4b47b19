"""Reshape(Transpose(Reshape(... x))) -> at most Reshape(Transpose(Reshape(x))), in the fewest nodes and axes

Leaves a chain alone where it has no shorter form, from a value on that others read too, and at a Reshape that cuts
across axes.
"""

from __future__ import annotations

import onnx_ir as ir

from ....graph.edit import can_replace, owner, producer, replace, reshape, shape, sole_consumer, transpose
from ....graph.view_axes import VIEWS, ViewAxes, cost


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in list(graph):
        if node.graph is not graph or node.op_type not in VIEWS:
            continue
        reader = sole_consumer(node.outputs[0])
        if reader is None or reader.op_type not in VIEWS:
            count += shorten(node)
    return count


def chain_to(tail: ir.Node) -> list[ir.Node]:
    """The views up to `tail`, each read by the next alone."""
    chain = [tail]
    while (node := producer(chain[0].inputs[0])) is not None and node.op_type in VIEWS:
        if sole_consumer(node.outputs[0]) is None:
            break
        chain.insert(0, node)
    return chain


def shorten(tail: ir.Node) -> int:
    chain = chain_to(tail)
    while (axes := follow(chain)) is None:  # a Reshape cuts across axes: what stands behind it may still be merged
        chain = chain[1:]
        if not chain:
            return 0
    steps = axes.steps()
    source, out = chain[0].inputs[0], tail.outputs[0]
    if cost(steps) >= cost([(node.op_type, shape(node.outputs[0])) for node in chain]):
        return 0
    if not steps and not can_replace(out, source):
        return 0
    value = source
    for op_type, argument in steps:
        step = reshape if op_type == "Reshape" else transpose
        value = step(value, argument, tail)
    replace(out, value)
    graph = owner(tail)
    for node in reversed(chain):
        graph.remove(node, safe=True)
    return 1


def follow(chain: list[ir.Node]) -> ViewAxes | None:
    """The axes at the end of the chain; None where a Reshape cuts across them."""
    axes = ViewAxes(shape(chain[0].inputs[0]))
    for node, following in zip(chain, [*chain[1:], None], strict=True):
        overridden = node.op_type == "Reshape" and following is not None and following.op_type == "Reshape"
        if not overridden and not axes.apply(node):
            return None
    return axes
