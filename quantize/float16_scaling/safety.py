"""Make a float graph safe in float16, from the ranges that its values have on a few inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...graph.edit import const_value, name_of, remove_dead
from ..float16_constants import fit_constants, is_beyond
from ..float16_range import LARGEST, Extent, find_beyond_float16, measure_extents
from .bounds import find_bounds
from .fold import fold_scales
from .forms import apply_forms
from .scales import Scales
from .sums import measure_sums


@dataclass(frozen=True)
class _Measured:
    extents: dict[str, Extent]
    sums: dict[str, float]


def make_safe(model: ir.Model, feeds: Iterable[Mapping[str, np.ndarray]]) -> tuple[ir.Model, dict[str, str]]:
    """Make a canonical float graph safe in float16.

    The same function up to float32's rounding: scales are powers of two. What needs nothing stays as it is. Room of a
    factor of 2 is left to 65504, for inputs that were not seen.

    Args:
        model: float; it is left as it is.
        feeds: a few inputs; the graph runs a few times for each, in float32.

    Returns:
        The graph, and {an operator's first output: why float16 cannot compute it all the same}.
    """
    feeds = list(feeds)
    model = model.clone()
    measured = _measure(model, feeds)
    if any(is_beyond(const_value(value), LARGEST) for node in model.graph for value in node.inputs):
        model, _ = fit_constants(model, {name: extent.largest for name, extent in measured.extents.items()}, LARGEST)
        measured = _measure(model, feeds)
    if apply_forms(model, measured.extents, measured.sums):
        measured = _measure(model, feeds)
    scales = Scales(model.graph, find_bounds(model, measured.extents, measured.sums), measured.extents)
    scales.walk()
    fold_scales(scales)
    remove_dead(model.graph)
    if scales.exponents:
        measured = _measure(model, feeds)
    return model, find_unsafe(model, measured.extents, measured.sums)


def find_unsafe(model: ir.Model, extents: Mapping[str, Extent], sums: Mapping[str, float]) -> dict[str, str]:
    """{an operator's first output: why float16 cannot compute it}, in the graph's order."""
    beyond = find_beyond_float16(model, extents)
    for name, largest in sums.items():
        if largest > LARGEST:
            beyond.setdefault(name, f"the sum inside it may reach {largest:.3g}")
    return {name: beyond[name] for node in model.graph if (name := name_of(node.outputs[0])) in beyond}


def _measure(model: ir.Model, feeds: list[Mapping[str, np.ndarray]]) -> _Measured:
    return _Measured(measure_extents(model, feeds), measure_sums(model, feeds))
