"""A trained network's material: its ONNX file, calibration and test inputs, PyTorch's answers to these, true classes.

python -m benchmarks.trained.reference NETWORK FOLDER

FOLDER holds the weights; the file of test inputs is written last, and tells that the rest is there.
"""

import os
import sys
from pathlib import Path

import edgeport
import numpy as np
import torch
from edgeport.exporters.onnx.convert import convert
from edgeport.models import get_variant, load_weights
from edgeport.models.preprocess import preprocess
from edgeport.pipeline.prepare import to_graph
from edgeport.pipeline.progress import Progress
from PIL import Image

from benchmarks.peers.material import Material
from benchmarks.trained import photographs
from benchmarks.trained.networks import create_network, model_name

LABELS = "labels"  # int64 (n,), beside material.INPUT and OUTPUT


def write(network: str, folder: Path) -> None:
    """Makes what is said above of the weights in `folder`."""
    torch.set_num_threads(1)
    material = Material(model_name(network), folder)
    source = edgeport.load(material.model, weights=str(material.weights))
    material.onnx.write_bytes(convert(to_graph(source, Progress(), {})[1]))
    images, _ = inputs(network, "calibration")
    np.savez(material.calibration, image=images)
    images, labels = inputs(network, "test")
    module = create_network(network)
    load_weights(module, material.weights)
    with torch.inference_mode():
        answers = torch.cat([module(part) for part in torch.from_numpy(images).split(100)]).numpy()
    whole = material.validation.with_suffix(".tmp.npz")
    np.savez(whole, image=images, logits=answers, labels=labels)
    os.replace(whole, material.validation)


def write_draw(network: str, folder: Path, draw: int) -> Material:
    """Another draw of calibration crops, in a folder beside the material in `folder`, which it shares the rest with."""
    first, other = (Material(model_name(network), each) for each in (folder, folder / f"draw_{draw}"))
    other.folder.mkdir(exist_ok=True)
    for name in ("weights", "onnx", "validation"):
        link, to = getattr(other, name), getattr(first, name)
        if not link.exists():
            link.symlink_to(to.resolve())
    if not other.calibration.exists():
        images, _ = inputs(network, "calibration", draw)
        np.savez(other.calibration, image=images)
    return other


def inputs(network: str, split: str, draw: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(float32 (n, 3, h, w), int64 (n,)): what the network gets for the crops of a split, and their classes."""
    variant = get_variant(model_name(network))
    pairs = list(photographs.crops(split, draw))
    images = np.stack([preprocess(Image.fromarray(pixels), variant) for pixels, _ in pairs])
    return images, np.array([label for _, label in pairs])


if __name__ == "__main__":
    name, where = sys.argv[1:]
    write(name, Path(where))
