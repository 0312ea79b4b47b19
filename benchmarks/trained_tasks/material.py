"""A trained network's material: pictures of its scenes, its ONNX file, calibration inputs, a few validation inputs.

python -m benchmarks.trained_tasks.material TASK FOLDER

FOLDER holds the weights; the file of validation inputs is written last, and tells that the rest is there.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import edgeport
import numpy as np
import torch
from edgeport.exporters.onnx.convert import convert
from edgeport.pipeline.prepare import to_graph
from edgeport.pipeline.progress import Progress
from PIL import Image

from benchmarks.peers.material import Material
from benchmarks.trained_tasks import scenes
from benchmarks.trained_tasks.networks import MEAN, SIDES, STD, create, model_name

COUNTS = {"calibration": 300, "test": 400}
TIMED = 4  # inputs that artifacts are timed with
PREPROCESS = {"scale": "1/255", "mean": 0.5, "std": 0.5, "color": "rgb", "resize": "stretch"}


def material_of(task: str, folder: Path) -> Material:
    """Where it lies: all that belongs to a task is in one folder."""
    return Material(model_name(task), folder)


def load_network(task: str, weights: Path) -> torch.nn.Module:
    """The trained network, in eval mode."""
    module = create(task)
    module.load_state_dict(torch.load(weights, weights_only=True))
    return module.eval()


def source(task: str, weights: Path) -> edgeport.ModelSource:
    """What edgeport starts from: the module, and how a picture becomes its input."""
    side = SIDES[task]
    return edgeport.load(load_network(task, weights), input_shape=(3, side, side), preprocess=PREPROCESS, name=task)


def to_input(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> float32 (1, 3, h, w) in -1..1."""
    return np.ascontiguousarray((pixels.astype(np.float32).transpose(2, 0, 1)[None] - MEAN) / STD, np.float32)


def write_pictures(folder: Path, shown: Sequence[np.ndarray]) -> None:
    """As PNG files, all at once."""
    staged = folder.with_suffix(".tmp")
    staged.mkdir(parents=True, exist_ok=True)
    for i, pixels in enumerate(shown):
        Image.fromarray(pixels).save(staged / f"{i:04}.png")
    staged.rename(folder)


def write(task: str, material: Material) -> None:
    """Makes what is said above of the weights in the folder."""
    torch.set_num_threads(1)
    inputs = {}
    for split in COUNTS:
        shown = [pixels for pixels, _ in scenes.pictures(task, split, COUNTS[split])]
        inputs[split] = np.concatenate([to_input(pixels) for pixels in shown])
        if not (material.folder / split).exists():
            write_pictures(material.folder / split, shown)
    material.onnx.write_bytes(convert(to_graph(source(task, material.weights), Progress(), {})[1]))
    np.savez(material.calibration, image=inputs["calibration"])
    few = inputs["test"][:TIMED]
    with torch.inference_mode():
        answers = load_network(task, material.weights)(torch.from_numpy(few)).numpy()
    whole = material.validation.with_suffix(".tmp.npz")
    np.savez(whole, image=few, logits=answers)
    os.replace(whole, material.validation)


if __name__ == "__main__":
    name, where = sys.argv[1:]
    write(name, material_of(name, Path(where)))
