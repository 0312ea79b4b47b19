"""Say in which type a target without 64-bit integers holds each type of a canonical graph."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..artifacts.errors import UnsupportedAttribute

FLOATS = frozenset({ir.DataType.FLOAT})
INTEGERS = frozenset({ir.DataType.INT32, ir.DataType.INT64})
BOOLS = frozenset({ir.DataType.BOOL})
NUMBERS = FLOATS | INTEGERS
ANY = NUMBERS | BOOLS

_HELD = {
    ir.DataType.FLOAT: np.float32,
    ir.DataType.INT32: np.int32,
    ir.DataType.INT64: np.int32,
    ir.DataType.BOOL: np.bool_,
}


def held(dtype: ir.DataType | None) -> type:
    """The numpy type of a value in the artifact: int64 becomes int32, which all indices and sizes of an image fit."""
    return np.float32 if dtype is None else _HELD[dtype]


def narrowed(array: np.ndarray, where: str) -> np.ndarray:
    """int64 -> int32. Raises UnsupportedAttribute, beginning with `where`, for numbers that int32 does not hold."""
    limits = np.iinfo(np.int32)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        number = array.min() if array.min() < limits.min else array.max()
        raise UnsupportedAttribute(f"{where} has the constant {number}, which 32-bit integers do not hold")
    return array.astype(np.int32)
