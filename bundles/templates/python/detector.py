"""An image in, boxes out: what an app calls. Needs numpy and the runtime of the model's format."""

from dataclasses import dataclass

import numpy as np
from detection import decode, to_image
from preprocess import upright
from vision_model import VisionModel


@dataclass(frozen=True)
class Detection:
    """An object. `label` is "" where the model came without labels; the sides are in pixels of the upright image."""

    index: int
    label: str
    score: float
    left: float
    top: float
    right: float
    bottom: float


class Detector(VisionModel):
    """The model of this bundle."""

    def detect(self, image: np.ndarray, score_threshold: float | None = None, orientation: int = 1) -> list[Detection]:
        """The objects, the highest score first; `orientation` is EXIF's, 1 for an upright image."""
        image = upright(image, orientation)
        height, width = image.shape[:2]
        least = self.decoding["score_threshold"] if score_threshold is None else score_threshold
        found = []
        for *sides, score, number in self.rows(self.outputs(image), height, width, least).tolist():
            found.append(Detection(int(number), self.label(int(number)), score, *sides))
        return found

    def rows(self, outputs: dict[str, np.ndarray], height: int, width: int, least: float) -> np.ndarray:
        """(n, 6): left, top, right, bottom in pixels of the image, score, class; of scores from `least` on."""
        how = self.preprocessing
        rows = decode(outputs, self.decoding, (how.height, how.width))
        return to_image(rows[rows[:, 4] >= least], how.placement(height, width))

    def numbers(self, outputs: dict[str, np.ndarray], height: int, width: int) -> np.ndarray:
        return self.rows(outputs, height, width, self.decoding["score_threshold"]).reshape(-1)
