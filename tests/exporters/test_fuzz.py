"""A short fixed sample of what fuzz.py draws; `python tests/exporters/fuzz.py --seconds N` goes on."""

import pytest
from fuzz import file_trouble, graph_trouble


@pytest.mark.parametrize("seed", range(25))
def test_random_graph(seed):
    assert graph_trouble(seed) is None


@pytest.mark.parametrize("first", range(0, 100, 10))
def test_damaged_file(first):
    assert {seed: file_trouble(seed) for seed in range(first, first + 10)} == dict.fromkeys(range(first, first + 10))
