"""Lower what only moves data: Reshape, Transpose, Slice, Concat and Pad."""

from __future__ import annotations

import numpy as np

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var, ints
from .lowering_table import lower


@lower("Reshape")
def reshape(mb: Builder, x: Operand, shape: Constant) -> Var:
    return mb.run("reshape", x, np.array(ints(shape), np.uint32))


@lower("Transpose")
def transpose(mb: Builder, x: Operand, *, perm: tuple[int, ...]) -> Var:
    return mb.run("transpose", x, np.array(perm, np.uint32))


@lower("Slice")
def slice_(mb: Builder, x: Operand, starts: Constant, ends: Constant, axes: Constant, steps: Constant) -> Var:
    """Canonical: bounds normalised, axes given. The operation wants bounds for every axis."""
    begin, end, stride = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    for i, axis in enumerate(ints(axes)):
        begin[axis], end[axis], stride[axis] = ints(starts)[i], ints(ends)[i], ints(steps)[i]
    return mb.run("slice_", x, *(np.array(each, np.int32) for each in (begin, end, stride)))


@lower("Concat")
def concat(mb: Builder, *operands: Operand, axis: int) -> Var:
    return mb.run("concat", np.int32(axis), list(operands))


@lower("Pad")
def pad(mb: Builder, x: Operand, pads: Constant, value: Constant, *, mode: str) -> Var:
    """ONNX's (all befores, all afters) -> (before, after) of each axis"""
    amounts = np.array(ints(pads)).reshape(2, -1).T.ravel()
    return mb.run("pad", x, amounts.astype(np.uint32), mb.real(float(value.float().reshape(()))))
