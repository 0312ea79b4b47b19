"""Find the activation function behind a layer, in a float graph and as Q/DQ pairs let the kernels compute it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...graph.edit import const_value, consumers, name_of
from ...graph.fixed_selection import INT16_OPSET
from ...runtime.graph_session import open_graph, run

_ROUNDING = frozenset({"QuantizeLinear", "DequantizeLinear"})
_LINEAR = frozenset({"Add", "Sub", "Mul"})
_BENT = frozenset({"HardSwish", "Gelu", "Sigmoid", "Tanh", "Clip", "Relu", "Erf", "LeakyRelu", "Elu"})
_SMOOTH = frozenset({"HardSwish", "Gelu", "Sigmoid", "Tanh", "Erf"})
_MOST_NODES = 24  # pairs of QuantizeLinear and DequantizeLinear among them
_POINTS = 1 << 13  # of a table


@dataclass(frozen=True)
class Pointwise:
    """What is made of `value`, number by number, before anyone else reads of it: `result`, by `nodes` in order."""

    value: ir.Value
    nodes: tuple[ir.Node, ...]
    result: ir.Value

    @property
    def operators(self) -> tuple[str, ...]:
        """What computes it, without the roundings."""
        return tuple(node.op_type for node in self.nodes if node.op_type not in _ROUNDING)

    @property
    def is_smooth(self) -> bool:
        """Whether it is HardSwish, SiLU, GELU or the like, and no mere clip or ReLU."""
        products = [node for node in self.nodes if node.op_type == "Mul"]
        gated = any(not any(v is None or _is_constant(v) for v in node.inputs) for node in products)
        return gated or not _SMOOTH.isdisjoint(self.operators)

    def tabulate(self, low: float, high: float) -> Table:
        """The function on a grid from `low` to `high`."""
        import onnx

        points = np.linspace(low, high, _POINTS, dtype=np.float32)
        values = {name_of(v): v for node in self.nodes for v in node.inputs if v is not None}
        stored = [node for v in values.values() if (node := _stored_number(v)) is not None]
        values |= {name_of(v): v for node in stored for v in node.inputs if v is not None}
        constants = [v.const_value for v in values.values() if v.const_value is not None]
        name, result = name_of(self.value), name_of(self.result)
        graph = onnx.helper.make_graph(
            [ir.serde.serialize_node(node) for node in (*dict.fromkeys(stored), *self.nodes)],
            "pointwise",
            [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [_POINTS])],
            [onnx.helper.make_tensor_value_info(result, onnx.TensorProto.FLOAT, [_POINTS])],
            [ir.serde.serialize_tensor(tensor) for tensor in constants],
        )
        opset = onnx.helper.make_opsetid("", INT16_OPSET)
        session = open_graph(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10))
        return Table(low, high, run(session, [result], {name: points})[0])


@dataclass(frozen=True)
class Table:
    """A function of one number by its results (n,) at evenly spaced places; beyond them it stays what it was."""

    low: float
    high: float
    results: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The function of each number, to the nearest place: (...) -> (...)."""
        last = len(self.results) - 1
        places = (x - self.low) * (last / (self.high - self.low))
        np.clip(np.rint(places, out=places), 0, last, out=places)
        return self.results.take(places.astype(np.int32))


def find_pointwise(value: ir.Value) -> Pointwise | None:
    """The activation function that alone reads `value`, however many nodes compute it, and roundings around them.

    None where there is none, or one whose constants differ from channel to channel.
    """
    inside, nodes, found = {value}, [], None
    while len(nodes) < _MOST_NODES:
        readers = dict.fromkeys(node for v in inside for node in consumers(v))
        node = next((n for n in readers if n not in nodes and _computes_from(n, inside)), None)
        if node is None:
            break
        nodes.append(node)
        result = node.outputs[0]
        hidden, inside = set(inside), inside | {result}
        if all(n in nodes for v in hidden for n in consumers(v)) and not any(v.is_graph_output() for v in hidden):
            found = Pointwise(value, tuple(nodes), result)
    return found if found and not _BENT.isdisjoint(found.operators) else None


def _computes_from(node: ir.Node, known: set[ir.Value]) -> bool:
    if node.op_type not in _ROUNDING | _LINEAR | _BENT:
        return False
    return all(v is None or v in known or _is_constant(v) for v in node.inputs)


def _is_constant(value: ir.Value) -> bool:
    """Whether the value is one number that is known, perhaps stored as an integer."""
    return _is_number(value) or _stored_number(value) is not None


def _is_number(value: ir.Value) -> bool:
    constant = const_value(value)
    return constant is not None and constant.size == 1


def _stored_number(value: ir.Value) -> ir.Node | None:
    """The DequantizeLinear that makes a number of a constant."""
    node = value.producer()
    if node is None or node.op_type != "DequantizeLinear":
        return None
    return node if all(v is None or _is_number(v) for v in node.inputs) else None
