"""An image in, classes out: what an app calls. Needs numpy and the runtime of the model's format."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from preprocess import Preprocessing, top

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
        self._run = next(opener for ending, opener in OPENERS.items() if path.name.endswith(ending))(path, threads)
        labels = bundle / "model" / "labels.txt"
        self.labels = labels.read_text("utf-8").splitlines() if labels.exists() else []

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """(h, w, 3) uint8, RGB, upright -> {output: array}."""
        return self._run(self.preprocessing.tensor(self.preprocessing.pixels(image)))

    def classify(self, image: np.ndarray, count: int = 5) -> list[Class]:
        """The best classes, best first."""
        scores = self.run(image)[self.facts["scores"]].reshape(-1)
        return [Class(i, self.labels[i] if self.labels else "", score) for i, score in top(scores, count)]


def _tflite(path: Path, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    runner = interpreter.get_signature_runner()
    (name,) = runner.get_input_details()
    return lambda tensor: runner(**{name: tensor})


def _onnx(path: Path, threads: int) -> Any:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else it sends the names of models to its makers
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    name = session.get_inputs()[0].name
    return lambda tensor: dict(zip(outputs, session.run(outputs, {name: tensor}), strict=True))


def _openvino(path: Path, threads: int) -> Any:
    import openvino

    (xml,) = path.glob("*.xml")
    config = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(xml, "CPU", config)
    return lambda tensor: {output.get_any_name(): array for output, array in model([tensor]).items()}


OPENERS = {".tflite": _tflite, ".onnx": _onnx, "_openvino_model": _openvino}
