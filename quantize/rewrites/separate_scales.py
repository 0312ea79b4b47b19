"""Concat(x, y) -> Concat(Mul(x, 1), y) where x would lose bits to the scale that it shares

Kernels of the given kinds want one scale for all that goes in and comes out. Where another operator reads x too, and
the common range is much wider than x's own, the product with one brings a copy of x to the wide scale, and x keeps its
own. For devices that have no float in which to leave such a kernel.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from ...graph.edit import constant, consumers, emit, name_of, shape
from ...graph.fusion import VIEWS, source
from ..calibration.observers import with_zero
from ..calibration.statistics import Statistics, ValueStatistics

MOST = 1.5  # times its own range; a plan, which may observe narrower ranges, refuses from 2 on


def rewrite(model: ir.Model, stats: Statistics, *, kinds: Collection[str]) -> tuple[ir.Model, Statistics]:
    """A copy of `model` with such copies in it, and the statistics of its values."""
    model = model.clone()
    graph, values = model.graph, dict(stats.values)
    while found := next(_spoiled(graph, values, kinds), None):
        node, index = found
        x = node.inputs[index]
        assert x is not None
        one = constant(graph, np.array(1, np.float32), "one")
        copy = emit(node, "Mul", [x, one], shape(x))
        node.replace_input_with(index, copy)
        values[name_of(copy)] = values[name_of(source(x))]
    return model, replace(stats, values=values)


def _spoiled(
    graph: ir.Graph, values: dict[str, ValueStatistics], kinds: Collection[str]
) -> Iterator[tuple[ir.Node, int]]:
    """The operands that share a range much wider than their own, and have other readers."""
    ranges = _shared_ranges(graph, values, kinds)
    for node in graph:
        if node.op_type not in kinds:
            continue
        for index, value in _operands(node):
            x = source(value)
            own = values.get(name_of(x))
            if own is not None and _readers(x) > 1 and _span(*ranges[name_of(x)]) > MOST * _span(own.min, own.max):
                yield node, index


def _shared_ranges(
    graph: ir.Graph, values: dict[str, ValueStatistics], kinds: Collection[str]
) -> dict[str, tuple[float, float]]:
    """{value: the range of all that have to share one scale with it}."""
    group_of: dict[str, list[str]] = {}
    for node in graph:
        if node.op_type not in kinds:
            continue
        names = [name_of(node.outputs[0]), *(name_of(source(value)) for _, value in _operands(node))]
        merged = list(dict.fromkeys(each for name in names for each in group_of.get(name, [name])))
        group_of.update(dict.fromkeys(merged, merged))
    known = {name: [values[each] for each in group if each in values] for name, group in group_of.items()}
    return {name: (min(v.min for v in group), max(v.max for v in group)) for name, group in known.items() if group}


def _operands(node: ir.Node) -> list[tuple[int, ir.Value]]:
    """The computed inputs that hold numbers, with their places."""
    count = len(node.inputs) if node.op_type in ("Concat", "Max", "Min") else 1
    return [(i, value) for i, value in enumerate(node.inputs[:count]) if value is not None and not value.const_value]


def _readers(value: ir.Value) -> int:
    """How many operators read the value, through any views, and the graph's outputs among them."""
    through = [_readers(node.outputs[0]) if node.op_type in VIEWS else 1 for node in consumers(value)]
    return sum(through) + value.is_graph_output()


def _span(low: float, high: float) -> float:
    low, high = with_zero(low, high)
    return high - low
