"""An artifact of a trained network on the test crops, beside PyTorch; one line of JSON.

python -m benchmarks.trained.score NETWORK FOLDER ARTIFACT
"""

import json
import sys
from pathlib import Path

import numpy as np
from edgeport import open_session
from edgeport.quantize.mixed_precision.goals import snr_db
from edgeport.runtime.compare_samples import compare_samples

from benchmarks.peers.check import Recorded
from benchmarks.peers.material import INPUT, OUTPUT, Material
from benchmarks.trained.networks import model_name
from benchmarks.trained.reference import LABELS


def facts(material: Material, artifact: Path) -> dict:
    """What the artifact loses.

    images: how many; float_top1: PyTorch's share of right answers; drop: that less the artifact's; drop_error: its
    standard error, from the pairs; agreement: share with PyTorch's highest class; snr_db of the logits.
    """
    with np.load(material.validation) as arrays:
        answers, labels = arrays[OUTPUT], arrays[LABELS]
    recorded, session = Recorded(material), open_session(artifact)
    made = compare_samples(recorded, session, ({INPUT: image} for image in recorded.images), list(labels))
    assert made.lost is not None
    assert made.agree is not None
    return {
        "images": len(labels),
        "float_top1": float((answers.argmax(1) == labels).mean()),
        "drop": float(made.lost.mean()),
        "drop_error": float(made.lost.std() / len(labels) ** 0.5),
        "agreement": float(made.agree.mean()),
        "snr_db": float(snr_db(made)[0]),
    }


if __name__ == "__main__":
    network, folder, path = sys.argv[1:]
    print(json.dumps(facts(Material(model_name(network), Path(folder)), Path(path))), flush=True)
