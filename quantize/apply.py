"""Write a plan into a copy of the graph as QuantizeLinear and DequantizeLinear nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import onnx_ir as ir

from ..graph.edit import array, given, maker, name_of, shape
from ..graph.fusion import VIEWS, Unit
from ..graph.qparams import QParams
from .plan import Plan


class Reader(NamedTuple):
    """A node that reads a value, and as which of its inputs."""

    node: ir.Node
    idx: int


Place = tuple[Literal["activations", "requantized", "weights", "biases"], str]  # a field of the plan, and a key of it


def apply(model: ir.Model, plan: Plan) -> ir.Model:
    """A copy of `model` with int8 in the graph; `model` is left as it was.

    - An activation `v`: `v -> QuantizeLinear -> v_q -> DequantizeLinear -> v_dq -> its readers`. If `v` is float before
      that (a float unit or the caller makes it, or a kernel that leaves its result float), float readers keep reading
      `v` itself. A quantised graph output keeps its name on the DequantizeLinear; what the kernel computes becomes
      `v_float`. What a kernel only moves is read as it is.
    - One that units of the other type read: behind its own pair a second one, of that type, for them.
    - Weights and biases: an int8 or int32 initializer `w_q`, then DequantizeLinear. A bias of int64, which
      DequantizeLinear does not take, stays float: whoever writes the artifact rounds it, to far below a step.
    """
    return apply_with_places(model, plan)[0]


def apply_with_places(model: ir.Model, plan: Plan) -> tuple[ir.Model, dict[ir.Node, Place]]:
    """What `apply` gives, and which decision of the plan each QuantizeLinear and DequantizeLinear in it carries out."""
    copy = model.clone()
    writer = _Writer(copy.graph, plan)
    writer.write()
    return copy, writer.carried_out


class _Writer:
    def __init__(self, graph: ir.Graph, plan: Plan) -> None:
        self.graph, self.plan = graph, plan
        self.values = {name_of(v): v for v in (*graph.inputs, *graph.initializers.values())}
        self.values |= {name_of(o): o for n in graph for o in n.outputs}
        self.names = set(self.values)
        self.places = {node: place for place, node in enumerate(graph)}  # of those that were there
        integer = [unit for unit in plan.units if unit.is_integer]
        self.types = {maker(self.values[name]): unit.precision for unit in integer for name in unit.nodes}
        self.results = {unit.output: unit.result for unit in integer}
        self.ends = plan.ends
        self.carried_out: dict[ir.Node, Place] = {}

    def write(self) -> None:
        weights: dict[str, ir.Value] = {}
        for unit in filter(lambda unit: unit.is_integer, self.plan.units):
            if unit.weight is not None:
                if unit.weight not in weights:
                    weights[unit.weight] = self.parameter(
                        unit.weight, self.plan.weights[unit.weight], self.first(unit), ("weights", unit.weight)
                    )
                self.first(unit).replace_input_with(1, weights[unit.weight])
            if unit.accumulates is not None and self.plan.biases[unit.accumulates].dtype != "int64":
                node = maker(self.values[unit.accumulates])
                name = name_of(node.inputs[unit.bias_input])
                params = self.plan.biases[unit.accumulates]
                bias = self.parameter(name, params, node, ("biases", unit.accumulates))
                node.replace_input_with(unit.bias_input, bias)
        for name, params in self.plan.activations.items():
            if self.results.get(name) != "moved":
                self.activation(self.values[name], params)
        for name, value in list(self.graph.initializers.items()):
            if not value.uses() and not value.is_graph_output():
                del self.graph.initializers[name]

    def first(self, unit: Unit) -> ir.Node:
        return maker(self.values[unit.nodes[0]])

    def parameter(self, name: str, params: QParams, reader: ir.Node, place: Place) -> ir.Value:
        """A constant as integers and the DequantizeLinear that makes it float again, placed before its first reader."""
        real = array(self.graph.initializers[name])
        integers = self.constant(f"{name}_q", params.quantize(real))
        node = self.node("DequantizeLinear", integers, name, params, real.shape, ir.DataType.FLOAT)
        self.carried_out[node] = place
        self.graph.insert_before(reader, node)
        return node.outputs[0]

    def activation(self, value: ir.Value, params: QParams) -> None:
        name = name_of(value)
        second = self.plan.requantized.get(name)
        if value.is_initializer():
            for each in filter(None, (params, second)):
                self.constant_operand(value, each)
            return
        producer = value.producer()
        from_kernel = self.results.get(name) == "rounded"
        later = [] if second is None else self.readers_of_type(value, _type(second))
        readers = [use for use in value.uses() if from_kernel or self.reaches(use.node)]
        leaves = from_kernel and value.is_graph_output()
        quantize, dequantize = self.pair(value, name, params, ("activations", name))
        for node, index in readers:
            node.replace_input_with(index, dequantize.outputs[0])
        pairs = [quantize, dequantize]
        last = dequantize.outputs[0]
        if second is not None:
            pairs += self.pair(last, f"{name}_{second.dtype}", second, ("requantized", name))
            for node, index in later:
                node.replace_input_with(index, pairs[-1].outputs[0])
            last = pairs[-1].outputs[0] if self.ends == _type(second) else last
        if producer is None:
            self.graph.insert_before(self.graph[0], pairs)
        else:
            for node in pairs:
                node.metadata_props.update(producer.metadata_props)
            self.graph.insert_after(producer, pairs)
        if leaves:
            value.name = self.fresh(f"{name}_float")
            last.name = name
            for index, output in enumerate(self.graph.outputs):
                if output is value:
                    self.graph.outputs[index] = last

    def pair(self, value: ir.Value, name: str, params: QParams, place: Place) -> list[ir.Node]:
        """QuantizeLinear and DequantizeLinear of a value."""
        dtype = ir.DataType.from_numpy(np.dtype(params.dtype))
        quantize = self.node("QuantizeLinear", value, name, params, shape(value), dtype)
        dequantize = self.node("DequantizeLinear", quantize.outputs[0], name, params, shape(value), ir.DataType.FLOAT)
        self.carried_out |= dict.fromkeys((quantize, dequantize), place)
        return [quantize, dequantize]

    def constant_operand(self, value: ir.Value, params: QParams) -> None:
        """The constant in integers, for the units that read that type."""
        name = name_of(value)
        readers = [use for use in value.uses() if self.types.get(use.node) == _type(params)]
        first = min((use.node for use in readers), key=lambda node: self.places[node])
        constant = self.parameter(name, params, first, ("activations", name))
        for node, index in readers:
            node.replace_input_with(index, constant)

    def reaches(self, node: ir.Node, ends: str = "") -> set[str]:
        """The types of the integer units that `node`, or a reader of the views that start with it, is part of; of
        outputs there it is `ends`, unless that is ""."""
        if node.op_type not in VIEWS:
            return {self.types[node]} if node in self.types else set()
        out = given(node.outputs[0])
        found = {ends} if ends and out.is_graph_output() else set[str]()
        return found.union(*(self.reaches(use.node, ends) for use in out.uses()))

    def readers_of_type(self, value: ir.Value, wanted: str) -> list[Reader]:
        """What reads the value for units of one type. A view that others read too is there twice from here on."""
        found = []
        for use in tuple(value.uses()):
            types = self.reaches(use.node, self.ends)
            if wanted not in types:
                continue
            found.append(self.split_view(Reader(*use), wanted) if len(types) > 1 else Reader(*use))
        return found

    def split_view(self, use: Reader, wanted: str) -> Reader:
        """A copy of a view, read by the units of one type alone; the view itself is left to the others."""
        view = use.node
        out = given(view.outputs[0])
        copy = ir.Node(
            "", view.op_type, list(view.inputs), list(view.attributes.values()), name=self.fresh(view.name or "")
        )
        copy.outputs[0].name = self.fresh(name_of(out))
        copy.outputs[0].shape, copy.outputs[0].dtype = ir.Shape(shape(out)), ir.DataType.FLOAT
        copy.metadata_props.update(view.metadata_props)
        self.graph.insert_after(view, [copy])
        for reader, index in self.readers_of_type(out, wanted):
            reader.replace_input_with(index, copy.outputs[0])
        if out.is_graph_output() and wanted == self.ends:
            copy.outputs[0].name, out.name = out.name, copy.outputs[0].name
            self.graph.outputs[self.graph.outputs.index(out)] = copy.outputs[0]
        return Reader(copy, use.idx)

    def node(
        self, op: str, x: ir.Value, name: str, params: QParams, shape: Sequence[int], dtype: ir.DataType
    ) -> ir.Node:
        """QuantizeLinear or DequantizeLinear of `x`; the two of one pair share scale and zero point."""
        quantize = x.producer() if op == "DequantizeLinear" else None
        if quantize is not None:
            parameters = list(quantize.inputs[1:])
        else:
            scales = np.array(params.scales, np.float32)
            sizes = () if params.axis is None else scales.shape
            zero_points = np.full(sizes, params.zero_point, params.dtype)
            parameters = [
                self.constant(f"{name}_scale", scales.reshape(sizes)),
                self.constant(f"{name}_zero_point", zero_points),
            ]
        attributes = [] if params.axis is None else [ir.AttrInt64("axis", params.axis)]
        output = ir.Value(
            name=self.fresh(f"{name}_{'q' if op == 'QuantizeLinear' else 'dq'}"),
            shape=ir.Shape(shape),
            type=ir.TensorType(dtype),
        )
        return ir.Node("", op, [x, *parameters], attributes, outputs=[output], name=output.name)

    def constant(self, name: str, array: np.ndarray) -> ir.Value:
        name = self.fresh(name)
        value = ir.Value(
            name=name, shape=ir.Shape(array.shape), type=ir.TensorType(ir.DataType.from_numpy(array.dtype))
        )
        value.const_value = ir.Tensor(array, name=name)
        self.graph.initializers[name] = value
        return value

    def fresh(self, name: str) -> str:
        """`name`, or the first of name_1, name_2 ... that is free."""
        free, count = name, 0
        while free in self.names:
            count += 1
            free = f"{name}_{count}"
        self.names.add(free)
        return free


def _type(params: QParams) -> str:
    """The precision of the units that read such integers."""
    return "int16" if params.dtype == "int16" else "int8"
