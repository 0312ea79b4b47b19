"""Models without an installable reference have the parameter names, shapes and counts of the checkpoints people hold.

manifests/<family>.json holds them, as read from the reference; "unit{2..5}" stands for unit2 to unit5.
"""

import json
import re
from pathlib import Path

import pytest
import torch
from edgeport.models import create_model, get_variant

FILES = sorted(Path(__file__).with_name("manifests").glob("*.json"))
VARIANTS = {name: its for file in FILES for name, its in json.loads(file.read_text())["variants"].items()}


def expand(tensors):
    for key, shape in tensors.items():
        if span := re.search(r"\{(\d+)\.\.(\d+)\}", key):
            for i in range(int(span[1]), int(span[2]) + 1):
                yield key.replace(span[0], str(i)), tuple(shape)
        else:
            yield key, tuple(shape)


@pytest.mark.parametrize("name", VARIANTS)
def test_keys_shapes_and_count(name):
    with torch.device("meta"):
        tensors = create_model(name).state_dict()
    ours = {k: tuple(v.shape) for k, v in tensors.items() if not k.endswith("num_batches_tracked")}
    assert ours == dict(expand(VARIANTS[name]["tensors"]))
    assert get_variant(name).params == VARIANTS[name]["params"]
