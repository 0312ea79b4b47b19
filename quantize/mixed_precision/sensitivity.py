"""Measure what each unit of a plan adds to the error by itself: it computes in int8, but on float inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from ...artifacts.errors import QuantizeError
from ...graph.fixed_selection import to_runnable_proto
from ...runtime.graph_session import open_graph, run
from ..apply import apply
from ..plan import Plan

if TYPE_CHECKING:
    import onnx

_INT8 = "int8/"  # before every name of the Q/DQ graph, where it stands beside the float graph


@dataclass(frozen=True)
class Sensitivity:
    """Noise by signal (the sum of squared errors by the sum of squares; 0.01 is 20 dB) over all inputs.

    Attributes:
        units: by output, of the int8 units: rounding of operands and weights, before the result is rounded.
        values: by name, of the values that get a pair: rounding of the value itself.
    """

    units: dict[str, float]
    values: dict[str, float]


def measure_sensitivity(model: ir.Model, plan: Plan, feeds: Iterable[Mapping[str, np.ndarray]]) -> Sensitivity:
    """One pass of the float `model` and of `apply(model, plan)` side by side, with every pair fed from the former.

    Memory holds every value of one input, three times. Raises QuantizeError without inputs.
    """
    both, computed, rounded = _side_by_side(model, plan)
    units = {u.output: computed.get(u.output, _INT8 + u.output) for u in plan.units if u.is_integer}
    pairs = [*units.items(), *rounded.items()]
    given = {value.name for value in both.graph.input}
    wanted = list(dict.fromkeys(name for pair in pairs for name in pair if name not in given))
    session = open_graph(both, wanted)
    signal, noise = np.zeros(len(pairs)), np.zeros(len(pairs))
    feeds = list(feeds)
    for feed in feeds:
        arrays = {**feed, **dict(zip(wanted, run(session, wanted, feed), strict=True))}
        signal += [np.square(arrays[exact], dtype=np.float64).sum() for exact, _ in pairs]
        noise += [np.square(arrays[exact] - arrays[int8], dtype=np.float64).sum() for exact, int8 in pairs]
    if not feeds:
        raise QuantizeError("measure_sensitivity: no inputs; give at least one")
    ratio = (noise / np.maximum(signal, np.finfo(np.float64).tiny)).tolist()
    return Sensitivity(
        dict(zip(units, ratio[: len(units)], strict=True)), dict(zip(rounded, ratio[len(units) :], strict=True))
    )


def _side_by_side(model: ir.Model, plan: Plan) -> tuple[onnx.ModelProto, dict[str, str], dict[str, str]]:
    """(both graphs in one, {value: what its int8 kernel computes}, {value: what its pair makes of the float one})."""
    both, written = to_runnable_proto(model), to_runnable_proto(apply(model, plan))
    exact = {v.name for v in both.graph.input} | {name for node in both.graph.node for name in node.output}
    inputs = {v.name for v in both.graph.input}
    dequantized = {node.input[0]: node.output[0] for node in written.graph.node if node.op_type == "DequantizeLinear"}
    computed, rounded = {}, {}
    # {what a pair gives: what the pair behind it gives}, where its value is requantised
    behind = {
        node.input[0]: dequantized[node.output[0]] for node in written.graph.node if node.op_type == "QuantizeLinear"
    }
    for tensor in written.graph.initializer:
        tensor.name = _INT8 + tensor.name
    both.opset_import[0].version = written.opset_import[0].version  # of one that has int16, and not
    both.graph.initializer.extend(written.graph.initializer)
    for node in written.graph.node:
        reads = [name if name in inputs or not name else _INT8 + name for name in node.input]
        if node.op_type == "QuantizeLinear" and node.input[0] not in dequantized.values():
            name, after = node.input[0], dequantized[node.output[0]]
            # a graph output leaves its name to the end of its pairs
            value = name if name in exact else after if after in exact else behind[after]
            rounded[value] = _INT8 + after
            if value not in inputs:
                computed[value], reads[0] = _INT8 + name, value
        node.name = _INT8 + node.name
        node.input[:] = reads
        node.output[:] = [_INT8 + name for name in node.output]
    both.graph.node.extend(written.graph.node)
    return both, computed, rounded
