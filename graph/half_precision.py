"""Decide which constants of an fp16 artifact are stored as float16; what is computed in stays float32."""

from __future__ import annotations

import numpy as np

# Smaller constants stay float32: they hold 1-3 % of a model's bytes and, with the first layers and the biases among
# them, most of the harm (a MobileNetV2: 42 dB with all of them in half precision, 55 dB without these).
HALF_FROM = 4096  # elements
_LARGEST = float(np.finfo(np.float16).max)
_NORMAL_LOSS = 2.0**-10  # of the norm; numbers that have all of float16's bits lose 2**-12


def halved(array: np.ndarray) -> np.ndarray | None:
    """float32 -> float16; None for what is small, of another type, or outside float16's range at either end."""
    if array.dtype != np.float32 or array.size < HALF_FROM or np.abs(array).max() > _LARGEST or loses_much(array):
        return None
    return array.astype(np.float16)


def loses_much(array: np.ndarray) -> bool:
    """Whether float16 holds the float32 numbers worse than it holds others: they are too small for all of its bits."""
    if not array.size or np.abs(array).max() > _LARGEST:
        return False
    scale = float(np.abs(array).max()) or 1.0
    lost = (array.astype(np.float16).astype(np.float64) - array) / scale
    return bool(np.linalg.norm(lost) > _NORMAL_LOSS * np.linalg.norm(array / scale))
