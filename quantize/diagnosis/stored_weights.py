"""What an artifact's integer weights stand for, in the layout of the graph: files store some in forms of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from ...graph.edit import attribute, maker, name_of, shape
from ...graph.fusion import Unit
from ...graph.pixel_cells import from_cells
from ...runtime.inspectors.inspector import Inspector

Arrange = Callable[[str, np.ndarray], np.ndarray | None]  # (value, its tensor) -> as the graph has it, None if unknown


def weight_of(unit: Unit, inspector: Inspector) -> np.ndarray | None:
    """What the layer's integer weight stands for, the output channel first; None where it has none."""
    return next((inspector.weights[name] for name in unit.nodes if name in inspector.weights), None)


def read_weights(
    graph: ir.Graph, units: Sequence[Unit], inspector: Inspector, arrange: Arrange
) -> dict[str, np.ndarray]:
    """{an int8 unit's output: its weight, OIHW, IOHW or (in, out)}; `arrange` as `diagnose` takes it."""
    made = {name_of(output): output for node in graph for output in node.outputs}
    found = {}
    for unit in units:
        weight = weight_of(unit, inspector) if unit.is_integer else None
        read = None if weight is None else _in_graph_order(weight, unit, maker(made[unit.nodes[0]]), arrange)
        if read is not None:
            found[unit.output] = read
    return found


def _in_graph_order(weight: np.ndarray, unit: Unit, node: ir.Node, arrange: Arrange) -> np.ndarray | None:
    """The weight as the graph has it; None where its form is not known."""
    wanted = shape(node.inputs[1])
    if unit.kind == "Linear":
        return np.ascontiguousarray(weight.reshape(len(weight), -1).T).reshape(wanted)
    if unit.kind == "ConvTranspose":
        return np.ascontiguousarray(weight.swapaxes(0, 1)).reshape(wanted)
    if weight.ndim == len(wanted) == 4 and weight.shape[1] != wanted[1]:
        weight = from_cells(weight, wanted, attribute(node, "pads", (0,) * 4)[1])
    if weight.size != math.prod(wanted):
        return None
    weight = weight.reshape(wanted)
    places = _channel_places(unit.operands[0], shape(node.inputs[0]), arrange)
    return weight if places is None or len(places) != wanted[1] else weight[:, places]


def _channel_places(name: str, dims: Sequence[int], arrange: Arrange) -> np.ndarray | None:
    """Where each channel of a value lies among those of one pixel; None where they do not lie together."""
    places = arrange(name, np.arange(math.prod(dims)))
    if places is None:
        return None
    first = places.reshape(dims)[0].reshape(dims[1], -1)[:, 0]
    return first if np.array_equal(np.sort(first), np.arange(dims[1])) else None
