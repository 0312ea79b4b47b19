"""Measure how large the sums inside operators may become on their way, in whatever order they are added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx_ir as ir

from ...graph.edit import Operand, const_value, constant, emit, given, name_of, shape
from ...graph.layers import CONVOLUTIONS
from ...runtime.graph_session import open_graph, run

REDUCED = frozenset({"ReduceMean", "ReduceSum"})
SUMMED = CONVOLUTIONS | REDUCED | {"MatMul", "AveragePool"}
_SUFFIX = "_sum_of_magnitudes"


def measure_sums(model: ir.Model, feeds: Iterable[Mapping[str, np.ndarray]]) -> dict[str, float]:
    """{a summing operator's first output: the largest sum of the magnitudes of what it adds}, over all feeds.

    No partial sum is beyond it. A mean's is that of its elements, before the division.
    """
    model = model.clone()
    names = {}
    for node in list(model.graph):
        if node.op_type in SUMMED and node.outputs[0].dtype == ir.DataType.FLOAT:
            value = _largest(_sum_of_magnitudes(node), node)
            value.name = names[name_of(node.outputs[0])] = f"{name_of(node.outputs[0])}{_SUFFIX}"
    session, found = open_graph(ir.to_proto(model), names.values()), dict.fromkeys(names, 0.0)
    for feed in feeds:
        for name, largest in zip(names, run(session, [*names.values()], feed), strict=True):
            found[name] = max(found[name], float(largest.max()))
    return found


def _sum_of_magnitudes(node: ir.Node) -> ir.Value:
    count = 1 if node.op_type in REDUCED | {"AveragePool"} else len(node.inputs)
    operands = [_magnitudes(value, node) if i < count else value for i, value in enumerate(node.inputs)]
    attributes = {attr.name: attr.value for attr in node.attributes.values()}
    op_type = "ReduceSum" if node.op_type == "ReduceMean" else node.op_type
    total = emit(node, op_type, operands, shape(node.outputs[0]), attributes)
    if node.op_type != "AveragePool":
        return total
    size = constant(node.graph, np.array(np.prod(attributes["kernel_shape"]), np.float32), "size")
    return emit(node, "Mul", [total, size], shape(total))


def _magnitudes(value: Operand, before: ir.Node) -> ir.Value:
    numbers = const_value(value)
    if numbers is not None:
        return constant(before.graph, np.abs(numbers), "magnitudes")
    return emit(before, "Abs", [given(value)], shape(value))


def _largest(value: ir.Value, before: ir.Node) -> ir.Value:
    axes = constant(before.graph, np.arange(len(shape(value))), "axes")
    return emit(before, "ReduceMax", [value, axes], [1] * len(shape(value)), {"keepdims": 1})
