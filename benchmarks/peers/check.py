"""One artifact: whether it loads, how far it is from PyTorch, what it is made of; one line of JSON.

    python -m benchmarks.peers.check MODEL MATERIAL ARTIFACT

It has a process of its own, since native code may end it.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
from edgeport import TensorSpec, open_session
from edgeport.artifacts.manifest import finite
from edgeport.runtime.compare import compare
from edgeport.runtime.sessions import tflite_verifier
from edgeport.runtime.sessions.tflite import TFLiteSession

from benchmarks.peers.material import INPUT, OUTPUT, Material

NO_WORK = {"Const", "Parameter", "Result"}  # kinds of OpenVINO's layers


class Recorded:
    """A session that knows the answers of PyTorch to the validation inputs, and to nothing else."""

    emulated, threads, load_ms, runtime = False, 1, 0.0, "torch"

    def __init__(self, material: Material):
        with np.load(material.validation) as arrays:
            images, answers = arrays[INPUT], arrays[OUTPUT]
        self.images = [image[None] for image in images]
        self._known = {image.tobytes(): answer[None] for image, answer in zip(images, answers, strict=True)}
        self.inputs = (TensorSpec(INPUT, self.images[0].shape, "float32"),)
        self.outputs = (TensorSpec(OUTPUT, (1, *answers.shape[1:]), "float32"),)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {OUTPUT: self._known[feeds[INPUT].tobytes()]}

    def close(self) -> None:
        pass


def facts(material: Material, artifact: Path) -> dict:
    """All that is told of an artifact but its latency."""
    session, reference = open_session(artifact), Recorded(material)
    agreement = compare(reference, session, ({INPUT: image} for image in reference.images))
    files = [artifact, artifact.with_suffix(".bin")] if artifact.suffix == ".xml" else [artifact]
    known = {"size_bytes": sum(file.stat().st_size for file in files), "ops": operators(artifact)}
    if isinstance(session, TFLiteSession):
        known |= {"partitions": session.delegate_partitions(), "undelegated": len(session.undelegated())}
    return {**known, **finite(asdict(agreement))}


def operators(artifact: Path) -> int:
    """How many operators the file holds; constants are none."""
    if artifact.suffix == ".tflite":
        (graph, *_) = tflite_verifier.verify(artifact.read_bytes()).get(2)
        return len(graph.get(3))
    if artifact.suffix == ".onnx":
        return len(onnx.load(artifact, load_external_data=False).graph.node)
    layers = ElementTree.parse(artifact).getroot().iterfind("layers/layer")
    return sum(layer.attrib["type"] not in NO_WORK for layer in layers)


if __name__ == "__main__":
    model, folder, path = sys.argv[1:]
    print(json.dumps(facts(Material(model, Path(folder)), Path(path))), flush=True)
