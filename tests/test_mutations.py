"""A short fixed sample of what mutations.py damages; `make test-all` takes all of it."""

import pytest
from mutations import COUNTS, TROUBLE

FEW = {"manifests": 60, "tflite": 6, "onnx": 6}


@pytest.mark.parametrize("kind", FEW)
def test_damaged_files(kind):
    found = {seed: TROUBLE[kind](seed) for seed in range(FEW[kind])}
    assert not {seed: trouble for seed, trouble in found.items() if trouble}


def test_what_was_no_sentence_once():
    """An input of 2^40 rows."""
    assert TROUBLE["onnx"](56) is None


@pytest.mark.exhaustive
@pytest.mark.parametrize(("kind", "first"), [(kind, first) for kind in COUNTS for first in range(0, COUNTS[kind], 100)])
def test_all_damaged_files(kind, first):
    found = {seed: TROUBLE[kind](seed) for seed in range(first, min(first + 100, COUNTS[kind]))}
    assert not {seed: trouble for seed, trouble in found.items() if trouble}
