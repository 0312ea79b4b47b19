"""What the lowerings write into: one MIL operation at a time, its constants as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...artifacts.errors import ExportError
from ...graph.dtypes import narrowed
from ...graph.qdq import Constant

Var = Any  # coremltools.converters.mil.mil.Var: a computed value, with .shape
Operand = Var | Constant


@dataclass(frozen=True)
class Target:
    """What the node at hand is to become: the value's name, the bias that it adds if it is a linear, its precision."""

    name: str
    bias: Constant | None = None
    float32: bool = False  # whatever the others are computed in


class Builder:
    """Writes operations into the MIL function that is open."""

    def __init__(self, mil: Any, *, blockwise_weights: bool = False, open_sizes: bool = False) -> None:
        self._mil = mil  # coremltools.converters.mil.Builder
        self._blockwise = blockwise_weights
        self.open_sizes = open_sizes  # shapes are to be operands that can be computed
        self.target = Target("")
        self.float32: set[str] = set()  # operations that stay float32 where the others become float16

    def run(self, op: str, **arguments: Any) -> Var:
        """One operation, named after the value at hand; a Constant becomes its real values, None is left out.

        Raises ExportError for what coremltools refuses.
        """
        given = {name: self._argument(value) for name, value in arguments.items() if value is not None}
        name = f"{self.target.name}_{op}"
        try:
            result = getattr(self._mil, op)(**given, name=name)
        except ValueError as e:  # also where it follows values that it knows in part, and gets one wrong
            reason = str(e).strip().partition("\n")[0].rstrip(".")
            raise ExportError(f"coreml: coremltools refuses {op} for '{self.target.name}' ({reason}).") from e
        if self.target.float32:
            self.float32.add((result[0] if isinstance(result, tuple | list) else result).op.name)
        return result

    def run_in_float32(self, op: str, **arguments: Any) -> Var:
        """As `run`, of an operation that stays float32 where others become float16."""
        result = self.run(op, **arguments)
        self.float32.add(result.op.name)
        return result

    def weight(self, constant: Constant) -> Any:
        """A weight: float32 as it is, int8 as the operation that gives its real values when the model is loaded."""
        quant = constant.quant
        if quant is None or constant.array.dtype != np.int8:
            return constant.float()
        scale = np.asarray(quant.scales, np.float32)
        if self._blockwise:  # (o,) -> (o, 1, 1, 1)
            along = [1] * constant.array.ndim
            along[quant.axis or 0] = scale.size
            scale = scale.reshape(along)
            offset = np.full(scale.shape, quant.zero_point, np.int8) if quant.zero_point else None
            return self.run("constexpr_blockwise_shift_scale", data=constant.array, scale=scale, offset=offset)
        if scale.size == 1:  # one for all: a scalar, which no axis has to fit
            scale = scale.reshape(())
        return self.run(
            "constexpr_affine_dequantize",
            quantized_data=constant.array,
            zero_point=np.full(scale.shape, quant.zero_point, np.int8)[()],
            scale=scale[()],
            axis=np.int32(quant.axis or 0),
        )

    def type_of(self, var: Var) -> str:
        """MIL's name of a computed value's type: "fp32", "int32" or "bool"."""
        from coremltools.converters.mil.mil import types

        return types.builtin_to_string(var.dtype)

    def _argument(self, value: Any) -> Any:
        if isinstance(value, Constant):
            array = value.float()
            return narrowed(array, f"coreml: '{self.target.name}'") if array.dtype == np.int64 else array
        return [self._argument(v) for v in value] if isinstance(value, list) else value
