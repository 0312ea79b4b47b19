"""Say where a model's material lies: what a conversion starts from and is held against.

It is imported in the environments of the peers, so it needs numpy alone, and that late.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

INPUT, OUTPUT = "image", "logits"


@dataclass(frozen=True)
class Material:
    """The files of one model in `folder`."""

    model: str
    folder: Path

    @property
    def weights(self) -> Path:
        """The PyTorch state dict."""
        return self.folder / "weights.pt"

    @property
    def onnx(self) -> Path:
        """The canonical float graph, as `edgeport export --target onnx` writes it."""
        return self.folder / "model.onnx"

    @property
    def calibration(self) -> Path:
        """INPUT: float32 (n, 3, h, w), preprocessed."""
        return self.folder / "calibration.npz"

    @property
    def validation(self) -> Path:
        """INPUT as in `calibration`, of other photographs; OUTPUT: PyTorch's answer, float32 (n, classes)."""
        return self.folder / "validation.npz"

    def calibration_rows(self) -> "list[np.ndarray]":
        """The calibration inputs, float32 (1, 3, h, w) each."""
        import numpy as np

        with np.load(self.calibration) as arrays:
            return [row[None] for row in arrays[INPUT]]


ENDINGS = {"tflite": ".tflite", "openvino": ".xml", "onnx": ".onnx"}


@dataclass(frozen=True)
class Request:
    """One conversion: `format` is a key of ENDINGS, `precision` "fp32" or "int8"; all files go to `folder`."""

    material: Material
    format: str
    precision: str
    folder: Path

    @property
    def artifact(self) -> Path:
        """A name for the artifact, for converters that leave it to their user."""
        return self.folder / f"{self.material.model}_{self.precision}{ENDINGS[self.format]}"
