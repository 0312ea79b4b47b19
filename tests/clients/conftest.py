"""Small artifacts as an app would take them, made once, and crops of their inputs' size."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edgeport
import numpy as np
import pytest
from demo import photograph
from PIL import Image

MODEL, SIZE = "mobilenetv2_test", 64
LABELS = [f"class {i}" for i in range(10)]
EVENLY = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}  # each colour alike
# name: (target, options of edgeport.export)
EXPORTS: dict[str, tuple[str, dict[str, Any]]] = {
    "float": ("tflite", {"softmax": True, "labels": LABELS, "preprocess": EVENLY}),
    "pixels": ("tflite", {"softmax": True, "labels": LABELS, "input": "uint8"}),
    "int8": ("tflite", {"precision": "int8", "softmax": True, "labels": LABELS, "input": "uint8"}),
    "uint8 ends": (
        "tflite",
        {
            "precision": "int8",
            "profile": "npu",
            "softmax": True,
            "labels": LABELS,
            "input": "uint8",
            "output_type": "uint8",
        },
    ),
    "unlabelled": ("tflite", {"input": "uint8"}),
    "embedding": ("tflite", {"input": "uint8", "num_classes": 0}),
    "per colour": ("tflite", {"softmax": True, "labels": LABELS}),
    "int8 ends": ("tflite", {"precision": "int8", "profile": "npu", "labels": LABELS}),
    "top": ("tflite", {"softmax": True, "top_k": 3, "labels": LABELS, "input": "uint8"}),
    "nchw": ("tflite", {"input_layout": "nchw", "preprocess": EVENLY}),
    "openvino float": ("openvino", {"softmax": True, "labels": LABELS}),
    "openvino pixels": ("openvino", {"softmax": True, "labels": LABELS, "input": "uint8"}),
    "openvino int8": ("openvino", {"precision": "int8", "softmax": True, "labels": LABELS, "input": "uint8"}),
}


@dataclass(frozen=True)
class Artifacts:
    """The artifacts by their names in EXPORTS, and what edgeport's own session answers to the crops."""

    folder: Path
    crops: np.ndarray  # uint8 (n, h, w, 3)
    crops_file: Path

    def path(self, name: str) -> Path:
        """Of an artifact; it is made where it is not there yet."""
        place = self.folder / name.replace(" ", "_")
        made = list(place.rglob("*.json"))
        if made:
            return made[0].with_suffix("")
        target, options = EXPORTS[name]
        shared = {"weights": "random", "validate": False, "benchmark": False, "effort": "fast", "output_dir": place}
        return edgeport.export(MODEL, target, **(shared | options)).path

    def answers(self, name: str) -> np.ndarray:
        """The first output for each crop, (n, width)."""
        session = edgeport.open_session(self.path(name))
        (taken,) = session.inputs
        answers = []
        for crop in self.crops:
            image = crop.transpose(2, 0, 1)[None]
            if taken.dtype == "float32":
                how = edgeport.info(self.path(name))["manifest"]["inputs"][0]
                mean, std = (np.reshape(how[key], (3, 1, 1)) for key in ("mean", "std"))
                image = ((image / 255 - mean) / std).astype(np.float32)
            answers.append(session.run({taken.name: np.ascontiguousarray(image)})[session.outputs[0].name][0])
        session.close()
        return np.stack(answers)


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory) -> Artifacts:
    folder = tmp_path_factory.mktemp("clients")
    crops = [photograph(name).resize((SIZE, SIZE), Image.Resampling.BICUBIC) for name in ("china", "coffee", "rocket")]
    crops = np.stack([np.asarray(crop.convert("RGB")) for crop in crops])
    np.save(folder / "crops.npy", crops)
    return Artifacts(folder, crops, folder / "crops.npy")
