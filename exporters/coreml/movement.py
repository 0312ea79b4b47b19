"""Lower what only moves data: Reshape, Transpose, Slice, Concat and Pad."""

from __future__ import annotations

import numpy as np

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .lowering_table import lower


@lower("Reshape")
def reshape(mb: Builder, x: Operand, shape: Constant) -> Var:
    return mb.run("reshape", x=x, shape=_ints(shape)) if shape.array.size else mb.run("squeeze", x=x)


@lower("Transpose")
def transpose(mb: Builder, x: Operand, *, perm: tuple[int, ...]) -> Var:
    return mb.run("transpose", x=x, perm=list(perm))


@lower("Slice")
def slice_(mb: Builder, x: Operand, starts: Constant, ends: Constant, axes: Constant, steps: Constant) -> Var:
    """Canonical: bounds normalised, axes given. MIL wants bounds for every axis."""
    begin, end, stride = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    for i, axis in enumerate(_ints(axes)):
        begin[axis], end[axis] = _ints(starts)[i], _ints(ends)[i]
        stride[axis] = _ints(steps)[i]
    return mb.run("slice_by_index", x=x, begin=begin, end=end, stride=stride)


@lower("Concat")
def concat(mb: Builder, *operands: Operand, axis: int) -> Var:
    return mb.run("concat", values=list(operands), axis=axis)


@lower("Pad")
def pad(mb: Builder, x: Operand, pads: Constant, value: Constant, *, mode: str) -> Var:
    """ONNX's (all befores, all afters) -> MIL's [before, after] of each axis"""
    amounts = np.array(_ints(pads)).reshape(2, -1).T.ravel().tolist()
    return mb.run("pad", x=x, pad=amounts, mode=mode, constant_val=np.float32(value.float().reshape(())))


def _ints(constant: Constant) -> list[int]:
    return [int(v) for v in np.ravel(constant.array)]
