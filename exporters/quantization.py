"""This file reads int8 out of a graph: how a tensor is quantised, as QuantizeLinear defines it, and its constants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..graph.edit import const_value, producer, shape


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
        with np.errstate(over="ignore"):  # what stands for infinity saturates
            steps = np.rint(array / self._along(array.ndim))
        return np.clip(steps + self.zero_point, info.min, info.max).astype(dtype)

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


@dataclass(frozen=True)
class Constant:
    """A logical array known when the model is exported; integers under `quant` if that is given."""

    array: np.ndarray
    quant: Quant | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def float(self) -> np.ndarray:
        """The real values, float32."""
        return self.array if self.quant is None else self.quant.dequantize(self.array)


def constant_operand(value: ir.Value | None) -> tuple[np.ndarray, Quant | None] | None:
    """(array, quantisation) of a constant, as it is, behind DequantizeLinear, or behind both of a pair."""
    array = const_value(value)
    if array is not None:
        return array, None
    dq = producer(value, "DequantizeLinear") if value is not None else None
    if dq is None:
        return None
    quant = quant_of(dq)
    array = const_value(dq.inputs[0])
    if array is not None:
        return array, quant
    q = producer(dq.inputs[0], "QuantizeLinear") if dq.inputs[0] is not None else None
    if q is not None:
        array = const_value(q.inputs[0])
        if array is not None:
            return quant.quantize(array), quant
    return None


def quant_of(node: ir.Node) -> Quant:
    """The parameters of a QuantizeLinear or DequantizeLinear node."""
    scale = const_value(node.inputs[1])
    zero = const_value(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else np.zeros((), np.int8)
    axis = node.attributes["axis"].value if "axis" in node.attributes else 1
    assert scale is not None, "scales are constants"
    assert zero is not None, "zero points are constants"
    if np.ravel(scale).size > 1 and axis < 0:
        axis += len(shape(node.inputs[0]))
    return Quant.of(scale, zero, axis if np.ravel(scale).size > 1 else 0)
