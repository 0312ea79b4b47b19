"""Give resizing along one axis as the matrix that it is: every mode of ONNX's Resize, from its definition.

https://onnx.ai/onnx/operators/onnx__Resize.html; numbers are float32, as in the runtimes, so that ties fall alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Resampling:
    """How an axis of `size` elements becomes one of `outputs`; attributes by their names in ONNX."""

    size: int
    outputs: int
    scale: float  # what the places are computed with: outputs / size where sizes are given
    mode: str = "nearest"  # or "linear", "cubic"
    coordinates: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    antialias: bool = False
    exclude_outside: bool = False
    cubic_coefficient: float = -0.75
    region: tuple[float, float] = (0.0, 1.0)  # of tf_crop_and_resize: from where to where, of the axis


_HALF, _ONE = np.float32(0.5), np.float32(1)


def _half_pixel(r: Resampling, i: np.ndarray) -> np.ndarray:
    return (i + _HALF) / np.float32(r.scale) - _HALF


def _half_pixel_symmetric(r: Resampling, i: np.ndarray) -> np.ndarray:
    """half_pixel of an output that is centred on the input, where the scale gives a fraction of an element more."""
    adjustment = np.float32(r.outputs) / (np.float32(r.scale) * np.float32(r.size))
    place = (i.astype(np.float64) + 0.5) / np.float64(np.float32(r.scale)) - 0.5
    return np.float32(r.size / 2) * (_ONE - adjustment) + place


def _align_corners(r: Resampling, i: np.ndarray) -> np.ndarray:
    return i * np.float32((r.size - 1) / (r.outputs - 1)) if r.outputs > 1 else 0 * i


def _crop(r: Resampling, i: np.ndarray) -> np.ndarray:
    start, end, last = *(np.float32(v) for v in r.region), np.float32(r.size - 1)
    if r.outputs == 1:
        return 0 * i + _HALF * (start + end) * last
    return start * last + i * ((end - start) * last / np.float32(r.outputs - 1))


CROP = "tf_crop_and_resize"
COORDINATES: dict[str, Callable[[Resampling, np.ndarray], np.ndarray]] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "pytorch_half_pixel": lambda r, i: _half_pixel(r, i) if r.outputs > 1 else 0 * i,
    "align_corners": _align_corners,
    "asymmetric": lambda r, i: i / np.float32(r.scale),
    "tf_half_pixel_for_nn": lambda r, i: (i + _HALF) / np.float32(r.scale),  # opset 11 and 12
    CROP: _crop,
}
TIE = 1e-6  # so close to a half is the half: 16 * 26 / 64 is 6.4999995 in float32 (ONNX Runtime 1.31, measured)
NEAREST: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "round_prefer_floor": lambda x: np.ceil(x.astype(np.float64) - 0.5 - TIE),
    "round_prefer_ceil": lambda x: np.floor(x.astype(np.float64) + 0.5 + TIE),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _triangle(t: np.ndarray, r: Resampling) -> np.ndarray:
    return np.clip(1 - np.abs(t), 0, 1)


def _cubic(t: np.ndarray, r: Resampling) -> np.ndarray:
    """Keys, Cubic convolution interpolation for digital image processing, 1981, with the coefficient a"""
    a, t = r.cubic_coefficient, np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


KERNELS = {"linear": (_triangle, 1), "cubic": (_cubic, 2)}  # mode -> kernel and the elements it reaches to either side


def places(r: Resampling) -> np.ndarray:
    """Where along the input each output lies, (outputs,) float32."""
    return COORDINATES[r.coordinates](r, np.arange(r.outputs, dtype=np.float32)).astype(np.float32)


def matrix(r: Resampling) -> np.ndarray:
    """(size, outputs) float32: what each input element gives to each output. Each column sums to 1, or is zero where
    tf_crop_and_resize puts the extrapolation value."""
    where = places(r)
    inside = (where >= 0) & (where <= r.size - 1) if r.coordinates == CROP else np.ones(r.outputs, bool)
    where = np.where(inside, where, 0).astype(np.float64)
    weights = np.zeros((r.size, r.outputs))
    if r.mode == "nearest":
        index = NEAREST[r.nearest](where.astype(np.float32)).astype(np.int64).clip(0, r.size - 1)
        weights[index, np.arange(r.outputs)] = 1
    else:
        kernel, reach = KERNELS[r.mode]
        stretch = min(r.scale, 1.0) if r.antialias else 1.0
        margin = int(np.ceil(reach / stretch + np.abs(where - where.clip(0, r.size - 1)).max())) + 1
        elements = np.arange(-margin, r.size + margin)
        full = kernel((elements[:, None] - where) * stretch, r)
        outside = (elements < 0) | (elements >= r.size)
        if r.exclude_outside:
            full[outside] = 0
        if r.exclude_outside or r.antialias:
            full /= full.sum(0)
        np.add.at(weights, elements.clip(0, r.size - 1), full)
    return np.where(inside, weights, 0).astype(np.float32)
