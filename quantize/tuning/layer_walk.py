"""Run a Q/DQ graph layer by layer, all inputs side by side, so that each layer can still be changed before it runs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from ...graph.edit import array, constant, given, maker, name_of, owner
from ...graph.fixed_selection import INT16_OPSET
from ...graph.fusion import CONVOLUTIONS, VIEWS, Unit
from ...graph.qparams import QParams
from ...runtime.graph_session import open_graph, run, side_by_side

Arrays = dict[str, np.ndarray]
_RECOMPUTED = VIEWS | {"DequantizeLinear"}  # cheaper to run again than to keep: int8 is kept in their place


def per_channel(unit: Unit, array: np.ndarray) -> np.ndarray:
    """Mean over all axes but the channels': (n, c, h, w) -> (c,) for Conv, (..., c) -> (c,) for Linear."""
    if channel_axis(unit) == 1 and len(array) == 1:  # each channel in one piece, which NumPy adds up pairwise
        return array.reshape(array.shape[1], -1).mean(axis=1).astype(np.float64)
    axis = channel_axis(unit) % array.ndim
    return array.mean(axis=tuple(a for a in range(array.ndim) if a != axis), dtype=np.float64)


def channel_axis(unit: Unit) -> int:
    """Where the channels of a layer's result lie."""
    return 1 if unit.kind in CONVOLUTIONS else -1


class Walk:
    """Runs a Q/DQ graph up to the next layer, for all inputs, and keeps only what later nodes read."""

    def __init__(self, written: ir.Model, layers: list[str], feeds: list[Arrays]) -> None:
        self.nodes = list(written.graph)
        self.made_by = {name_of(output): node for node in self.nodes for output in node.outputs}
        for value in written.graph.outputs:
            last = maker(value)
            while (
                last.op_type in ("DequantizeLinear", "QuantizeLinear") and given(last.inputs[0]).producer() is not None
            ):
                last = maker(last.inputs[0])  # the layer that makes a graph output lost its name to its pairs
            self.made_by[name_of(value)] = last
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

            def step(kept: Arrays) -> Arrays:
                made = run(session, outputs, {name: kept[name] for name in inputs})
                kept = {**kept, **dict(zip(outputs, made, strict=True))}
                return {name: array for name, array in kept.items() if name in live}

            self.kept = list(side_by_side(step, self.kept))
        self.at = stop

    def mean(self, adds: str, unit: Unit) -> np.ndarray:
        """The mean of each channel that the layer computes now. It is linear: one run on the inputs' mean tells."""
        layer = self._layer(adds, unit)
        (read,) = self.closure(layer)[1]
        mean = self._sum(read) / len(self.kept)
        quantize = self.made_by[read]
        if quantize.op_type == "QuantizeLinear":  # else what a kernel moved, as a Concat of integers: kept in float
            (dequantise,) = (use.node for use in quantize.outputs[0].uses())
            scale, zero_point = (array(v) for v in dequantise.inputs[1:3])
            mean, read = (mean - float(zero_point)) * float(scale), name_of(dequantise.outputs[0])
        wanted, mean = name_of(layer[-1].outputs[0]), mean.astype(np.float32)
        session, _ = self.open(layer, [wanted], given=[read])
        return per_channel(unit, run(session, [wanted], {read: mean})[0])

    def results(self, adds: str, unit: Unit, count: int) -> Iterable[np.ndarray]:
        """What the layer computes now for each of the first `count` inputs."""
        layer = self._layer(adds, unit)
        wanted = name_of(layer[-1].outputs[0])
        session, inputs = self.open(layer, [wanted])
        return side_by_side(
            lambda kept: run(session, [wanted], {name: kept[name] for name in inputs})[0], self.kept[:count]
        )

    def finish(self, names: list[str]) -> list[Arrays]:
        """Run what is left of the graph; for each input the named values, which are made there."""
        session, inputs = self.open(self.nodes[self.at :], names)

        def end(kept: Arrays) -> Arrays:
            return dict(zip(names, run(session, names, {name: kept[name] for name in inputs}), strict=True))

        return list(side_by_side(end, self.kept))

    def _layer(self, adds: str, unit: Unit) -> list[ir.Node]:
        return [self.made_by[name] for name in unit.nodes[: unit.nodes.index(adds) + 1]]

    def _sum(self, name: str) -> np.ndarray:
        """Of a value over all inputs, in float64; exact where it is integers."""
        first, *others = (kept[name] for kept in self.kept)
        total = first.astype(np.float64 if np.issubdtype(first.dtype, np.floating) else np.int32)
        for each in others:
            total += each
        return total.astype(np.float64)

    def set_bias(self, adds: str, unit: Unit, bias: np.ndarray, params: QParams) -> None:
        """Replace the bias of a layer that has not run yet; one of int64 is float in the graph."""
        node = self.made_by[adds]
        value = given(node.inputs[unit.bias_input])
        if value.is_initializer():
            node.replace_input_with(unit.bias_input, constant(owner(node), bias, name_of(value)))
            return
        stored = given(maker(value).inputs[0])
        stored.const_value = ir.Tensor(params.quantize(bias), name=stored.name)

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
        opset = onnx.helper.make_opsetid("", INT16_OPSET)
        return open_graph(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10)), inputs
