"""Models without an installable reference have the parameter names, shapes and counts of the checkpoints people hold.

manifests/<family>.json holds, for each variant, the reference's names and shapes; "unit{2..5}" stands for unit2 to
unit5. The family's file says whose names they are.
"""

import json
import math
import re
from pathlib import Path

import pytest
import torch
from edgeport.models import create_model, get_variant

FILES = sorted(Path(__file__).with_name("manifests").glob("*.json"))
MANIFESTS = {name: tensors for file in FILES for name, tensors in json.loads(file.read_text("utf-8")).items()}
COUNTER, STATISTICS = "num_batches_tracked", ("running_mean", "running_var")


def expanded(tensors):
    for key, shape in tensors.items():
        if span := re.search(r"\{(\d+)\.\.(\d+)\}", key):
            for i in range(int(span[1]), int(span[2]) + 1):
                yield key.replace(span[0], str(i)), tuple(shape)
        else:
            yield key, tuple(shape)


@pytest.mark.parametrize("name", MANIFESTS)
def test_keys_shapes_and_count(name):
    theirs = {key: shape for key, shape in expanded(MANIFESTS[name]) if not key.endswith(COUNTER)}
    with torch.device("meta"):
        tensors = create_model(name).state_dict()
    assert {key: tuple(t.shape) for key, t in tensors.items() if not key.endswith(COUNTER)} == theirs
    learnt = (math.prod(shape) for key, shape in theirs.items() if not key.endswith(STATISTICS))
    assert get_variant(name).params == sum(learnt)
