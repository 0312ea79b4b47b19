"""Look inside an artifact of any format: its integers, their scales, any of its values.

Values are named as in the graph that was lowered; each format's file knows what became of a name.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

import numpy as np

from ...graph.qparams import QParams
from ..session import TensorSpec


class Inspector(Protocol):
    """What is inside an artifact.

    Attributes:
        encodings: of every value that is stored in integers; as VALUE_int8 or VALUE_int16 of one that is requantised
            for units of the other type.
        integer: the values that an integer kernel computes.
        weights: what a layer's 8-bit weight stands for, by the value that the layer computes: float32, the output
            channel first, whose order of dimensions is otherwise ONNX's.
        biases: likewise its 32-bit bias, (channels,), by the value that adding it makes.
    """

    inputs: tuple[TensorSpec, ...]

    @property
    def encodings(self) -> Mapping[str, QParams]: ...

    @property
    def integer(self) -> Collection[str]: ...

    @property
    def weights(self) -> Mapping[str, np.ndarray]: ...

    @property
    def biases(self) -> Mapping[str, np.ndarray]: ...

    def run(self, feeds: Mapping[str, np.ndarray], names: Collection[str]) -> dict[str, np.ndarray]:
        """{input name: float32 NCHW array} -> {name: float32 array} of those of `names` that the artifact computes.

        Integers come as the numbers that they stand for. A dimension stands where it stands in the file.
        """
        ...

    def close(self) -> None:
        """Frees the native memory."""
        ...


def real(integers: np.ndarray, scales: np.ndarray, zero_points: np.ndarray | int, axis: int = 0) -> np.ndarray:
    """What integers stand for, float32; of several scales each is one slice's of `axis`."""

    def along(numbers: np.ndarray) -> np.ndarray:
        return numbers.reshape([-1 if a == axis else 1 for a in range(integers.ndim)]) if numbers.size > 1 else numbers

    steps = integers.astype(np.float64) - along(np.asarray(zero_points, np.float64).reshape(-1))
    return (steps * along(np.asarray(scales, np.float64).reshape(-1))).reshape(integers.shape).astype(np.float32)
