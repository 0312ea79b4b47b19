"""An image in, keypoints out: what an app calls. Needs numpy and the runtime of the model's format."""

from dataclasses import dataclass

import numpy as np
from keypoints import decode
from preprocess import upright
from vision_model import VisionModel


@dataclass(frozen=True)
class Keypoint:
    """A place in pixels of the upright image. `label` is "" where the model came without labels."""

    index: int
    label: str
    score: float
    x: float
    y: float


class KeypointDetector(VisionModel):
    """The model of this bundle."""

    def detect(self, image: np.ndarray, score_threshold: float | None = None, orientation: int = 1) -> list[Keypoint]:
        """The keypoints of scores from the threshold on; `orientation` is EXIF's, 1 for an upright image."""
        image = upright(image, orientation)
        least = self.decoding["score_threshold"] if score_threshold is None else score_threshold
        rows = self.rows(self.outputs(image), *image.shape[:2]).tolist()
        return [Keypoint(i, self.label(i), score, x, y) for i, (x, y, score) in enumerate(rows) if score >= least]

    def rows(self, outputs: dict[str, np.ndarray], height: int, width: int) -> np.ndarray:
        """(k, 3): x and y in pixels of the image of that size, score, of all keypoints."""
        how = self.preprocessing
        found = decode(outputs, self.decoding, how.height, how.width)
        return np.column_stack([how.placement(height, width).to_image(found[:, :2].astype(np.float64)), found[:, 2]])

    def numbers(self, outputs: dict[str, np.ndarray], height: int, width: int) -> np.ndarray:
        return self.rows(outputs, height, width).reshape(-1)
