"""Read from a plan which values share one scale, and what a weight's scale has to respect."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import onnx_ir as ir

from ...graph.edit import name_of
from ...graph.kernels import KernelSet
from ...graph.qparams import QParams
from ..plan import Plan


@dataclass(frozen=True)
class Range:
    """One scale and zero point. `values`: the names of all that have it, the first one names it."""

    values: tuple[str, ...]
    params: QParams
    fixed: bool


@dataclass(frozen=True)
class Reader:
    """An int8 layer that reads a weight.

    Attributes:
        low: the kernel's lowest requantisation factor s_input * s_weight / s_output; 0 for none.
        bias: the initializer, None where the layer has none.
        accumulates: the plan's key of that bias.
    """

    reads: str
    gives: str
    low: float
    bias: str | None
    accumulates: str | None


@dataclass(frozen=True)
class WeightPlace:
    """A weight that is rounded per channel along `axis`."""

    axis: int
    readers: tuple[Reader, ...]


def find_ranges(plan: Plan, kernels: KernelSet) -> tuple[Range, ...]:
    """All scales of the plan's values; those that a kernel ties together are one."""
    group_of = {name: [name] for name in plan.activations}
    fixed = set()
    for unit in plan.units:
        kernel = kernels.kernels.get(unit.kind) if unit.is_integer else None
        if kernel is None:
            continue
        if kernel.fixed_output is not None:
            fixed.add(unit.output)
        for name in unit.operands if kernel.same_parameters else ():
            kept, gone = group_of[unit.output], group_of[name]
            if kept is not gone:
                kept += gone
                group_of |= dict.fromkeys(gone, kept)
    unique = {id(group): group for group in group_of.values()}
    return tuple(
        Range(tuple(group), plan.activations[group[0]], not fixed.isdisjoint(group)) for group in unique.values()
    )


def find_weights(graph: ir.Graph, plan: Plan, kernels: KernelSet) -> dict[str, WeightPlace]:
    """{initializer: how it is rounded} of the weights of all int8 layers.

    Biases are those of the graph: what tuned it may have given them other names than they had when it was planned.
    """
    readers: dict[str, list[Reader]] = defaultdict(list)
    nodes = {name_of(output): node for node in graph for output in node.outputs}
    for unit in plan.units:
        if unit.is_integer and unit.weight in plan.weights:
            kernel = kernels.kernels[unit.kind]
            low = kernel.limits[0] if kernel.multiplier else 0.0
            adds = unit.accumulates
            bias = name_of(nodes[adds].inputs[unit.bias_input]) if adds is not None else None
            readers[unit.weight].append(Reader(unit.operands[0], unit.output, low, bias, adds))
    return {name: WeightPlace(plan.weights[name].axis or 0, tuple(found)) for name, found in readers.items()}
