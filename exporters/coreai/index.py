"""Lower what makes or takes indices: ArgMax, TopK, Gather, ScatterND, and CumSum, Tile and Identity."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ...artifacts.errors import UnsupportedOp
from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .elementwise import floor_mod, is_float, neg
from .logic import is_bool, numbers
from .lowering_table import lower
from .toolkit import authoring


@lower("ArgMax")
def arg_max(mb: Builder, x: Operand, *, axis: int, keepdims: int, select_last_index: int) -> Operand:
    return mb.cast(mb.run("argmax", x, np.int32(axis)), np.int32)


@lower("ArgMin")
def arg_min(mb: Builder, x: Operand, *, axis: int, keepdims: int, select_last_index: int) -> Operand:
    return mb.cast(mb.run("argmax", neg(mb, x), np.int32(axis)), np.int32)


@lower("TopK")
def top_k(mb: Builder, x: Operand, k: Constant, *, axis: int, largest: int, sorted: int) -> tuple[Operand, ...]:
    """The first k of all in order; of equal ones the first one first."""
    order = (np.int32(axis), np.bool_(True), np.bool_(True))
    ends = [*x.shape[:-1], int(k.array.reshape(()))]
    bounds = [np.array(each, np.int32) for each in ([0] * len(ends), ends, [1] * len(ends))]
    values, indices = (mb.run("slice_", mb.run(op, x, *order), *bounds) for op in ("sort", "argsort"))
    return values, mb.cast(indices, np.int32)


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
    raise UnsupportedOp(
        f"coreai: '{mb.target.name}' is a NonMaxSuppression, which Core AI's library has not; end the model in front "
        "of it, and let the application suppress boxes"
    )


@lower("Gather")
def gather(mb: Builder, x: Operand, indices: Operand, *, axis: int) -> Operand:
    """gather_nd takes along the first axis: what lies before it moves behind, and back."""
    rank, count = len(x.shape), len(indices.shape)
    table = numbers(mb, x)
    if axis:
        table = mb.run("transpose", table, np.array([axis, *(a for a in range(rank) if a != axis)], np.uint32))
    places = _places(mb, indices, x.shape[axis])
    taken = mb.run("gather_nd", table, _reshaped(mb, places, (*indices.shape, 1)))  # (*indices, *others)
    if axis:
        order = [*range(count, count + axis), *range(count), *range(count + axis, count + rank - 1)]
        taken = mb.run("transpose", taken, np.array(order, np.uint32))
    return mb.cast(taken, np.bool_) if is_bool(x) else taken


def _reshaped(mb: Builder, x: Operand, shape: tuple[int, ...]) -> Operand:
    if isinstance(x, Constant):
        return Constant(x.array.reshape(shape))
    return mb.run("reshape", x, np.array(shape, np.uint32))


def _places(mb: Builder, indices: Operand, size: int | Sequence[int]) -> Operand:
    """Indices from 0 to size - 1."""
    if isinstance(indices, Constant):
        return Constant(np.mod(indices.array, size).astype(np.int32))
    return floor_mod(mb, indices, np.array(size, np.int32))


@lower("ScatterND")
def scatter_nd(mb: Builder, x: Operand, indices: Operand, updates: Operand, *, reduction: str) -> Var:
    """scatter_nd keeps the last of what falls on one place; scatter_along_axis, of everything in a row, reduces."""
    depth = indices.shape[-1]
    places = _places(mb, indices, x.shape[:depth])
    if reduction == "none":
        return mb.run("scatter_nd", x, places, updates)
    row, count = prod(x.shape), prod(updates.shape)
    steps = np.array([prod(x.shape[axis + 1 :]) for axis in range(depth)], np.int32)  # of one in each index
    starts = _row_starts(mb, places, steps)  # (rows, 1)
    inside = np.arange(prod(x.shape[depth:]), dtype=np.int32)
    each = mb.run("broadcasting_add", starts, Constant(inside[None]))  # (rows, elements of one)
    flat = [_reshaped(mb, operand, (size,)) for operand, size in ((x, row), (each, count), (updates, count))]
    kind = authoring().TensorType((row,), np.int32 if not is_float(x) else mb.float_type)
    y = mb.run("scatter_along_axis", kind, *flat, np.int32(0), scatter_mode=reduction)
    return mb.run("reshape", y, np.array(x.shape, np.uint32))


def _row_starts(mb: Builder, places: Operand, steps: np.ndarray) -> Operand:
    if isinstance(places, Constant):
        return Constant((places.array @ steps).astype(np.int32).reshape(-1, 1))
    total = mb.run("reduce_sum", mb.run("broadcasting_mul", places, steps), np.array([len(places.shape) - 1], np.int32))
    return mb.run("reshape", total, np.array([prod(places.shape[:-1]), 1], np.uint32))


@lower("CumSum")
def cum_sum(mb: Builder, x: Operand, axis: Constant, *, exclusive: int, reverse: int) -> Var:
    """Exclusive: of the numbers moved on by one, a 0 in front."""
    along = int(axis.array.reshape(())) % len(x.shape)
    if exclusive:
        x = _moved_on(mb, x, along, -1 if reverse else 1)
    return mb.run("scan", x, np.uint32(along), np.bool_(reverse))


def _moved_on(mb: Builder, x: Operand, axis: int, by: int) -> Var:
    begin, end, pads = [0] * len(x.shape), list(x.shape), np.zeros((len(x.shape), 2), np.uint32)
    if by > 0:
        end[axis], pads[axis, 0] = end[axis] - 1, 1
    else:
        begin[axis], pads[axis, 1] = 1, 1
    bounds = (np.array(each, np.int32) for each in (begin, end, [1] * len(end)))
    kept = mb.run("slice_", x, *bounds)
    zero = mb.real(0) if np.issubdtype(kept.dtype, np.floating) else np.int32(0)
    return mb.run("pad", kept, pads.ravel(), zero)


@lower("Tile")
def tile(mb: Builder, x: Operand, repeats: Constant) -> Var:
    return mb.run("tile", x, np.array([int(count) for count in repeats.array], np.uint32))


@lower("Identity")
def identity(mb: Builder, x: Operand) -> Operand:
    """An input or a constant that is an output, too."""
    return x
