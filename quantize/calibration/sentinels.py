"""Find the values that hold sentinel constants, which stand for infinity: what pools are padded with, masks."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...graph.edit import const_value, name_of
from ...graph.fusion import VIEWS

SENTINEL = 1e30  # in magnitude: no network computes more
_PASS_ON = VIEWS | {"Add", "Concat", "Max", "MaxPool", "Min", "Pad", "Slice", "Sub", "Tile", "Where"}


def find_sentinels(graph: ir.Graph) -> set[str]:
    """The values with elements of SENTINEL magnitude by design: a constant goes in, and data moves it on.

    Such an element says nothing about a range: quantised, it saturates, and stays what it is, the lowest or highest.
    """
    found: set[str] = set()
    for node in graph:
        if node.op_type in _PASS_ON and any(v is not None and (v.name in found or _constant(v)) for v in node.inputs):
            found.update(name_of(output) for output in node.outputs)
    return found


def without_sentinels(array: np.ndarray) -> np.ndarray:
    """The elements that are not SENTINEL, (n,); one zero where none is left. NaN stays."""
    kept = array[~(np.abs(array) >= SENTINEL)]
    return kept if kept.size else np.zeros(1, array.dtype)


def is_only_pooled(value: ir.Value) -> bool:
    """Whether only MaxPools read the value, perhaps through views: its lowest integer does for them what -inf does."""
    readers = [use.node for use in value.uses()]
    return not value.is_graph_output() and all(
        node.op_type == "MaxPool" or (node.op_type in VIEWS and is_only_pooled(node.outputs[0])) for node in readers
    )


def _constant(value: ir.Value) -> bool:
    numbers = const_value(value)
    return numbers is not None and numbers.dtype.kind == "f" and bool((np.abs(numbers) >= SENTINEL).any())
