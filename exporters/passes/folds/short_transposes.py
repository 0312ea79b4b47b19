"""Transpose of more than 5 axes -> Transposes of as few as can be, at most 6, between Reshapes

No runtime moves more than 6 axes at once. Leaves 6 alone that all move apart.
"""

from __future__ import annotations

from math import prod

import onnx_ir as ir

from ....graph.axis_permutations import orders, runs
from ....graph.edit import attribute, given, reshape, shape, transpose
from ....graph.replacing import replace_each

MOST = 6


def rewrite(model: ir.Model) -> int:
    return replace_each(model.graph, {"Transpose": _in_swaps})


def _in_swaps(node: ir.Node) -> ir.Value | None:
    value, perm = given(node.inputs[0]), attribute(node, "perm")
    sizes, order = shape(value), tuple(range(len(perm)))
    if len(perm) < MOST or len(runs(order, perm)) == len(perm) == MOST:
        return None
    for new in orders(order, perm, MOST):
        value, order = _moved(value, order, new, sizes, node), new
    return reshape(value, shape(node.outputs[0]), node)


def _moved(
    value: ir.Value, order: tuple[int, ...], to: tuple[int, ...], sizes: tuple[int, ...], node: ir.Node
) -> ir.Value:
    """The value, whose axes are in `order`, with them in the order `to`; axes that stay together become one."""
    together = runs(to, order)
    fewer = reshape(value, [prod(sizes[axis] for axis in run) for run in together], node)
    return transpose(fewer, sorted(range(len(together)), key=lambda i: to.index(together[i][0])), node)
