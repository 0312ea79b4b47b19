"""Group a canonical graph's nodes into what one kernel computes: a layer, the Add of its bias, its activation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import onnx_ir as ir

from .dialect import stored
from .edit import FLOATING, given, name_of, scalar, sole_consumer
from .kernels import Kernel, KernelSet
from .layers import CONVOLUTIONS, bias_add

Int16 = Collection[str] | Literal["all"]  # which units shall have int16 activations, by their outputs
VIEWS = frozenset({"Reshape", "Transpose"})  # the same numbers in another order or shape: never quantised themselves


def _clips_to(hi: float) -> Callable[[ir.Node], bool]:
    return lambda node: node.op_type == "Clip" and [scalar(v) for v in node.inputs[1:3]] == [0.0, hi]


EPILOGUES: Mapping[str, Callable[[ir.Node], bool]] = {
    "Relu": lambda node: node.op_type == "Relu",
    "Relu6": _clips_to(6.0),
    "Relu0To1": _clips_to(1.0),
}


@dataclass(frozen=True)
class Fused:
    """Nodes that one kernel computes, in order. `kind`: that of the first one."""

    kind: str
    nodes: tuple[ir.Node, ...]
    bias: ir.Value | None = None  # what a linear's Add adds
    epilogue: str | None = None  # the last node's name in EPILOGUES, if it is one

    @property
    def output(self) -> ir.Value:
        return self.nodes[-1].outputs[0]

    def without_epilogue(self) -> Fused:
        return self if self.epilogue is None else replace(self, nodes=self.nodes[:-1], epilogue=None)


def kind_of(node: ir.Node) -> str:
    """The kind of kernel that computes the node: its op type, or "Linear" for MatMul with a constant matrix."""
    weight = stored(node.inputs[1]) if node.op_type == "MatMul" else None
    return "Linear" if weight is not None and weight.ndim == 2 else node.op_type


def fuse(node: ir.Node, epilogues: Collection[str] = ()) -> Fused:
    """The node with the Add of its bias, if it is a linear, and the activation behind that, if it is in `epilogues`.

    The same on a float graph and behind QuantizeLinear and DequantizeLinear: a constant may be stored in integers, and
    a value that is rounded before its activation is read by QuantizeLinear, so it is not fused.
    """
    fused = Fused(kind_of(node), (node,))
    add = bias_add(node) if fused.kind == "Linear" else None
    if add is not None:
        fused = replace(fused, nodes=(node, add), bias=add.inputs[1])
    after = sole_consumer(fused.output)
    epilogue = next((name for name in epilogues if after is not None and EPILOGUES[name](after)), None)
    if after is not None and epilogue is not None:
        fused = replace(fused, nodes=(*fused.nodes, after), epilogue=epilogue)
    return fused


@dataclass(frozen=True)
class Unit:
    """One kernel's worth of nodes. Everything is named by values, so a unit can be printed, compared and stored."""

    kind: str  # an op type, or "Linear"
    nodes: tuple[str, ...]  # the first output of each node, in order
    operands: tuple[str, ...]  # the activations and constants read, seen through views
    output: str
    weight: str | None = None  # initializer names
    bias: str | None = None
    precision: str = "int8"  # or "int16", by its activations; or "float"
    why: str = ""  # why float; or why the other type of integers than was wanted
    result: str = "rounded"  # its kernel's
    # Up to which number it clips, and at 0, where its kernel needs a range that ends there to do so.
    clips_to: float | None = None

    @property
    def is_integer(self) -> bool:
        """Whether it computes in integers."""
        return self.precision != "float"

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


def find_units(graph: ir.Graph, kernels: KernelSet, int16: Int16 = ()) -> list[Unit]:
    """Every node but views belongs to exactly one unit; units come in the graph's order. Nodes that the kernels refuse,
    or for which there is none, are float with the reason. Those in `int16` have a kernel of that type, if there is one;
    where there is no float, so have those that int8 refuses.
    """
    units, taken = [], set()
    for node in graph:
        if node.op_type in VIEWS or node in taken:
            continue
        kind = kind_of(node)
        kernel = kernels.kernels.get(kind) or kernels.int16.get(kind)
        fused = fuse(node, kernel.epilogues if kernel else ())
        taken.update(fused.nodes)
        units.append(_unit(fused, kernels, int16 == "all" or name_of(fused.output) in int16))
    return units


def _unit(fused: Fused, kernels: KernelSet, int16: bool) -> Unit:
    node, weight, bias = fused.nodes[0], None, fused.bias
    if fused.kind in CONVOLUTIONS:
        weight, bias = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else None
    elif fused.kind == "Linear":
        weight = node.inputs[1]
    precision, why = "float", ""
    others = () if kernels.has_float else ("int16",)  # rather than refuse what int8 cannot
    for wanted in ("int16", "int8") if int16 else ("int8", *others):
        kernel = kernels.of_type(wanted).get(fused.kind)
        refusal = _why_not(node, weight, kernel, kernels, wanted)
        why = why or refusal  # the first is what was wanted
        if not refusal:
            precision = wanted
            break
    else:
        kernel = kernels.kernels.get(fused.kind)
    inputs = node.inputs[: kernel.operands if kernel else None]
    return Unit(
        kind=fused.kind,
        nodes=tuple(name_of(n.outputs[0]) for n in fused.nodes),
        operands=tuple(name_of(source(v)) for v in inputs if v is not None and v.dtype == ir.DataType.FLOAT),
        output=name_of(fused.output),
        weight=weight.name if weight is not None else None,
        bias=bias.name if bias is not None else None,
        precision=precision,
        why=why,
        result=kernel.result if kernel else "float",
        clips_to=_clips_to_range(fused) if precision == "int16" else None,
    )


def _clips_to_range(fused: Fused) -> float | None:
    """int16 has no kernel that clips to (0, h) but for 6. RELU does it where the range ends at h."""
    last = fused.nodes[-1]
    if last.op_type != "Clip" or fused.epilogue == "Relu6" or scalar(last.inputs[1]) != 0:
        return None
    return scalar(last.inputs[2])


def _why_not(node: ir.Node, weight: ir.Value | None, kernel: Kernel | None, kernels: KernelSet, wanted: str) -> str:
    """Why the kernel does not compute the unit that begins with `node`; nothing where it does."""
    if kernel is None:
        return kernels.islands.get(kind_of(node), f"no {wanted} kernel")
    if weight is not None and weight.const_value is None:
        return "its weight is not constant"
    if node.outputs[0].dtype != ir.DataType.FLOAT:
        return "it computes no real numbers"
    return kernel.refuses(node) or (node.metadata_props.get(FLOATING) if kernels.has_float else None) or ""
