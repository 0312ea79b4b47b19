"""The form of an operator's case, and the arrays that cases share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mil_packages import mb


@dataclass(frozen=True)
class Case:
    op: str
    emit: Callable[..., Any]  # of the inputs as MIL values
    inputs: tuple[np.ndarray, ...]
    expected: Callable[..., Any]  # of the inputs as torch tensors
    target: str = "iOS17"

    def __str__(self) -> str:
        return self.op


def call(name: str, expected: Callable[..., Any], *inputs: np.ndarray, target: str = "iOS17", **options: Any) -> Case:
    """An operator whose first parameter is x and the rest constants."""
    inputs = inputs or (X,)
    return Case(name, lambda a: getattr(mb, name)(x=a, **options), inputs, expected, target)


def real(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    return np.random.default_rng(len(shape)).uniform(low, high, shape).astype(np.float32)


def whole(*shape: int, low: int = -5, high: int = 6) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(low, high, shape).astype(np.int32)


X, Y = real(2, 3, 4), real(2, 3, 4)[::-1].copy()
IMAGE = real(2, 4, 7, 6)
WEIGHT, BIAS = real(6, 4, 3, 2), real(6)
PLACES = np.array([[0, 2], [1, 1]], np.int32)
