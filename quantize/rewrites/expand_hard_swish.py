"""HardSwish(x) -> Mul(x, Clip(Add(x, 3), 0, 6)), and a sixth in the weights of the layers that read it

HardSwish(x) is x * relu6(x + 3) / 6 (arXiv:1905.02244, section 5.2). Addition with a clip and multiplication have int8
kernels where HardSwish has none. Leaves a HardSwish alone whose sixth cannot move: where anything reads it but layers,
perhaps through views, means and products with others. So it does one with constants behind it: they are put on its
result in float, before that is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from ...graph.activated import by_constant
from ...graph.edit import array, constant, consumers, emit, given, name_of, remove_dead, shape, sole_consumer
from ...graph.fusion import VIEWS, source
from ...graph.layers import Weighted, rescale, weighted
from ..calibration.statistics import Statistics

_LINEAR = VIEWS | {"ReduceMean", "Slice", "MaxPool"}  # f(6 x) = 6 f(x), one activation read


@dataclass(frozen=True)
class _Reach:
    """Where a factor goes from one value: the `scaled` values behind it take it, the layers `after` those undo it.

    The layers `beside` take it too: their results are added to scaled values.
    """

    scaled: tuple[ir.Value, ...]
    after: tuple[ir.Node, ...]
    beside: tuple[Weighted, ...]


def rewrite(model: ir.Model, stats: Statistics) -> tuple[ir.Model, Statistics]:
    """A copy of `model` with the HardSwishes split, and the statistics of its values; both the same where none is."""
    model = model.clone()
    graph, values = model.graph, dict(stats.values)
    for node in graph:
        if node.op_type != "HardSwish":
            continue
        x, y = given(node.inputs[0]), node.outputs[0]
        reach = _reach(y)
        if reach is None:
            continue
        three, low, high = (
            constant(graph, np.array(n, np.float32), k) for n, k in ((3, "three"), (0, "min"), (6, "max"))
        )
        total = emit(node, "Add", [x, three], shape(x))
        gate = emit(node, "Clip", [total, low, high], shape(x))
        product = emit(node, "Mul", [x, gate], shape(x))
        total.name, gate.name = f"{name_of(y)}_sum", f"{name_of(y)}_gate"
        y.replace_all_uses_with(product)
        product.name = name_of(y)
        values[name_of(gate)] = stats[name_of(source(x))].mapped(lambda v: np.clip(v + 3, 0, 6))
        for value in (product, *reach.scaled):
            name = name_of(value)
            value.name = f"{name}_times_6"
            if name in values:
                values[value.name] = values.pop(name).mapped(lambda v: 6 * v)
        for layer in reach.after:
            weight = layer.inputs[1]
            layer.replace_input_with(1, constant(graph, array(weight) / np.float32(6), name_of(weight)))
        for layer in reach.beside:
            rescale(layer, 6.0)
    remove_dead(graph)
    return model, replace(stats, values=values)


def _reach(value: ir.Value) -> _Reach | None:
    """Where six times `value` would go, None where it would leave the graph or meet a value that cannot follow."""
    scaled, after, beside, todo = [], [], [], [value]
    while todo:
        value = todo.pop()
        if value.is_graph_output():
            return None
        for node in consumers(value):
            others = [v for v in node.inputs if v is not value and v is not None]
            result = node.outputs[0]
            if node.op_type in ("Conv", "MatMul") and node.inputs[0] is value and all(v.const_value for v in others):
                after.append(node)
                continue
            layer = weighted(others[0]) if node.op_type == "Add" and others else None
            if layer is not None and sole_consumer(others[0]) is node:
                beside.append(layer)
                scaled.append(others[0])
            elif by_constant(node) or not (node.op_type in _LINEAR or (node.op_type == "Mul" and len(others) == 1)):
                return None
            if result in scaled:
                return None  # it would take the factor twice
            scaled.append(result)
            todo.append(result)
    return _Reach(tuple(scaled), tuple(after), tuple(beside))
