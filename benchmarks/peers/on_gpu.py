"""One .tflite on LiteRT's GPU: what it takes, and how far that is from PyTorch and from the CPU; a line of JSON.

python -m benchmarks.peers.on_gpu MODEL MATERIAL ARTIFACT
"""

import json
import sys
from contextlib import closing
from pathlib import Path

from edgeport import Session, open_session
from edgeport.artifacts.manifest import finite
from edgeport.runtime.compare import compare

from benchmarks.peers.check import Recorded
from benchmarks.peers.material import Material

IMAGES = 2  # a GPU in software takes its time


def facts(material: Material, artifact: Path) -> dict:
    """What is told of an artifact on the GPU."""
    torch, cpu = Recorded(material), open_session(artifact)
    known: dict = {}
    for precision in ("fp32", "fp16"):
        gpu = open_session(artifact, accelerator="gpu", accelerator_precision=precision)
        with closing(gpu):
            residency = gpu.residency
            known |= {key: getattr(residency, key) for key in ("device", "operators", "accelerated", "partitions")}
            known[precision] = {"cpu_db": distance_db(cpu, gpu, torch), "torch_db": distance_db(torch, gpu, torch)}
    return finite(known)


def distance_db(reference: Session, session: Session, images: Recorded) -> float | None:
    """10 log10(sum reference^2 / sum difference^2) over a few images; None where it is no number."""
    (taken,) = reference.inputs
    return compare(reference, session, ({taken.name: image} for image in images.images[:IMAGES])).snr_db


if __name__ == "__main__":
    model, folder, path = sys.argv[1:]
    print(json.dumps(facts(Material(model, Path(folder)), Path(path))), flush=True)
