"""NonMaxSuppression of several images or classes -> one of each, and their rows without the blanks between them."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from ....artifacts.errors import UnsupportedOp
from ....graph.edit import array, given, shape, where
from .steps import INT32, Steps

MOST_PARTS = 256  # images times classes: each is an operator with the whole of the boxes


def is_of_one(node: ir.Node) -> bool:
    """Whether a kernel of one image and one class computes it."""
    return prod(shape(node.inputs[1])[:2]) == 1


def expand(node: ir.Node) -> tuple[ir.Value]:
    """Raises UnsupportedOp for too many classes."""
    boxes, scores = map(given, node.inputs[:2])
    images, classes, count = shape(scores)
    if images * classes > MOST_PARTS:
        raise UnsupportedOp(
            f"{where(node)} selects among {images * classes} images and classes by themselves; at most {MOST_PARTS} "
            "become operators: take the best class of each box first, as --nms does"
        )
    at = Steps(node)
    rows = min(max(int(array(node.inputs[2]).item()), 0), count)
    limits = node.inputs[2:]
    parts = []
    for image in range(images):
        of_image, own_scores = at.part(boxes, 0, image, image + 1), at.part(scores, 0, image, image + 1)
        for number in range(classes):
            taken = (of_image, at.part(own_scores, 1, number, number + 1), *limits)
            found = at.run(node.op_type, *taken, to=(rows, 3), dtype=ir.DataType.INT64, center_point_box=0)
            found = at.cast(found, INT32)
            shift = np.array([[image, number, 0]], np.int32)
            kept = at.cast(at.run("GreaterOrEqual", found, 0, dtype=ir.DataType.BOOL), INT32)
            parts.append(at.add(found, at.mul(kept, shift)))
    every, total = at.concat(parts, 0), images * classes * rows
    box = at.cast(at.reshape(at.part(every, 1, 2, 3), total), ir.DataType.FLOAT)
    is_row = at.cast(at.run("GreaterOrEqual", box, 0.0, dtype=ir.DataType.BOOL), ir.DataType.FLOAT)
    order = at.mul(is_row, np.arange(total, 0, -1).astype(np.float32))  # selected ones first, each where it was
    (wanted, _) = shape(node.outputs[0])
    _, places = at.top_k(order, wanted)
    return (at.cast(at.gather(every, places, 0), ir.DataType.INT64),)
