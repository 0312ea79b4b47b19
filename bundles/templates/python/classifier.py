"""An image in, classes out: what an app calls. Needs numpy and the runtime of the model's format."""

from dataclasses import dataclass

import numpy as np
from classification import top
from preprocess import upright
from vision_model import VisionModel


@dataclass(frozen=True)
class Class:
    """A class and its score, as the model gives it: a probability, or a logit. `label` is "" where there are none."""

    index: int
    label: str
    score: float


class Classifier(VisionModel):
    """The model of this bundle."""

    def classify(self, image: np.ndarray, count: int = 5, orientation: int = 1) -> list[Class]:
        """The best classes, best first; `orientation` is EXIF's, 1 for an upright image."""
        scores = self.outputs(upright(image, orientation))["scores"]
        return [Class(i, self.label(i), score) for i, score in top(scores, count)]

    def numbers(self, outputs: dict[str, np.ndarray], height: int, width: int) -> np.ndarray:
        return np.array(top(outputs["scores"], 5)).reshape(-1)
