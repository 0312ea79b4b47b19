"""Lower what works along dimensions: reductions, softmaxes and LayerNormalization."""

from __future__ import annotations

from itertools import groupby
from math import prod

import numpy as np

from ...graph.qdq import Constant
from .builder import MOST_AXES, Builder, Operand, Value
from .lowering_table import lower
from .view import View

REDUCTIONS = {
    "ReduceMean": "MEAN",
    "ReduceSum": "SUM",
    "ReduceMax": "REDUCE_MAX",
    "ReduceMin": "REDUCE_MIN",
    "ReduceProd": "REDUCE_PROD",
}

# The kernels add one element after another in float32. Over the 36 100 of EfficientNet-B4's first maps that costs more
# precision than the rest of the network; as sums of rows, and then of those, nothing.
_SUMS = ("MEAN", "SUM")
_LONG = 1024  # elements


def _reduction(op: str):
    def lowering(mb: Builder, x: Operand, axes: Constant, *, keepdims: int) -> Value:
        """Over the factors of the reduced dimensions, wherever they lie in memory."""
        return reduce_dims(mb, op, mb.value(x), {int(a) for a in axes.array}, keepdims=bool(keepdims))

    return lowering


for _onnx, _tflite in REDUCTIONS.items():
    lower(_onnx)(_reduction(_tflite))


def reduce_dims(mb: Builder, op: str, x: Value, dims: set[int], *, keepdims: bool) -> Value:
    """`op` over the logical dimensions `dims`, which stay as dimensions of size 1 with `keepdims`."""
    factors = {k for d in dims for k in x.view.of_dim(d)}
    y = _over_factors(mb, op, x, dims, factors) if factors else x  # dimensions of size 1: nothing to do
    if keepdims:
        return y
    flat = y.view.reshape([s for d, s in enumerate(y.shape) if d not in dims])
    assert flat is not None, "dropping dimensions of size 1 is always a view"
    return Value(y.tensor, flat)


def _over_factors(mb: Builder, op: str, x: Value, dims: set[int], reduced: set[int]) -> Value:
    """`op` over the factors `reduced`, which are all those of the logical dimensions `dims`."""
    groups = mb.groups(x)
    if groups is None or any(len({k in reduced for k in g}) > 1 for g in groups):
        groups = [tuple(g) for _, g in groupby(x.view.order, key=lambda k: k in reduced)]
    if len(groups) > MOST_AXES:
        groups = [tuple(k for k in x.view.order if k not in reduced), tuple(k for k in x.view.order if k in reduced)]
        x = Value(mb.laid_out(x, groups), View(x.view.dims, groups[0] + groups[1]))
    tensor = mb.laid_out(x, groups)
    where = [i for i, g in enumerate(groups) if g and g[0] in reduced]
    shape = tuple(1 if i in where else s for i, s in enumerate(mb.shape(tensor)))
    keep = [k for k in range(len(x.view.factors)) if k not in reduced]
    view = View(
        tuple(() if d in dims else f for d, f in enumerate(x.view.dims)),
        tuple(keep.index(k) for k in x.view.order if k not in reduced),
    )
    if op in _SUMS and len(where) > 1 and mb.target.quant is None and not mb.plain:
        sizes = mb.shape(tensor)
        if prod(sizes[i] for i in where) >= _LONG:
            last = where.pop()
            between = tuple(1 if i == last else s for i, s in enumerate(sizes))
            tensor = mb.emit(op, [tensor, mb.const(np.array([last], np.int32))], between, keepDims=True)
    return Value(mb.run(op, [tensor, mb.const(np.array(where, np.int32))], shape, keepDims=True), view)


def innermost(mb: Builder, x: Value, axis: int) -> tuple[int, View]:
    """A tensor whose last dimension is the logical dimension `axis`, and its view; the rest keeps its order.

    It is no tensor of one dimension: LiteRT's GPU delegate takes that one for the batch.
    """
    inner = x.view.of_dim(axis)
    outer = tuple(k for k in x.view.order if k not in inner)
    if x.view.order[len(outer) :] == inner and mb.shape(x.tensor)[-1] == x.shape[axis] and len(mb.shape(x.tensor)) > 1:
        return mb.memory(x), x.view
    return mb.laid_out(x, [outer, inner]), View(x.view.dims, outer + inner)


@lower("Softmax")
def softmax(mb: Builder, x: Operand, *, axis: int) -> Value:
    """SOFTMAX works on the last dimension only."""
    x = mb.value(x)
    tensor, view = innermost(mb, x, axis)
    return Value(mb.run("SOFTMAX", [tensor], mb.shape(tensor), beta=1.0), view)


@lower("LogSoftmax")
def log_softmax(mb: Builder, x: Operand, *, axis: int) -> Value:
    """LOG_SOFTMAX works on the last dimension only; the CPU's delegate does not run it, and the GPU's has none."""
    x = mb.value(x)
    tensor, view = innermost(mb, x, axis)
    shape = mb.shape(tensor)
    if not mb.plain:
        return Value(mb.run("LOG_SOFTMAX", [tensor], shape), view)
    row, last = (*shape[:-1], 1), mb.const(np.array([len(shape) - 1], np.int32))
    most = mb.emit("REDUCE_MAX", [tensor, last], row, keepDims=True)
    below = mb.emit("SUB", [tensor, most], shape)
    total = mb.emit("SUM", [mb.emit("EXP", [below], shape), last], row, keepDims=True)
    return Value(mb.run("SUB", [below, mb.emit("LOG", [total], row)], shape), view)


@lower("LayerNormalization")
def layer_normalization(
    mb: Builder, x: Operand, scale: Constant, bias: Constant, *, axis: int, epsilon: float
) -> Value:
    """(x - mean) / sqrt(var + eps) over the last dimension, which the delegate runs as seven operators"""
    tensor, view = innermost(mb, mb.value(x), axis)
    shape, last = mb.shape(tensor), mb.const(np.array([len(mb.shape(tensor)) - 1], np.int32))
    row = (*shape[:-1], 1)
    mean = mb.emit("MEAN", [tensor, last], row, keepDims=True)
    centred = mb.emit("SUB", [tensor, mean], shape)
    square = mb.emit("MUL", [centred, centred], shape)
    variance = mb.emit("MEAN", [square, last], row, keepDims=True)
    shifted = mb.emit("ADD", [variance, mb.const(np.array([epsilon], np.float32))], row)
    factor = mb.emit("RSQRT", [shifted], row)
    steps = [("MUL", factor)]
    if np.any(scale.float() != 1):
        steps.append(("MUL", mb.const(scale.float().reshape(-1))))
    if np.any(bias.float() != 0):
        steps.append(("ADD", mb.const(bias.float().reshape(-1))))
    y = centred
    for i, (op, operand) in enumerate(steps):
        y = (mb.run if i == len(steps) - 1 else mb.emit)(op, [y, operand], shape)
    return Value(y, view)
