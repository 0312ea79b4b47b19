"""This file moves biases so that every layer of the quantised graph has the mean output of the float graph's layer.

Sequential empirical bias correction (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, section 4.2, with measured means): rounding shifts the mean of every channel, and the shifts add
up along the network; each layer is corrected while it sees the quantised and already corrected network before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import onnx_ir as ir

from ..exporters.dialect import OPSET
from ..exporters.graph import constant, remove_dead
from .apply import apply
from .errors import QuantizeError
from .plan import Plan
from .sessions import open_graph
from .units import VIEWS, Unit

Arrays = dict[str, np.ndarray]
_RECOMPUTED = VIEWS | {"DequantizeLinear"}  # cheaper to run again than to keep: int8 is kept in their place


def correct_biases(
    model: ir.Model,
    plan: Plan,
    feeds: Iterable[Mapping[str, np.ndarray]],
    *,
    reference: ir.Model | None = None,
    progress: Callable[[int], None] | None = None,
) -> ir.Model:
    """A copy of the float `model` whose biases make `apply(copy, plan)` agree with `reference` in every channel's mean.

    `reference` is `model` itself, or the float model whose weights `model` has rounded.

    Every input is run once through each graph, all inputs side by side, layer by layer; memory holds what one layer
    hands to the rest, in int8, for every input: some 2 MB per 256x256 image, so 32 to 200 inputs are meant. Layers
    without a bias are left alone. `progress` is called with the number of layers done.
    """
    feeds = [dict(feed) for feed in feeds]
    if not feeds:
        raise QuantizeError("correct_biases: no calibration inputs; give at least one")
    units = [unit for unit in plan.units if unit.precision == "int8" and unit.bias is not None]
    wanted = _float_means(reference or model, units, feeds)
    corrected = model.clone()
    walk = _Walk(apply(model, plan), [unit.nodes[0] for unit in units], feeds)
    values = {output.name: output for node in corrected.graph for output in node.outputs}
    for done, unit in enumerate(units, start=1):
        walk.advance()
        node = values[unit.accumulates].producer()
        bias = node.inputs[unit.bias_input]
        moved = (bias.const_value.numpy() + wanted[unit.output] - walk.mean(unit)).astype(np.float32)
        node.replace_input_with(unit.bias_input, constant(corrected.graph, moved, bias.name))
        walk.set_bias(unit, plan.biases[unit.accumulates].quantize(moved))
        if progress is not None:
            progress(done)
    remove_dead(corrected.graph)
    return corrected


def _float_means(model: ir.Model, units: list[Unit], feeds: list[Arrays]) -> dict[str, np.ndarray]:
    """{unit output: mean of each channel before the activation function, over all inputs}."""
    names = list(dict.fromkeys(unit.accumulates for unit in units))
    session = open_graph(ir.to_proto(model), names)
    sums: dict[str, np.ndarray | float] = defaultdict(float)
    for feed in feeds:
        for unit, array in zip(units, session.run(names, feed), strict=True):
            sums[unit.output] = sums[unit.output] + _per_channel(unit, array)
    return {name: total / len(feeds) for name, total in sums.items()}


def _per_channel(unit: Unit, array: np.ndarray) -> np.ndarray:
    """Mean over all axes but the channels': (n, c, h, w) -> (c,) for Conv, (..., c) -> (c,) for Linear."""
    axis = 1 if unit.kind == "Conv" else array.ndim - 1
    return array.mean(axis=tuple(a for a in range(array.ndim) if a != axis), dtype=np.float64)


class _Walk:
    """Runs a Q/DQ graph up to the next layer, for all inputs, and keeps only what later nodes read."""

    def __init__(self, written: ir.Model, layers: list[str], feeds: list[Arrays]) -> None:
        self.nodes = list(written.graph)
        self.made_by = {output.name: node for node in self.nodes for output in node.outputs}
        for value in written.graph.outputs:
            if (
                value.producer().op_type == "DequantizeLinear"
            ):  # the layer that makes a graph output lost its name to it
                self.made_by[value.name] = value.producer().inputs[0].producer().inputs[0].producer()
        position = {node: i for i, node in enumerate(self.nodes)}
        self.stops = iter([position[self.made_by[name]] for name in layers])
        self.last_read: dict[str, int] = {}  # value -> the last node that needs it, also through recomputed ones
        for i, node in enumerate(self.nodes):
            if node.op_type not in _RECOMPUTED:
                self.last_read.update(dict.fromkeys(self.closure([node])[1], i))
        self.kept = feeds  # per input: the values made so far that are still to be read
        self.at = 0

    def advance(self) -> None:
        """Run the nodes up to the next layer, without it."""
        stop = next(self.stops)
        part = [node for node in self.nodes[self.at : stop] if node.op_type not in _RECOMPUTED]
        live = {name for name, last in self.last_read.items() if last >= stop}
        outputs = [o.name for n in part for o in n.outputs if o.name in live]
        if outputs:
            session, inputs = self.open(part, outputs)
            for i, kept in enumerate(self.kept):
                made = session.run(outputs, {name: kept[name] for name in inputs})
                kept = {**kept, **dict(zip(outputs, made, strict=True))}
                self.kept[i] = {name: array for name, array in kept.items() if name in live}
        self.at = stop

    def mean(self, unit: Unit) -> np.ndarray:
        """The mean of each channel that the layer computes now. It is linear: one run on the inputs' mean tells."""
        layer = [self.made_by[name] for name in unit.nodes[: unit.nodes.index(unit.accumulates) + 1]]
        (given,) = self.closure(layer)[1]
        mean = sum(kept[given].astype(np.float64) for kept in self.kept) / len(self.kept)
        quantize = self.made_by[given]
        if quantize.op_type == "QuantizeLinear":  # else what a kernel moved, as a Concat of integers: kept in float
            (dequantise,) = (use.node for use in quantize.outputs[0].uses())
            scale, zero_point = (v.const_value.numpy() for v in dequantise.inputs[1:3])
            mean, given = (mean - float(zero_point)) * float(scale), dequantise.outputs[0].name
        wanted, mean = layer[-1].outputs[0].name, mean.astype(np.float32)
        session, _ = self.open(layer, [wanted], given=[given])
        return _per_channel(unit, session.run([wanted], {given: mean})[0])

    def set_bias(self, unit: Unit, integers: np.ndarray) -> None:
        """Replace the int32 bias of a layer that has not run yet."""
        node = self.made_by[unit.accumulates]
        stored = node.inputs[unit.bias_input].producer().inputs[0]
        stored.const_value = ir.Tensor(integers, name=stored.name)

    def closure(self, nodes: list[ir.Node], given: Iterable[str] = ()) -> tuple[list[ir.Node], list[str]]:
        """`nodes` with the recomputed ones that they need, in order, and the values to be given to them."""
        inside, inputs, made = [], dict.fromkeys(given), set()

        def include(node: ir.Node) -> None:
            for value in node.inputs:
                if value is None or value.is_initializer() or value.name in made or value.name in inputs:
                    continue
                producer = value.producer()
                if producer is not None and producer.op_type in _RECOMPUTED:
                    include(producer)
                else:
                    inputs[value.name] = None
            inside.append(node)
            made.update(o.name for o in node.outputs)

        for node in nodes:
            include(node)
        return inside, list(inputs)

    def open(self, nodes: list[ir.Node], outputs: list[str], given: Iterable[str] = ()):
        """A session on part of the graph, and the names of its inputs."""
        import onnx

        nodes, inputs = self.closure(nodes, given)
        values = {v.name: v for n in nodes for v in (*n.inputs, *n.outputs) if v is not None}
        constants = [v for v in values.values() if v.is_initializer()]
        graph = onnx.helper.make_graph(
            [ir.serde.serialize_node(node) for node in nodes],
            "part",
            [ir.serde.serialize_value(values[name]) for name in inputs],
            [ir.serde.serialize_value(values[name]) for name in outputs],
            [ir.serde.serialize_tensor(value.const_value) for value in constants],
        )
        opset = onnx.helper.make_opsetid("", OPSET)
        return open_graph(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10)), inputs
