"""The model of this bundle, with what is known of it: what the wrapper of every task begins with."""

import json
from pathlib import Path

import numpy as np
from model_runtime import open_model
from preprocess import Preprocessing

BUNDLE = Path(__file__).resolve().parents[1]


class VisionModel:
    """The model, on the CPU.

    Attributes:
        facts: bundle.json.
        preprocessing: how an image becomes the input.
        decoding: what it depends on how outputs become an answer.
        labels: the names of classes or characters; empty where the model came without.
    """

    def __init__(self, bundle: Path = BUNDLE, threads: int = 1):
        self.facts = json.loads((bundle / "bundle.json").read_text("utf-8"))
        self.preprocessing = Preprocessing(**self.facts["preprocessing"])
        self.decoding = self.facts["decoding"]
        self._run = open_model(bundle / "model" / self.facts["artifact"], threads)
        labels = bundle / "model" / "labels.txt"
        self.labels = labels.read_bytes().decode().removesuffix("\n").split("\n") if labels.exists() else []

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """(h, w, 3) uint8, RGB, upright -> {output: array}."""
        return self._run(self.preprocessing.tensor(self.preprocessing.pixels(image)))

    def outputs(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """The same of the outputs that the answer comes from: {what it is to the task: its numbers, in one row}."""
        given = self.run(image)
        return {each["role"]: given[each["name"]].reshape(-1) for each in self.facts["outputs"]}

    def label(self, index: int) -> str:
        """The name of a class, "" where it has none."""
        return self.labels[index] if 0 <= index < len(self.labels) else ""

    def numbers(self, outputs: dict[str, np.ndarray], height: int, width: int) -> np.ndarray:
        """The answer for an image of that size as golden files have it, in one row."""
        raise NotImplementedError
