"""Transpose of more than 6 axes that move apart -> Transposes that each swap two neighbouring runs of axes

No runtime moves more than 6 axes at once. Each swap brings as many axes next to those that they stand beside in the
end as one can, until 6 runs are left.
"""

from __future__ import annotations

from itertools import combinations
from math import prod

import onnx_ir as ir

from ..graph import attribute, given, reshape, shape, transpose
from .replacing import replace_each

MOST = 6


def rewrite(graph: ir.Graph) -> int:
    return replace_each(graph, {"Transpose": _in_swaps})


def _in_swaps(node: ir.Node) -> ir.Value | None:
    value, perm = given(node.inputs[0]), list(attribute(node, "perm"))
    if len(perm) <= MOST:
        return None
    sizes = {axis: size for axis, size in enumerate(shape(value))}
    order = list(range(len(perm)))
    while runs(order, perm) > MOST:
        cuts = min(combinations(range(len(perm) + 1), 3), key=lambda cuts: runs(swapped(order, *cuts), perm))
        new = swapped(order, *cuts)
        value = moved(value, order, new, sizes, node)
        order = new
    return reshape(moved(value, order, perm, sizes, node), shape(node.outputs[0]), node)


def swapped(order: list[int], start: int, middle: int, end: int) -> list[int]:
    return order[:start] + order[middle:end] + order[start:middle] + order[end:]


def runs(order: list[int], wanted: list[int]) -> int:
    """How many runs of axes one after the other have to be moved to bring `order` to `wanted`."""
    following = dict(zip(wanted, wanted[1:], strict=False))
    return 1 + sum(following.get(a) != b for a, b in zip(order, order[1:], strict=False))


def moved(value: ir.Value, order: list[int], to: list[int], sizes: dict[int, int], node: ir.Node) -> ir.Value:
    """The value, whose axes are in `order`, with its axes in the order `to`; runs of axes are one axis meanwhile."""
    following = dict(zip(to, to[1:], strict=False))
    groups: list[list[int]] = []
    for axis in order:
        if groups and following.get(groups[-1][-1]) == axis:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    fewer = reshape(value, [prod(sizes[axis] for axis in group) for group in groups], node)
    perm = sorted(range(len(groups)), key=lambda i: to.index(groups[i][0]))
    return transpose(fewer, perm, node)
