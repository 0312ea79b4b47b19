"""Lower what makes or takes indices: ArgMax, TopK, NonMaxSuppression, Gather, ScatterND; CumSum, Tile and Identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .logic import is_bool, numbers
from .lowering_table import lower


def _arg(op: str):
    def lowering(mb: Builder, x: Operand, *, axis: int, keepdims: int, select_last_index: int) -> Var:
        return mb.run(op, x=x, axis=axis, keep_dims=bool(keepdims))

    return lowering


for _onnx, _mil in {"ArgMax": "reduce_argmax", "ArgMin": "reduce_argmin"}.items():
    lower(_onnx)(_arg(_mil))


@lower("TopK")
def top_k(mb: Builder, x: Operand, k: Constant, *, axis: int, largest: int, sorted: int):
    return tuple(mb.run("topk", x=x, k=int(k.array.reshape(())), axis=axis, ascending=not largest))


@lower("NonMaxSuppression")
def non_max_suppression(
    mb: Builder,
    boxes: Operand,
    scores: Operand,
    most: Constant,
    iou_threshold: Constant,
    score_threshold: Constant,
    *,
    center_point_box: int,
) -> Var:
    """Of one image and class, in float32: a pixel is less than float16's step from 1024 on.

    From iOS 17 on the operation has no threshold for scores; what is below it comes last, and suppresses nothing above
    it. Behind the last box scores are 0 and indices -1; a row is (0, 0, box), or -1 throughout.
    """
    mb.target = replace(mb.target, float32=True)
    count = scores.shape[2]
    first, second = (
        mb.run("slice_by_index", x=boxes, begin=[0, 0, at], end=[1, count, at + 2], end_mask=[True, True, False])
        for at in (0, 2)
    )
    middle = mb.run("mul", x=mb.run("add", x=first, y=second), y=np.float32(0.5))
    size = mb.run("abs", x=mb.run("sub", x=second, y=first))
    placed = mb.run("transpose", x=mb.run("concat", values=[middle, size], axis=2), perm=[0, 2, 1])
    _, kept, found = mb.run(
        "non_maximum_suppression",
        boxes=placed,
        scores=scores,
        iou_threshold=np.float32(iou_threshold.array.item()),
        max_boxes=min(int(most.array.item()), count),
    )
    above = mb.run("greater", x=mb.run("squeeze", x=kept, axes=[1]), y=np.float32(score_threshold.array.item()))
    is_row = mb.run("logical_and", x=above, y=mb.run("greater_equal", x=found, y=np.int32(0)))
    box = mb.run("select", cond=is_row, a=found, b=np.full(found.shape, -1, np.int32))
    blank = mb.run("sub", x=mb.run("cast", x=is_row, dtype="int32"), y=np.int32(1))
    return mb.run("squeeze", x=mb.run("stack", values=[blank, blank, box], axis=2), axes=[0])


@lower("Gather")
def gather(mb: Builder, x: Operand, indices: Operand, *, axis: int) -> Var:
    """From iOS 17 on indices are not negative: computed ones are taken modulo the size."""
    taken = mb.run("gather", x=numbers(mb, x), indices=_places(mb, indices, x.shape[axis]), axis=axis)
    return mb.run("cast", x=taken, dtype="bool") if is_bool(mb, x) else taken


def _places(mb: Builder, indices: Operand, size: int | Sequence[int]) -> Operand:
    """Indices from 0 to size - 1."""
    if isinstance(indices, Constant):
        return Constant(np.mod(indices.array, size))
    return mb.run("mod", x=indices, y=np.array(size, np.int32))


@lower("ScatterND")
def scatter_nd(mb: Builder, x: Operand, indices: Operand, updates: Operand, *, reduction: str) -> Var:
    mode = {"none": "update"}.get(reduction, reduction)
    return mb.run(
        "scatter_nd", data=x, indices=_places(mb, indices, x.shape[: indices.shape[-1]]), updates=updates, mode=mode
    )


@lower("CumSum")
def cum_sum(mb: Builder, x: Operand, axis: Constant, *, exclusive: int, reverse: int) -> Var:
    return mb.run(
        "cumsum", x=x, axis=int(axis.array.reshape(())) % len(x.shape), exclusive=bool(exclusive), reverse=bool(reverse)
    )


@lower("Tile")
def tile(mb: Builder, x: Operand, repeats: Constant) -> Var:
    return mb.run("tile", x=x, reps=[int(count) for count in repeats.array])


@lower("Identity")
def identity(mb: Builder, x: Operand) -> Var:
    """An input or a constant that is an output, too."""
    return mb.run("identity", x=x)
