"""One model's material: weights, ONNX file, calibration and validation inputs, PyTorch's answers.

python -m benchmarks.peers.reference MODEL FOLDER PHOTOGRAPHS
"""

import sys
from pathlib import Path

import numpy as np
import torch
from edgeport.cli.console import Console
from edgeport.cli.inputs import open_inputs
from edgeport.cli.preparation import to_graph
from edgeport.cli.reference import reference
from edgeport.cli.subject import load_subject
from edgeport.exporters.onnx_file import convert

from .material import INPUT, OUTPUT, Material

SEED = 0


def write(material: Material, photographs: Path) -> None:
    """Makes all of it; the validation file last, which tells that the rest is there."""
    console = Console(quiet=True)
    subject = load_subject(material.model, console, weights="random", seed=SEED)
    torch.save(subject.module.state_dict(), material.weights)
    material.onnx.write_bytes(convert(to_graph(subject, console, {})))
    calibration = open_inputs(str(photographs / "calibration"), subject.preprocess)
    np.savez(material.calibration, image=np.concatenate(list(calibration)))
    images = list(open_inputs(str(photographs / "validation"), subject.preprocess))
    module = reference(subject)
    logits = [module.run({INPUT: image})[OUTPUT] for image in images]
    np.savez(material.validation, image=np.concatenate(images), logits=np.concatenate(logits))


if __name__ == "__main__":
    name, folder, pictures = sys.argv[1:]
    write(Material(name, Path(folder)), Path(pictures))
