"""What the lowerings write into: one Core AI operation at a time, its constants as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...artifacts.errors import ExportError
from ...graph.dtypes import narrowed
from ...graph.qdq import Constant
from . import toolkit


@dataclass(frozen=True)
class Var:
    """A computed value."""

    value: Any  # coreai.authoring.Value
    shape: tuple[int, ...]
    dtype: type[np.generic]
    op: str = ""  # that made it; of an input nothing


Operand = Var | Constant
Argument = (
    Operand | np.ndarray | np.generic
)  # arrays are what an operation is told: sizes, axes, their types are strict


@dataclass(frozen=True)
class Target:
    """What the node at hand is to become: the value's name, the bias that it adds if it is a linear."""

    name: str
    bias: Constant | None = None


class Builder:
    """Writes operations into the graph that is open."""

    def __init__(self, float_type: type[np.floating]) -> None:
        self.target = Target("")
        self.float_type = float_type  # what the node at hand is computed in
        self._casts: dict[tuple[int, type], tuple[Var, Var]] = {}  # (id of what is cast, to what) -> it, and the result
        self._weights = 0

    def run(self, op: str, *arguments: Argument | str | Sequence[Operand], **options: Any) -> Var:
        """One operation of the library, its floats in the type of the node at hand.

        Raises ExportError for what the library refuses.
        """
        given = [self._argument(each) for each in arguments]
        return self.var(self._call(op, given, options), op)

    def var(self, value: Any, op: str = "") -> Var:
        """A value of the library, which that operation has made."""
        return Var(value, *toolkit.type_of(value), op)

    def weight(self, constant: Constant, axis: int = 0) -> Operand:
        """A weight: float as it is, int8 as what dequantises it, a scale for each channel along `axis`.

        A scale that float16 would hold with less precision than its own stays float32; what it gives is cast.
        """
        quant = constant.quant
        if quant is None or constant.array.dtype != np.int8:
            return Constant(constant.float())
        scales = np.asarray(quant.scales, np.float32)
        along = quant.axis if quant.axis is not None else axis
        scales = np.broadcast_to(scales, constant.array.shape[along]) if scales.size == 1 else scales
        kind = self.float_type if fits_half(scales) else np.float32
        offsets = np.full(scales.shape, quant.zero_point, np.int8)
        given = [constant.array, scales.astype(kind), offsets, np.zeros(scales.shape, kind), np.int32(along)]
        return self.var(self._call("dequantize", [self._constant(each) for each in given], {}))

    def cast(self, x: Operand, dtype: type[np.generic]) -> Operand:
        """The operand in another type; a computed one is cast once."""
        if isinstance(x, Constant):
            return Constant(x.float().astype(dtype))
        if x.dtype is dtype:
            return x
        key = (id(x), dtype)
        if key not in self._casts:
            self._casts[key] = x, self.var(self._call("cast", [x.value, dtype], {}))
        return self._casts[key][1]

    def real(self, number: float) -> np.floating:
        """A number in the type of the node at hand."""
        return self.float_type(number)

    def _argument(self, argument: Any) -> Any:
        if isinstance(argument, Var):
            is_float = np.issubdtype(argument.dtype, np.floating)
            return self.cast(argument, self.float_type).value if is_float else argument.value  # type: ignore[union-attr]
        if isinstance(argument, Constant):
            return self._constant(self._narrow(argument.float()))
        if isinstance(argument, np.ndarray | np.generic):
            return self._constant(np.asarray(argument))
        if isinstance(argument, list | tuple):
            return [self._argument(each) for each in argument]
        return argument

    def _narrow(self, array: np.ndarray) -> np.ndarray:
        if array.dtype == np.float32:
            with np.errstate(over="ignore"):  # what float16 cannot hold stays float32 where it matters
                return array.astype(self.float_type)
        return narrowed(array, f"coreai: '{self.target.name}'") if array.dtype == np.int64 else array

    def _constant(self, array: np.ndarray | np.generic) -> Any:
        array = np.asarray(array)
        if array.size > toolkit.MOST_INLINE:
            self._weights += 1
        return toolkit.constant(array, f"w{self._weights}")

    def _call(self, op: str, arguments: Sequence[Any], options: dict[str, Any]) -> Any:
        try:
            return toolkit.call(op, self.target.name, arguments, options)
        except (ValueError, TypeError, RuntimeError) as e:  # MLIR's errors are among these
            reason = str(e).strip().partition("\n")[0].rstrip(".:")
            raise ExportError(f"coreai: coreai-core refuses {op} for '{self.target.name}' ({reason}).") from e


def fits_half(scales: np.ndarray) -> bool:
    """Whether float16 has all these numbers with its full precision."""
    return bool((scales >= np.finfo(np.float16).smallest_normal).all())


def ints(constant: Constant) -> list[int]:
    """The whole numbers of a constant."""
    return [int(number) for number in np.ravel(constant.array)]
