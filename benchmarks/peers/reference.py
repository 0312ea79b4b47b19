"""One model's material: weights, ONNX file, calibration and validation inputs, PyTorch's answers.

python -m benchmarks.peers.reference MODEL FOLDER PHOTOGRAPHS
"""

import sys
from pathlib import Path

import edgeport
import numpy as np
import torch
from edgeport import TensorSpec, create_model, get_variant
from edgeport.exporters.onnx.convert import convert
from edgeport.models import redraw
from edgeport.models.preprocess import list_images, load_image, preprocess
from edgeport.pipeline.prepare import to_graph
from edgeport.pipeline.progress import Progress
from edgeport.runtime.sessions.torch import TorchSession

from benchmarks.peers.material import INPUT, OUTPUT, Material

SEED = 0


def write(material: Material, photographs: Path) -> None:
    """Makes all of it; the validation file last, which tells that the rest is there."""
    torch.set_num_threads(1)
    variant, module = get_variant(material.model), create_model(material.model)
    redraw(module, seed=SEED, input_size=variant.input_size)
    torch.save(module.state_dict(), material.weights)
    source = edgeport.load(material.model, weights=str(material.weights))
    material.onnx.write_bytes(convert(to_graph(source, Progress(), {})[1]))

    def pictures(of: str) -> list[np.ndarray]:  # float32 (1, 3, h, w) each
        return [preprocess(load_image(path), variant)[None] for path in list_images(photographs / of)]

    np.savez(material.calibration, image=np.concatenate(pictures("calibration")))
    images = pictures("validation")
    session = TorchSession(module, [TensorSpec(INPUT, images[0].shape, "float32")], (OUTPUT,))
    answers = [session.run({INPUT: image})[OUTPUT] for image in images]
    np.savez(material.validation, image=np.concatenate(images), logits=np.concatenate(answers))


if __name__ == "__main__":
    name, folder, where = sys.argv[1:]
    write(Material(name, Path(folder)), Path(where))
