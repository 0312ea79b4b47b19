"""A short fixed sample of what fuzz.py and fuzz_images.py draw; `make fuzz` goes on."""

import pytest
from fuzz import file_trouble, graph_trouble
from fuzz_images import export_trouble

FILES = (
    51382,  # indices of fewer axes than what they are taken from
    800088,  # unsigned indices
    2026114440,  # operands that do not broadcast
    2026119094,  # and others
    2026118690,  # axes of two dimensions
)
GRAPHS = (
    702149,  # a number that coremltools knows, but not as an array
    2026115142,  # an output that is a constant, and a CumSum of it
)


def seeds(few, many):
    """The first few with `make test`, more with `make test-all`."""
    return [*range(few), *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(few, many))]


@pytest.mark.parametrize("seed", seeds(15, 100))
def test_random_graph(seed):
    assert graph_trouble(seed) is None


@pytest.mark.parametrize("seed", seeds(15, 100))
def test_random_network(seed):
    assert export_trouble(seed) is None


@pytest.mark.parametrize("first", range(0, 100, 10))
def test_damaged_file(first):
    assert {seed: file_trouble(seed) for seed in range(first, first + 10)} == dict.fromkeys(range(first, first + 10))


@pytest.mark.parametrize(
    ("trouble", "seed"), [*((file_trouble, seed) for seed in FILES), *((graph_trouble, seed) for seed in GRAPHS)]
)
def test_what_ended_in_a_traceback_once(trouble, seed):
    assert trouble(seed) is None
