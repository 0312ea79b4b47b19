"""Families without a reference to install have the tensors of the authors' checkpoints, which manifests/ lists."""

import json
from pathlib import Path

import pytest
import torch
from edgeport.models import create_model

MANIFESTS = {
    name: tensors
    for path in sorted((Path(__file__).parent / "manifests").glob("*.json"))
    for name, tensors in json.loads(path.read_text(encoding="utf-8")).items()
}
COUNTS = {  # learnable scalars of the authors' models
    "pvt_tiny": 13_229_288,
    "pvt_small": 24_485_864,
    "pvt_medium": 44_208_104,
    "pvt_large": 61_369_320,
    "pvt_huge_v2": 304_945_512,
    "cvt_13": 19_997_480,
    "cvt_21": 31_622_696,
    "cvt_w24": 277_196_392,
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_names_and_shapes(name):
    with torch.device("meta"):
        tensors = create_model(name).state_dict()
    assert {key: list(tensor.shape) for key, tensor in tensors.items()} == MANIFESTS[name]


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_count(name, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in create_model(name).parameters()) == count
