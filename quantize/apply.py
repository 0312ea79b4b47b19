"""Write a plan into a copy of the graph as QuantizeLinear and DequantizeLinear nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import onnx_ir as ir

from ..graph.edit import array, maker, name_of, shape
from ..graph.fusion import VIEWS, Unit
from ..graph.qparams import QParams
from .plan import Plan

Place = tuple[Literal["activations", "weights", "biases"], str]  # a field of the plan, and a key of it


def apply(model: ir.Model, plan: Plan) -> ir.Model:
    """A copy of `model` with int8 in the graph; `model` is left as it was.

    - An activation `v`: `v -> QuantizeLinear -> v_q -> DequantizeLinear -> v_dq -> its readers`. If `v` is float before
      that (a float unit or the caller makes it, or a kernel that leaves its result float), float readers keep reading
      `v` itself. A quantised graph output keeps its name on the DequantizeLinear; what the kernel computes becomes
      `v_float`. What a kernel only moves is read as it is.
    - Weights and biases: an int8 or int32 initializer `w_q`, then DequantizeLinear.
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
        int8 = [unit for unit in plan.units if unit.is_integer]
        self.int8_nodes = {maker(self.values[name]) for unit in int8 for name in unit.nodes}
        self.results = {unit.output: unit.result for unit in int8}
        self.carried_out: dict[ir.Node, Place] = {}

    def write(self) -> None:
        weights: dict[str, ir.Value] = {}
        int8 = [unit for unit in self.plan.units if unit.is_integer]
        for unit in int8:
            if unit.weight is not None:
                if unit.weight not in weights:
                    weights[unit.weight] = self.parameter(
                        unit.weight, self.plan.weights[unit.weight], self.first(unit), ("weights", unit.weight)
                    )
                self.first(unit).replace_input_with(1, weights[unit.weight])
            if unit.accumulates is not None:
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
        if value.is_initializer():
            readers = [use for use in value.uses() if use.node in self.int8_nodes]
            first = min((use.node for use in readers), key=lambda node: self.places[node])
            constant = self.parameter(name, params, first, ("activations", name))
            for node, index in readers:
                node.replace_input_with(index, constant)
            return
        producer = value.producer()
        from_kernel = self.results.get(name) == "rounded"
        readers = [use for use in value.uses() if from_kernel or self.reaches_int8(use.node)]
        leaves = from_kernel and value.is_graph_output()
        dtype = ir.DataType.from_numpy(np.dtype(params.dtype))
        quantize = self.node("QuantizeLinear", value, name, params, shape(value), dtype)
        dequantize = self.node("DequantizeLinear", quantize.outputs[0], name, params, shape(value), ir.DataType.FLOAT)
        self.carried_out |= dict.fromkeys((quantize, dequantize), ("activations", name))
        for node, index in readers:
            node.replace_input_with(index, dequantize.outputs[0])
        if producer is None:
            self.graph.insert_before(self.graph[0], [quantize, dequantize])
        else:
            quantize.metadata_props.update(producer.metadata_props)
            dequantize.metadata_props.update(producer.metadata_props)
            self.graph.insert_after(producer, [quantize, dequantize])
        if leaves:
            value.name = self.fresh(f"{name}_float")
            dequantize.outputs[0].name = name
            for index, output in enumerate(self.graph.outputs):
                if output is value:
                    self.graph.outputs[index] = dequantize.outputs[0]

    def reaches_int8(self, node: ir.Node) -> bool:
        """Whether `node`, or a reader of the views that start with it, is part of an int8 unit."""
        if node.op_type in VIEWS:
            return any(self.reaches_int8(use.node) for use in node.outputs[0].uses())
        return node in self.int8_nodes

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
