"""Map real numbers to integers of 8 or 16 bits (for biases 32 or 64): `real = scale * (integer - zero_point)`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

INT8 = (-128, 127)
INT16 = (-(2**15), 2**15 - 1)
LIMITS = {"int8": INT8, "uint8": (0, 255), "int16": INT16, "int32": (-(2**31), 2**31 - 1)}
LIMITS["int64"] = (-(2**62), 2**62)  # more than any bias counts, and exact in float64
WEIGHT_MAX = 127  # weights are symmetric in [-127, 127]: the TFLite quantisation specification
MIN_SCALE = 2.0**-60  # far below any real scale; the product of two is still a normal float32


@dataclass(frozen=True)
class QParams:
    """How one tensor is quantised. `scales` are float32 values: one, or one per slice along `axis`, which share the
    zero point (TFLite's int8 specification)."""

    scales: tuple[float, ...]
    zero_point: int = 0
    axis: int | None = None  # None: per tensor
    dtype: str = "int8"  # or "uint8", "int16"; "int32" or "int64" for biases

    @property
    def scale(self) -> float:
        """The scale of a per-tensor quantisation."""
        if self.axis is not None:
            raise ValueError("a per-channel quantisation has no single scale")
        return self.scales[0]

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and largest integer."""
        return LIMITS[self.dtype]

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and largest real number that a per-tensor quantisation represents."""
        lowest, highest = self.limits
        return self.scale * (lowest - self.zero_point), self.scale * (highest - self.zero_point)

    def unsigned(self) -> QParams:
        """The same real numbers as uint8: integers and zero point are 128 higher than as int8."""
        return replace(self, zero_point=self.zero_point - INT8[0], dtype="uint8")

    def along(self, axis: int) -> QParams:
        """The same quantisation of a tensor whose slices lie along another axis."""
        return replace(self, axis=axis)

    def quantize(self, real: np.ndarray, precision: type[np.floating] = np.float64) -> np.ndarray:
        """float array -> integer array of `dtype`: round half to even, saturate (ONNX QuantizeLinear).

        `precision` is that of the division. Constants of a plan are rounded as exactly as can be, in float64; integers
        that a graph already stands for, behind its own QuantizeLinear, are those of that operator, which divides in
        float32 and so decides near-ties otherwise.
        """
        with np.errstate(over="ignore"):  # what stands for infinity saturates
            steps = np.rint(np.asarray(real, precision) / self._scales_for(real.ndim).astype(precision))
        return np.clip(steps + self.zero_point, *self.limits).astype(self.dtype)

    def dequantize(self, integers: np.ndarray) -> np.ndarray:
        """Integer array -> float32 array, in the arithmetic of DequantizeLinear; exact but for 32 bits."""
        steps = integers.astype(np.float32) - np.float32(self.zero_point)
        return steps * self._scales_for(integers.ndim)

    def _scales_for(self, rank: int) -> np.ndarray:
        scales = np.asarray(self.scales, np.float32)
        if self.axis is None or scales.size == 1:
            return scales.reshape(())
        return scales.reshape([-1 if axis == self.axis else 1 for axis in range(rank)])


def float32(x: float) -> float:
    """The nearest float32, as a Python float."""
    return float(np.float32(x))


def asymmetric(lo: float, hi: float) -> QParams:
    """int8 parameters whose range covers [lo, hi] to within half a step; needs lo <= 0 <= hi, so that 0 is exact."""
    scale = float32(max((hi - lo) / (INT8[1] - INT8[0]), MIN_SCALE))
    zero_point = round(INT8[0] - lo / scale)
    return QParams((scale,), int(min(max(zero_point, INT8[0]), INT8[1])))


def symmetric(lo: float, hi: float) -> QParams:
    """int8 parameters with zero point 0 whose range covers [lo, hi]."""
    return QParams((float32(max(-lo, hi, MIN_SCALE * WEIGHT_MAX) / WEIGHT_MAX),))


def symmetric16(lo: float, hi: float) -> QParams:
    """int16 parameters whose range covers [lo, hi]; the zero point is 0 (TFLite's specification of 16x8)."""
    return QParams((float32(max(-lo, hi, MIN_SCALE * INT16[1]) / INT16[1]),), dtype="int16")


def per_channel(weight: np.ndarray, axis: int, floors: np.ndarray | None = None) -> QParams:
    """Symmetric weight parameters, one scale per channel along `axis`, none below `floors` (channels,).

    A channel of zeros takes the scale of the largest channel: its weights are exact at any scale, but its bias is
    counted in steps of s_in * s_w and should be neither coarser than its neighbours' nor overflow.
    """
    others = tuple(a for a in range(weight.ndim) if a != axis)
    largest = np.abs(weight.astype(np.float64)).max(axis=others)
    scales = np.where(largest > 0, largest, largest.max() if largest.max() > 0 else 1.0) / WEIGHT_MAX
    scales = np.maximum(scales, MIN_SCALE if floors is None else np.maximum(floors, MIN_SCALE))
    scales32 = scales.astype(np.float32)
    # Rounding to float32 may go down by half an ulp: the largest weight still rounds to 127, but a floor must hold.
    if floors is not None:
        scales32 = np.where(scales32 < floors, np.nextafter(scales32, np.float32(math.inf)), scales32)
    return QParams(tuple(float(s) for s in scales32), axis=axis)
