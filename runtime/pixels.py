"""Pixels from 0 to 255 and normalised arrays, one from the other."""

from collections.abc import Mapping

import numpy as np

from ..models import PreprocessSpec


def to_pixels(array: np.ndarray, preprocess: PreprocessSpec) -> np.ndarray:
    """Normalised (n, c, h, w) -> the nearest pixels, RGB or luminance, float32 whole numbers from 0 to 255."""
    mean, std = _per_channel(preprocess)
    return _reordered(
        np.clip(np.rint((array * std + mean) * preprocess.divisor), 0, 255).astype(np.float32), preprocess
    )


def all_to_pixels(feeds: Mapping[str, np.ndarray], preprocess: PreprocessSpec) -> dict[str, np.ndarray]:
    """The same of every input."""
    return {name: to_pixels(array, preprocess) for name, array in feeds.items()}


def from_pixels(pixels: np.ndarray, preprocess: PreprocessSpec) -> np.ndarray:
    """Pixels from 0 to 255, (n, c, h, w), RGB or luminance -> normalised, float32."""
    mean, std = _per_channel(preprocess)
    return ((_reordered(pixels, preprocess) / preprocess.divisor - mean) / std).astype(np.float32)


def _reordered(array: np.ndarray, preprocess: PreprocessSpec) -> np.ndarray:
    """RGB as the model's order of channels has it, and the other way round."""
    return np.ascontiguousarray(array[:, ::-1]) if preprocess.color == "bgr" else array


def _per_channel(preprocess: PreprocessSpec) -> tuple[np.ndarray, np.ndarray]:
    mean, std = (np.reshape(values, (1, -1, 1, 1)) for values in (preprocess.mean, preprocess.std))
    return mean, std
