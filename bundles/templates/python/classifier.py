"""An image in, classes out: what an app calls. Needs numpy and the runtime of the model's format."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from model_runtime import open_model
from preprocess import Preprocessing, top, upright

BUNDLE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Class:
    """A class and its score, as the model gives it: a probability, or a logit. `label` is "" where there are none."""

    index: int
    label: str
    score: float


class Classifier:
    """The model of this bundle, on the CPU."""

    def __init__(self, bundle: Path = BUNDLE, threads: int = 1):
        self.facts = json.loads((bundle / "bundle.json").read_text("utf-8"))
        self.preprocessing = Preprocessing(**self.facts["preprocessing"])
        path = bundle / "model" / self.facts["artifact"]
        self._run = open_model(path, threads)
        labels = bundle / "model" / "labels.txt"
        self.labels = labels.read_text("utf-8").removesuffix("\n").split("\n") if labels.exists() else []

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """(h, w, 3) uint8, RGB, upright -> {output: array}."""
        return self._run(self.preprocessing.tensor(self.preprocessing.pixels(image)))

    def classify(self, image: np.ndarray, count: int = 5, orientation: int = 1) -> list[Class]:
        """The best classes, best first; `orientation` is EXIF's, 1 for an upright image."""
        scores = self.run(upright(image, orientation))[self.facts["scores"]].reshape(-1)
        return [Class(i, self.labels[i] if self.labels else "", score) for i, score in top(scores, count)]
