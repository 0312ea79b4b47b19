"""Find the values whose statistics a plan may ask for, before there are any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...graph.edit import name_of
from ...graph.fusion import find_units
from ...graph.kernels import KernelSet
from .histogram import Histogram
from .statistics import Statistics, ValueStatistics


class _Looked(Exception):
    """A rewrite looks at the numbers themselves."""


@dataclass(frozen=True)
class _Unknown(ValueStatistics):
    """Statistics before there are any: they only know whose they will be."""

    of: str = ""

    def __getattribute__(self, name: str):
        if name in ("min", "max", "mean_min", "mean_max", "histogram"):
            raise _Looked
        return super().__getattribute__(name)

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> _Unknown:
        return self


@dataclass(frozen=True)
class _Recorder(Statistics):
    """Unknown statistics, and of which values they were asked."""

    asked: tuple[set[str], ...] = ()

    def __getitem__(self, name: str) -> ValueStatistics:
        self.asked[0].add(name)
        return super().__getitem__(name)


def find_wanted(model: ir.Model, kernels: KernelSet) -> set[str] | None:
    """The values of the float `model`, in the form that the kernels like, that a plan for them needs statistics of,
    whichever of its units it leaves in float.

    They are the operands and results of what has an int8 kernel, and what the kernels' rewrites read: neither what only
    float reads, nor what a kernel keeps to itself between a layer and its activation. None where a rewrite decides by
    the statistics: then all may be needed.
    """
    graph = model.graph
    names = [name_of(v) for v in (*graph.inputs, *(o for n in graph for o in n.outputs)) if v.name]
    recorder = _Recorder(0, {name: _Unknown(0, 0, 0, 0, Histogram(), name) for name in names}, ({*()},))
    try:
        rewritten, known = kernels.apply_rewrites(model, recorder)
    except _Looked:
        return None
    wanted = set(recorder.asked[0])
    for unit in find_units(rewritten.graph, kernels):
        if unit.precision != "int8":
            continue
        rounded = kernels.kernels[unit.kind].result != "float"
        for name in (*unit.operands, *([unit.output] if rounded else [])):
            of = known.values.get(name)
            if isinstance(of, _Unknown):
                wanted.add(of.of)
    return wanted


def find_all_wanted(model: ir.Model, several: list[KernelSet]) -> set[str] | None:
    """Of several sets of kernels, each with the forms of its own."""
    found: set[str] = set()
    for kernels in several:
        wanted = find_wanted(kernels.apply_forms(model), kernels)
        if wanted is None:
            return None
        found |= wanted
    return found
