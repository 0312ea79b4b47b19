"""Lower what makes or takes indices: ArgMax, TopK, Gather, ScatterND, and CumSum, Tile and Identity."""

from __future__ import annotations

from collections.abc import Sequence

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
