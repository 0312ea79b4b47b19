"""Decide which constants of an fp16 artifact are stored as float16; what is computed in stays float32."""

from __future__ import annotations

import numpy as np

# Smaller constants stay float32: they hold 1-3 % of a model's bytes and, with the first layers and the biases among
# them, most of the harm (a MobileNetV2: 42 dB with all of them in half precision, 55 dB without these).
HALF_FROM = 4096  # elements
_LARGEST = float(np.finfo(np.float16).max)


def halved(array: np.ndarray) -> np.ndarray | None:
    """float32 -> float16; None for what is small, of another type, or beyond float16's range."""
    if array.dtype != np.float32 or array.size < HALF_FROM or np.abs(array).max() > _LARGEST:
        return None
    return array.astype(np.float16)
