"""Measure what happens inside operators: how large sums may become, how far from zero lies what is normalised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...graph.edit import Operand, attribute, const_value, constant, emit, given, name_of, shape
from ...graph.layers import CONVOLUTIONS
from ...runtime.graph_session import open_graph, run
from ..float16_range import Extent, measure_extents

REDUCED = frozenset({"ReduceMean", "ReduceSum"})
SUMMED = CONVOLUTIONS | REDUCED | {"MatMul", "AveragePool"}


@dataclass(frozen=True)
class Measured:
    """What a graph's values are on a few inputs.

    Attributes:
        extents: {value: its magnitudes}.
        sums: {a summing operator's first output: the largest sum of the magnitudes of what it adds}. No partial sum is
            beyond it, in whatever order. A mean's is that of its elements, before the division.
        offsets: {a LayerNormalization's output: how many times their spread its rows are away from zero}, as the root
            of the mean of squares.
    """

    extents: Mapping[str, Extent]
    sums: Mapping[str, float]
    offsets: Mapping[str, float]

    def reach(self, name: str) -> float:
        """The largest magnitude of a value, or of a sum on the way to it."""
        return max(self.extents[name].largest, self.sums.get(name, 0.0))


def measure(model: ir.Model, feeds: Iterable[Mapping[str, np.ndarray]]) -> Measured:
    """Run a canonical float graph on a few inputs, twice each."""
    feeds = list(feeds)
    extents = measure_extents(model, feeds)
    model = model.clone()
    sums: dict[str, ir.Value] = {}
    offsets: dict[str, ir.Value] = {}
    for node in list(model.graph):
        name = name_of(node.outputs[0])
        if node.op_type in SUMMED and node.outputs[0].dtype == ir.DataType.FLOAT:
            sums[name] = _over_all("ReduceMax", _sum_of_magnitudes(node), node)
        elif node.op_type == "LayerNormalization":
            offsets[name] = _offset(node)
    names = [name_of(value) for value in (*sums.values(), *offsets.values())]
    session = open_graph(model, names)
    largest = np.zeros(len(names))
    for feed in feeds:
        found = np.array([float(array.max()) for array in run(session, names, feed)])
        largest = np.maximum(largest, np.where(np.isfinite(found), found, 0))
    by_name = dict(zip((*sums, *offsets), largest.tolist(), strict=True))
    return Measured(extents, {name: by_name[name] for name in sums}, {name: by_name[name] for name in offsets})


def _sum_of_magnitudes(node: ir.Node) -> ir.Value:
    count = 1 if node.op_type in REDUCED | {"AveragePool"} else len(node.inputs)
    operands = [_magnitudes(value, node) if i < count else value for i, value in enumerate(node.inputs)]
    attributes = {attr.name: attr.value for attr in node.attributes.values()}
    op_type = "ReduceSum" if node.op_type == "ReduceMean" else node.op_type
    total = emit(node, op_type, operands, shape(node.outputs[0]), attributes)
    if node.op_type != "AveragePool":
        return total
    return emit(node, "Mul", [total, _number(np.prod(attribute(node, "kernel_shape")), node)], shape(total))


def _magnitudes(value: Operand, before: ir.Node) -> ir.Value:
    numbers = const_value(value)
    if numbers is not None:
        return constant(before.graph, np.abs(numbers), "magnitudes")
    return emit(before, "Abs", [given(value)], shape(value))


def _offset(node: ir.Node) -> ir.Value:
    """The root of the mean of the rows' squared means over that of their variances."""
    x, dims = given(node.inputs[0]), shape(node.inputs[0])
    row, last = (*dims[:-1], 1), constant(node.graph, np.array([len(dims) - 1]), "last")
    mean = emit(node, "ReduceMean", [x, last], row, {"keepdims": 1})
    centred = emit(node, "Sub", [x, mean], dims)
    squares = [
        _over_all("ReduceMean", emit(node, "Mul", [value, value], shape(value)), node) for value in (mean, centred)
    ]
    total = emit(node, "Add", [squares[1], _number(attribute(node, "epsilon"), node)], shape(squares[1]))
    return emit(node, "Sqrt", [emit(node, "Div", [squares[0], total], shape(total))], shape(total))


def _over_all(op_type: str, value: ir.Value, before: ir.Node) -> ir.Value:
    axes = constant(before.graph, np.arange(len(shape(value))), "axes")
    return emit(before, op_type, [value, axes], [1] * len(shape(value)), {"keepdims": 1})


def _number(number: float, before: ir.Node) -> ir.Value:
    return constant(before.graph, np.array(number, np.float32), "number")
