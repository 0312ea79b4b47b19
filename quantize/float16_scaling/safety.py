"""Make a float graph safe in float16, from the ranges that its values have on a few inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from ...graph.edit import const_value, name_of, remove_dead
from ..float16_constants import fit_constants, is_beyond
from ..float16_range import LARGEST, find_beyond_float16
from .bounds import drowns, find_bounds
from .fold import fold_scales
from .forms import apply_forms
from .measure import Measured, measure
from .scales import Scales

NEAR = 32.0  # times smaller than what it is the difference of: the rounding of those is about 30 dB below it


def make_float16_safe(
    model: ir.Model, feeds: Iterable[Mapping[str, np.ndarray]], noise: Sequence[Mapping[str, np.ndarray]] = ()
) -> tuple[ir.Model, dict[str, str]]:
    """Make a canonical float graph safe in float16.

    The same function up to float32's rounding: scales are powers of two. What needs nothing stays as it is. Room of a
    factor of 2 is left to 65504, for inputs that were not seen.

    Args:
        model: float; it is left as it is.
        feeds: a few inputs; the graph runs a few times for each, in float32.
        noise: inputs that are to be safe, too, as far as that takes nothing from `feeds`.

    Returns:
        The graph, and {an operator's first output: why float16 cannot compute it all the same}.
    """
    inputs = list(feeds)
    feeds = [*inputs, *noise]
    model = model.clone()
    measured = measure(model, feeds)
    if any(is_beyond(const_value(value), LARGEST) for node in model.graph for value in node.inputs):
        model, _ = fit_constants(model, {name: extent.largest for name, extent in measured.extents.items()}, LARGEST)
        measured = measure(model, feeds)
    if apply_forms(model, measured):
        measured = measure(model, feeds)
    if noise and drowns(of_inputs := measure(model, inputs), measured):
        feeds, measured = inputs, of_inputs
    scales = Scales(model.graph, find_bounds(model, measured), measured.extents)
    scales.walk()
    fold_scales(scales)
    remove_dead(model.graph)
    scales.name_scaled()
    if scales.exponents:
        measured = measure(model, feeds)
    return model, find_unsafe(model, measured)


def find_unsafe(model: ir.Model, measured: Measured) -> dict[str, str]:
    """{an operator's first output: why float16 cannot compute it}, in the graph's order."""
    found = find_beyond_float16(model, measured.extents)
    for name, largest in measured.sums.items():
        if largest > LARGEST:
            found.setdefault(name, f"the sum inside it may reach {largest:.3g}")
    for node in model.graph:
        name, why = name_of(node.outputs[0]), _cancels(node, measured)
        if why:
            found.setdefault(name, why)
    return {name: found[name] for node in model.graph if (name := name_of(node.outputs[0])) in found}


def _cancels(node: ir.Node, measured: Measured) -> str | None:
    """Whether the node takes nearly equal numbers from one another, of which float16 has lost the difference."""
    if node.op_type not in ("Add", "Sub"):
        return None
    extents = [measured.extents.get(value.name or "") for value in (*node.inputs, *node.outputs) if value is not None]
    *operands, result = [extent.largest for extent in extents if extent is not None] or [0.0]
    if not operands or not 0 < result * NEAR < max(operands):
        return None
    names = " and ".join(name_of(value) for value in node.inputs)
    return f"{names} are nearly equal: they reach {max(operands):.3g}, their difference {result:.3g}"
