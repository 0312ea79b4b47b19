"""This file is the quantisation of one tensor, as the .tflite schema and QuantizeLinear both define it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Quant:
    """real = scale * (q - zero_point). `scale`: one float32 or one per slice of `axis`; signed 8-bit activations and
    weights, 32-bit biases (zero point 0)."""

    scale: tuple[float, ...]
    zero_point: int = 0
    axis: int = 0

    @staticmethod
    def of(scale: np.ndarray, zero_point: np.ndarray | int, axis: int = 0) -> Quant:
        """From QuantizeLinear's operands. Per-channel quantisation must be symmetric (TFLite int8 specification)."""
        points = {int(z) for z in np.ravel(zero_point)} or {0}
        if len(points) > 1:
            raise ValueError("per-channel zero points differ; TFLite's int8 weights are symmetric")
        return Quant(tuple(float(s) for s in np.ravel(scale)), points.pop(), axis)

    def range(self) -> tuple[float, float]:
        """The smallest and the largest real value that int8 holds under these parameters."""
        return self.scale[0] * (-128 - self.zero_point), self.scale[0] * (127 - self.zero_point)

    def quantize(self, array: np.ndarray, dtype: type = np.int8) -> np.ndarray:
        """Round half to even and saturate, as QuantizeLinear does."""
        info = np.iinfo(dtype)
        scale = self._along(array.ndim)
        return np.clip(np.rint(array / scale) + self.zero_point, info.min, info.max).astype(dtype)

    def dequantize(self, array: np.ndarray) -> np.ndarray:
        """float32 values of a quantised array."""
        return (array.astype(np.float32) - np.float32(self.zero_point)) * self._along(array.ndim)

    def _along(self, rank: int) -> np.ndarray:
        scale = np.asarray(self.scale, np.float32)
        if scale.size == 1:
            return scale.reshape(())
        shape = [1] * rank
        shape[self.axis] = scale.size
        return scale.reshape(shape)
