"""Tell a classifier, a model with one output of one row of classes, from other models, and indices from numbers."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from .dialect import ARGS
from .dtypes import INTEGERS
from .edit import given, producer, shape


def count_scores(shape: Sequence[int | None]) -> int | None:
    """How many classes an output of this shape has a score for: n of (1, n), n > 1; else None."""
    match tuple(shape):
        case (1, int(classes)) if classes > 1:
            return classes
    return None


def count_classes(output_shapes: Sequence[Sequence[int | None]]) -> int | None:
    """How many classes a model with outputs of these shapes tells apart: those of its one output; else None."""
    return count_scores(output_shapes[0]) if len(output_shapes) == 1 else None


def num_classes(graph: ir.Graph) -> int | None:
    """How many classes the graph tells apart, None where it is no classifier. Raises DynamicShape."""
    return count_classes([shape(value) for value in graph.outputs])


def is_classifier(graph: ir.Graph) -> bool:
    """Whether the graph has one output, of shape (1, classes) with more classes than one. Raises DynamicShape."""
    return num_classes(graph) is not None


def gives_probabilities(scores: ir.Value) -> bool:
    """Whether a row of scores comes out of a softmax, which may be quantised."""
    while (node := scores.producer()) is not None and node.op_type in ("DequantizeLinear", "QuantizeLinear"):
        scores = given(node.inputs[0])
    return node is not None and node.op_type == "Softmax"


def ends_as_classifier(graph: ir.Graph) -> bool:
    """Whether the graph's one output is a row of classes that comes out of a softmax, or of its logarithm."""
    return is_classifier(graph) and (
        gives_probabilities(graph.outputs[0]) or producer(graph.outputs[0], "LogSoftmax") is not None
    )


def holds_indices(value: ir.Value) -> bool:
    """Whether the value is made of indices, as a class map is: of what an ArgMax or TopK found, moved and cast only.

    A cast to 8 bits is integer arithmetic with constants.
    """
    node = value.producer()
    if node is None:
        return False
    if node.op_type in _MOVES:
        return all(each is not None and holds_indices(each) for each in node.inputs[: _MOVES[node.op_type]])
    if node.op_type in ("Add", "Sub", "Mod") and value.dtype in INTEGERS:
        computed = [each for each in node.inputs if each is not None and each.const_value is None]
        return bool(computed) and all(map(holds_indices, computed))
    return node.op_type in ARGS or (node.op_type == "TopK" and value is node.outputs[1])


# op -> how many of its operands hold what it moves; None for all
_MOVES = {**dict.fromkeys(("Cast", "Reshape", "Transpose", "Slice", "Identity", "Tile"), 1), "Concat": None}
