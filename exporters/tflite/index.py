"""Lower what makes or takes indices: ArgMax, TopK, NonMaxSuppression, Gather, ScatterND; CumSum, Tile and Identity."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ...artifacts.errors import UnsupportedAttribute
from ...graph.dtypes import narrowed
from ...graph.qdq import Constant
from .builder import MOST_AXES, Builder, Operand, Value
from .logic import converted
from .lowering_table import lower
from .movement import padded
from .view import View
from .writer import Operator

_INT32, _BOOL = 2, 6  # of TensorType


def _rows(mb: Builder, x: Operand) -> int:
    """A tensor of the operand's logical shape, row-major."""
    x = mb.contiguous(mb.value(x))
    return mb.reshaped(x.tensor, x.shape)


def _value(tensor: int, shape: Sequence[int]) -> Value:
    return Value(tensor, View.of(shape))


def _arg(op: str):
    def lowering(mb: Builder, x: Operand, *, axis: int, keepdims: int, select_last_index: int) -> Value:
        """The kernels drop the axis, and take the first of equals."""
        shape = (*x.shape[:axis], *x.shape[axis + 1 :])
        rows, kernel = _rows(mb, x), op
        if op == "ARG_MIN" and mb.plain:  # which LiteRT's GPU delegate has not
            rows, kernel = mb.emit("NEG", [rows], x.shape), "ARG_MAX"
        inputs = [rows, mb.const(np.array(axis, np.int32))]
        found = mb.run(kernel, inputs, shape, dtype=np.int32, outputType=_INT32)
        kept = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
        return _value(mb.reshaped(found, kept), kept)

    return lowering


for _onnx, _tflite in {"ArgMax": "ARG_MAX", "ArgMin": "ARG_MIN"}.items():
    lower(_onnx)(_arg(_tflite))


@lower("TopK")
def top_k(mb: Builder, x: Operand, k: Constant, *, axis: int, largest: int, sorted: int):
    """TOPK_V2 works on the last dimension, which is the canonical one, and gives the largest, in order."""
    count = int(k.array.reshape(()))
    shape = (*x.shape[:-1], count)
    x = mb.value(x)
    if x.shape[-1] % 4 and mb.tensors[x.tensor].dtype == np.float32:  # what LiteRT's GPU delegate leaves out, of 4
        x = padded(mb, x, {len(x.shape) - 1: (0, -x.shape[-1] % 4)}, float(np.finfo(np.float32).min))
    tensor = _rows(mb, x)
    inputs = [tensor, mb.const(np.array(count, np.int32))]
    values, indices = mb.run_two("TOPK_V2", inputs, shape, (mb.tensors[tensor].dtype, np.int32))
    return _value(values, shape), _value(indices, shape)


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
) -> Value:
    """Of one image and class: NON_MAX_SUPPRESSION_V4 gives box numbers, zeros behind the last, and how many they are.

    A row is (0, 0, box), or -1 throughout: kept - 1 where kept is 0 or 1, and box * kept + kept - 1. The kernel also
    suppresses what overlaps by just the threshold, ONNX's only what overlaps by more.
    """
    rows, count = min(int(most.array.item()), scores.shape[2]), scores.shape[2]
    overlap = np.nextafter(np.float32(iou_threshold.array.item()), np.float32(np.inf))
    thresholds = (np.asarray(number, np.float32) for number in (overlap, score_threshold.array.item()))
    limits = [mb.const(np.array(rows, np.int32)), *map(mb.const, thresholds)]
    given = [mb.reshaped(_rows(mb, boxes), (count, 4)), mb.reshaped(_rows(mb, scores), (count,)), *limits]
    found, valid = mb.add((rows,), np.int32), mb.add((), np.int32)
    mb.operators.append(Operator("NON_MAX_SUPPRESSION_V4", tuple(given), (found, valid), {}))
    kept = mb.emit("LESS", [mb.const(np.arange(rows, dtype=np.int32)), valid], (rows,), dtype=np.bool_)
    kept = mb.emit("CAST", [kept], (rows,), dtype=np.int32, inDataType=_BOOL, outDataType=_INT32)
    blank = mb.emit("SUB", [kept, mb.const(np.array(1, np.int32))], (rows,), fusedActivationFunction=0)
    box = mb.emit("MUL", [found, kept], (rows,), fusedActivationFunction=0)
    box = mb.emit("ADD", [box, blank], (rows,), fusedActivationFunction=0)
    columns = [mb.reshaped(column, (rows, 1)) for column in (blank, blank, box)]
    return _value(mb.run("CONCATENATION", columns, (rows, 3), axis=1, fusedActivationFunction=0), (rows, 3))


@lower("Gather")
def gather(mb: Builder, x: Operand, indices: Operand, *, axis: int) -> Value:
    """Computed indices may be negative, which GATHER does not know: they are taken modulo the size.

    LiteRT's GPU delegate has lists of indices alone, and few axes.
    """
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    before, after = prod(x.shape[:axis]), prod(x.shape[axis + 1 :])
    places = mb.reshaped(_places(mb, indices, x.shape[axis]), (prod(indices.shape),))
    rows = mb.reshaped(_rows(mb, x), (before, x.shape[axis], after))
    found = mb.move("GATHER", [rows, places], (before, prod(indices.shape), after), axis=1)
    return _value(mb.reshaped(found, shape), shape)


def _places(mb: Builder, indices: Operand, size: int | Sequence[int]) -> int:
    """Indices as int32 from 0 to size - 1."""
    if isinstance(indices, Constant):
        return mb.const(narrowed(np.mod(indices.array, size), f"tflite: '{mb.target.name}'"))
    tensor = _rows(mb, indices)
    sizes = np.array(size, np.int32)
    if sizes.ndim:  # of integers LiteRT's GPU delegate repeats no constant of one axis
        sizes = sizes.reshape((1,) * (len(mb.shape(tensor)) - 1) + (-1,))
    return mb.emit("FLOOR_MOD", [tensor, mb.const(sizes)], mb.shape(tensor))


@lower("ScatterND")
def scatter_nd(mb: Builder, x: Operand, indices: Operand, updates: Operand, *, reduction: str) -> Value:
    """SCATTER_ND adds up in zeros. Where none of equal indices counts twice, its updates replace what stands there."""
    if reduction not in ("none", "add"):
        raise UnsupportedAttribute(
            f"tflite: '{mb.target.name}' scatters by {reduction!r} to computed indices; only 'none' and 'add' work"
        )
    places = _places(mb, indices, x.shape[: indices.shape[-1]])
    base, new = _rows(mb, x), _rows(mb, updates)
    size = mb.const(np.array(x.shape, np.int32))
    dtype = mb.tensors[base].dtype
    if dtype == np.bool_:
        raise UnsupportedAttribute(f"tflite: '{mb.target.name}' scatters truth values; cast them to float32")
    scattered = mb.emit("SCATTER_ND", [places, new, size], x.shape, dtype=dtype)
    if reduction == "add":
        return _value(mb.run("ADD", [base, scattered], x.shape, fusedActivationFunction=0), x.shape)
    ones = mb.const(np.ones(updates.shape, np.int32))
    count = mb.emit("SCATTER_ND", [places, ones, size], x.shape, dtype=np.int32)
    reached = converted(mb, count, np.bool_)
    return _value(mb.run("SELECT_V2", [reached, scattered, base], x.shape, dtype=dtype), x.shape)


@lower("CumSum")
def cum_sum(mb: Builder, x: Operand, axis: Constant, *, exclusive: int, reverse: int) -> Value:
    """Along the third of four axes: LiteRT's GPU delegate is wrong along a first one.

    The sum of what is behind is that of all less that of what is before, since it ignores both options of CUMSUM.
    """
    d = int(axis.array.reshape(())) % len(x.shape)
    shape = (1, prod(x.shape[:d]), x.shape[d], prod(x.shape[d + 1 :]))
    rows, along = mb.reshaped(_rows(mb, x), shape), mb.const(np.array(2, np.int32))
    compute = mb.emit if exclusive or reverse else mb.run
    sums = compute("CUMSUM", [rows, along], shape, exclusive=False, reverse=False)
    if exclusive != reverse:
        compute = mb.run if exclusive else mb.emit
        sums = compute("SUB", [sums, rows], shape, fusedActivationFunction=0)
    if reverse:
        total = mb.emit("SUM", [rows, mb.const(np.array([2], np.int32))], (*shape[:2], 1, shape[3]), keepDims=True)
        sums = mb.run("SUB", [total, sums], shape, fusedActivationFunction=0)
    return _value(mb.reshaped(sums, x.shape), x.shape)


@lower("Tile")
def tile(mb: Builder, x: Operand, repeats: Constant) -> Value:
    """Neighbouring dimensions that are not repeated are one; of many that are left one is repeated at a time."""
    counts, shape = [int(count) for count in repeats.array], list(x.shape)
    tensor = _rows(mb, x)
    repeated = [axis for axis, count in enumerate(counts) if count > 1]
    together = len(_unrepeated_joined(shape, counts)) <= MOST_AXES
    for axes in [repeated] if together else [[axis] for axis in repeated]:
        times = [count if axis in axes else 1 for axis, count in enumerate(counts)]
        sizes, repeats_of = zip(*_unrepeated_joined(shape, times), strict=True)
        inputs = [mb.reshaped(tensor, sizes), mb.const(np.array(repeats_of, np.int32))]
        tensor = mb.move("TILE", inputs, [size * count for size, count in zip(sizes, repeats_of, strict=True)])
        shape = [size * count for size, count in zip(shape, times, strict=True)]
    return _value(mb.reshaped(tensor, shape), shape)


def _unrepeated_joined(shape: Sequence[int], counts: Sequence[int]) -> list[tuple[int, int]]:
    """(size, repeats) of each dimension, those beside one another that are not repeated as one."""
    joined: list[tuple[int, int]] = []
    for size, count in zip(shape, counts, strict=True):
        if joined and count == 1 and joined[-1][1] == 1:
            joined[-1] = (joined[-1][0] * size, 1)
        else:
            joined.append((size, count))
    return joined


@lower("Identity")
def identity(mb: Builder, x: Operand) -> Value:
    """An input or a constant that is an output, too: whoever writes the output copies it."""
    return mb.value(x)
