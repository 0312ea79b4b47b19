"""Tell a classifier, a model with one output of one row of classes, from every other model."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from .edit import shape


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
