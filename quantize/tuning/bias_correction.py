"""Move biases so that every layer of the quantised graph has the mean output of the float graph's layer.

Sequential empirical bias correction (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, section 4.2, with measured means): rounding shifts the mean of every channel, and the shifts add
up along the network; each layer is corrected while it sees the quantised and already corrected network before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import onnx_ir as ir

from ...artifacts.errors import QuantizeError
from ...graph.dialect import OPSET
from ...graph.edit import array, constant, given, maker, name_of, remove_dead
from ...graph.fixed_selection import to_runnable_proto
from ...graph.fusion import CONVOLUTIONS, VIEWS, Unit
from ...runtime.graph_session import open_graph, run
from ..apply import apply
from ..plan import Plan

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
    layers = {u.accumulates: u for u in plan.units if u.precision == "int8" and u.accumulates is not None}
    wanted = _float_means(reference or model, layers, feeds)
    corrected = model.clone()
    walk = _Walk(apply(model, plan), [unit.nodes[0] for unit in layers.values()], feeds)
    values = {name_of(output): output for node in corrected.graph for output in node.outputs}
    for done, (adds, unit) in enumerate(layers.items(), start=1):
        walk.advance()
        node = maker(values[adds])
        bias = node.inputs[unit.bias_input]
        moved = (array(bias) + wanted[adds] - walk.mean(adds, unit)).astype(np.float32)
        node.replace_input_with(unit.bias_input, constant(corrected.graph, moved, name_of(bias)))
        walk.set_bias(adds, unit, plan.biases[adds].quantize(moved))
        if progress is not None:
            progress(done)
    remove_dead(corrected.graph)
    return corrected


def _float_means(model: ir.Model, layers: Mapping[str, Unit], feeds: list[Arrays]) -> Arrays:
    """{what adds the bias: mean of each channel there, before the activation function, over all inputs}."""
    session = open_graph(to_runnable_proto(model), layers)
    sums = {name: np.zeros(()) for name in layers}
    for feed in feeds:
        for (name, unit), result in zip(layers.items(), run(session, list(layers), feed), strict=True):
            sums[name] = sums[name] + per_channel(unit, result)
    return {name: total / len(feeds) for name, total in sums.items()}


def per_channel(unit: Unit, array: np.ndarray) -> np.ndarray:
    """Mean over all axes but the channels': (n, c, h, w) -> (c,) for Conv, (..., c) -> (c,) for Linear."""
    axis = 1 if unit.kind in CONVOLUTIONS else array.ndim - 1
    return array.mean(axis=tuple(a for a in range(array.ndim) if a != axis), dtype=np.float64)


class _Walk:
    """Runs a Q/DQ graph up to the next layer, for all inputs, and keeps only what later nodes read."""

    def __init__(self, written: ir.Model, layers: list[str], feeds: list[Arrays]) -> None:
        self.nodes = list(written.graph)
        self.made_by = {name_of(output): node for node in self.nodes for output in node.outputs}
        for value in written.graph.outputs:
            last = maker(value)
            if last.op_type == "DequantizeLinear":  # the layer that makes a graph output lost its name to it
                self.made_by[name_of(value)] = maker(maker(last.inputs[0]).inputs[0])
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
        outputs = [name for n in part for o in n.outputs if (name := name_of(o)) in live]
        if outputs:
            session, inputs = self.open(part, outputs)
            for i, kept in enumerate(self.kept):
                made = run(session, outputs, {name: kept[name] for name in inputs})
                kept = {**kept, **dict(zip(outputs, made, strict=True))}
                self.kept[i] = {name: array for name, array in kept.items() if name in live}
        self.at = stop

    def mean(self, adds: str, unit: Unit) -> np.ndarray:
        """The mean of each channel that the layer computes now. It is linear: one run on the inputs' mean tells."""
        layer = [self.made_by[name] for name in unit.nodes[: unit.nodes.index(adds) + 1]]
        (read,) = self.closure(layer)[1]
        mean = sum((kept[read].astype(np.float64) for kept in self.kept), np.zeros(())) / len(self.kept)
        quantize = self.made_by[read]
        if quantize.op_type == "QuantizeLinear":  # else what a kernel moved, as a Concat of integers: kept in float
            (dequantise,) = (use.node for use in quantize.outputs[0].uses())
            scale, zero_point = (array(v) for v in dequantise.inputs[1:3])
            mean, read = (mean - float(zero_point)) * float(scale), name_of(dequantise.outputs[0])
        wanted, mean = name_of(layer[-1].outputs[0]), mean.astype(np.float32)
        session, _ = self.open(layer, [wanted], given=[read])
        return per_channel(unit, run(session, [wanted], {read: mean})[0])

    def set_bias(self, adds: str, unit: Unit, integers: np.ndarray) -> None:
        """Replace the int32 bias of a layer that has not run yet."""
        stored = given(maker(self.made_by[adds].inputs[unit.bias_input]).inputs[0])
        stored.const_value = ir.Tensor(integers, name=stored.name)

    def closure(self, nodes: list[ir.Node], given: Iterable[str] = ()) -> tuple[list[ir.Node], list[str]]:
        """`nodes` with the recomputed ones that they need, in order, and the values to be given to them."""
        inside: list[ir.Node] = []
        inputs, made = dict.fromkeys(given), set()

        def include(node: ir.Node) -> None:
            for value in node.inputs:
                if value is None or value.is_initializer():
                    continue
                name = name_of(value)
                if name in made or name in inputs:
                    continue
                producer = value.producer()
                if producer is not None and producer.op_type in _RECOMPUTED:
                    include(producer)
                else:
                    inputs[name] = None
            inside.append(node)
            made.update(o.name for o in node.outputs)

        for node in nodes:
            include(node)
        return inside, list(inputs)

    def open(self, nodes: list[ir.Node], outputs: list[str], given: Iterable[str] = ()):
        """A session on part of the graph, and the names of its inputs."""
        import onnx

        nodes, inputs = self.closure(nodes, given)
        values = {name_of(v): v for n in nodes for v in (*n.inputs, *n.outputs) if v is not None}
        constants = [v.const_value for v in values.values() if v.is_initializer()]
        graph = onnx.helper.make_graph(
            [ir.serde.serialize_node(node) for node in nodes],
            "part",
            [ir.serde.serialize_value(values[name]) for name in inputs],
            [ir.serde.serialize_value(values[name]) for name in outputs],
            [ir.serde.serialize_tensor(tensor) for tensor in constants if tensor is not None],
        )
        opset = onnx.helper.make_opsetid("", OPSET)
        return open_graph(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10)), inputs
