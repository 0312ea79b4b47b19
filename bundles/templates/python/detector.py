"""An image in, boxes out: what an app calls. Needs numpy and the runtime of the model's format."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from detection import decode, to_image
from model_runtime import open_model
from preprocess import Preprocessing, upright

BUNDLE = Path(__file__).resolve().parents[1]


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


class Detector:
    """The model of this bundle, on the CPU."""

    def __init__(self, bundle: Path = BUNDLE, threads: int = 1):
        self.facts = json.loads((bundle / "bundle.json").read_text("utf-8"))
        self.preprocessing = Preprocessing(**self.facts["preprocessing"])
        self.how = self.facts["detection"]
        self._run = open_model(bundle / "model" / self.facts["artifact"], threads)
        labels = bundle / "model" / "labels.txt"
        self.labels = labels.read_text("utf-8").removesuffix("\n").split("\n") if labels.exists() else []

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """(h, w, 3) uint8, RGB, upright -> {output: array}."""
        return self._run(self.preprocessing.tensor(self.preprocessing.pixels(image)))

    def rows(self, outputs: dict[str, np.ndarray], height: int, width: int, least: float) -> np.ndarray:
        """(n, 6): left, top, right, bottom in pixels of the image, score, class; of scores from `least` on."""
        rows = decode(outputs, self.how, (self.preprocessing.height, self.preprocessing.width))
        return to_image(rows[rows[:, 4] >= least], height, width, self.preprocessing)

    def detect(self, image: np.ndarray, score_threshold: float | None = None, orientation: int = 1) -> list[Detection]:
        """The objects, the highest score first; `orientation` is EXIF's, 1 for an upright image."""
        image = upright(image, orientation)
        least = self.how["score_threshold"] if score_threshold is None else score_threshold
        found = []
        for *sides, score, number in self.rows(self.run(image), *image.shape[:2], least).tolist():
            label = self.labels[int(number)] if 0 <= number < len(self.labels) else ""
            found.append(Detection(int(number), label, score, *sides))
        return found
