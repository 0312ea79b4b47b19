"""This file lowers what only moves data: Reshape, Transpose, Slice, Concat and Pad."""

from __future__ import annotations

import numpy as np

from ...artifacts.errors import UnsupportedAttribute
from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .registry import lower


@lower("Reshape")
def reshape(mb: Builder, x: Operand, shape: Constant, *, allowzero: int = 0) -> Var:
    return mb.run("reshape", x=x, shape=_ints(shape)) if shape.array.size else mb.run("squeeze", x=x)


@lower("Transpose")
def transpose(mb: Builder, x: Operand, *, perm: tuple[int, ...]) -> Var:
    return mb.run("transpose", x=x, perm=list(perm))


@lower("Slice")
def slice_(
    mb: Builder, x: Operand, starts: Constant, ends: Constant, axes: Constant, steps: Constant | None = None
) -> Var:
    """Canonical: bounds normalised, axes given. MIL wants bounds for every axis."""
    begin, end, stride = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    for i, axis in enumerate(_ints(axes)):
        begin[axis], end[axis] = _ints(starts)[i], _ints(ends)[i]
        stride[axis] = _ints(steps)[i] if steps is not None else 1
    return mb.run("slice_by_index", x=x, begin=begin, end=end, stride=stride)


@lower("Concat")
def concat(mb: Builder, *operands: Operand, axis: int) -> Var:
    return mb.run("concat", values=list(operands), axis=axis)


@lower("Pad")
def pad(mb: Builder, x: Operand, pads: Constant, value: Constant | None = None, *, mode: str = "constant") -> Var:
    """ONNX's (all befores, all afters) -> MIL's [before, after] of each axis"""
    if mode != "constant":
        raise UnsupportedAttribute(f"coreml: '{mb.target.name}' pads with mode '{mode}'; pad with a constant")
    amounts = np.array(_ints(pads)).reshape(2, -1).T.ravel().tolist()
    fill = 0.0 if value is None else float(value.float().reshape(()))
    return mb.run("pad", x=x, pad=amounts, mode="constant", constant_val=np.float32(fill))


def _ints(constant: Constant) -> list[int]:
    return [int(v) for v in np.ravel(constant.array)]
