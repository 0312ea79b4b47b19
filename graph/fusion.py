"""This file groups a canonical graph's nodes into units: what one kernel computes, with fused bias and activation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx_ir as ir

from .edit import given, name_of, scalar

if TYPE_CHECKING:
    from .kernels import KernelSet

CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})  # their channels are axis 1 of the result
VIEWS = frozenset({"Reshape", "Transpose"})  # the same numbers in another order or shape: never quantised themselves


def _clips_to(hi: float) -> Callable[[ir.Node], bool]:
    return lambda node: node.op_type == "Clip" and [scalar(v) for v in node.inputs[1:3]] == [0.0, hi]


EPILOGUES: Mapping[str, Callable[[ir.Node], bool]] = {
    "Relu": lambda node: node.op_type == "Relu",
    "Relu6": _clips_to(6.0),
    "Relu0To1": _clips_to(1.0),
}


@dataclass(frozen=True)
class Unit:
    """One kernel's worth of nodes. Everything is named by values, so a unit can be printed, compared and stored."""

    kind: str  # an op type, or "Linear"
    nodes: tuple[str, ...]  # the first output of each node, in order
    operands: tuple[str, ...]  # the activations and constants read, seen through views
    output: str
    weight: str | None = None  # initializer names
    bias: str | None = None
    precision: str = "int8"  # or "float"
    why: str = ""  # why float
    result: str = "rounded"  # its kernel's

    @property
    def accumulates(self) -> str | None:
        """The node that adds the bias, by its output: the Conv itself, or the Add after the MatMul."""
        if self.bias is None:
            return None
        return self.nodes[0] if self.kind in CONVOLUTIONS else self.nodes[1]

    @property
    def bias_input(self) -> int:
        """Which input of that node the bias is."""
        return 2 if self.kind in CONVOLUTIONS else 1


def source(value: ir.Value) -> ir.Value:
    """The value whose numbers `value` shows, through any number of views."""
    while (node := value.producer()) is not None and node.op_type in VIEWS:
        value = given(node.inputs[0])
    return value


def find_units(graph: ir.Graph, scheme: KernelSet) -> list[Unit]:
    """Every node but views belongs to exactly one unit; units come in the graph's order. Nodes the scheme's kernels
    refuse, or that it has no kernel for, are float with the reason."""
    units, taken = [], set()
    for node in graph:
        if node.op_type in VIEWS or node in taken:
            continue
        unit, nodes = _unit(node, scheme)
        taken.update(nodes)
        units.append(unit)
    return units


def _unit(node: ir.Node, scheme: KernelSet) -> tuple[Unit, list[ir.Node]]:
    kind = "Linear" if node.op_type == "MatMul" and _is_weight(node.inputs[1], rank=2) else node.op_type
    kernel = scheme.kernels.get(kind)
    nodes, weight, bias = [node], None, None
    if kind in CONVOLUTIONS:
        weight, bias = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else None
    elif kind == "Linear":
        weight, after = node.inputs[1], _sole_reader(node.outputs[0])
        if after is not None and after.op_type == "Add" and _is_weight(after.inputs[1], rank=1):
            bias = after.inputs[1]
            nodes.append(after)
    after = _sole_reader(nodes[-1].outputs[0])
    if kernel and after is not None and any(EPILOGUES[name](after) for name in kernel.epilogues):
        nodes.append(after)
    if kernel is None:
        why = scheme.islands.get(kind, "no int8 kernel")
    elif weight is not None and weight.const_value is None:
        why = "its weight is not constant"
    elif node.outputs[0].dtype != ir.DataType.FLOAT:
        why = "it computes no real numbers"
    else:
        why = kernel.refuses(node)
    inputs = node.inputs[: kernel.operands if kernel else None]
    unit = Unit(
        kind=kind,
        nodes=tuple(name_of(n.outputs[0]) for n in nodes),
        operands=tuple(name_of(source(v)) for v in inputs if v is not None and v.dtype == ir.DataType.FLOAT),
        output=name_of(nodes[-1].outputs[0]),
        weight=weight.name if weight is not None else None,
        bias=bias.name if bias is not None else None,
        precision="float" if why else "int8",
        why=why or "",
        result=kernel.result if kernel else "float",
    )
    return unit, nodes


def _sole_reader(value: ir.Value) -> ir.Node | None:
    """The node that reads `value` as its first input, if nothing else does and the value does not leave the graph."""
    uses = list(value.uses())
    if len(uses) != 1 or value.is_graph_output() or uses[0].idx != 0:
        return None
    return uses[0].node


def _is_weight(value: ir.Value | None, rank: int) -> bool:
    return value is not None and value.const_value is not None and len(value.const_value.shape) == rank
