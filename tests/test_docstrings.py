"""The examples in the docstrings of public functions give what they say."""

import doctest
import importlib

import pytest
from edgeport.models import registry

DOCUMENTED = (
    *(f"models.{name}" for name in ("spec", "registry", "pretrained", "preprocess", "weights", "fusion")),
    "runtime.compare",
)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples(name):
    found = doctest.testmod(importlib.import_module(f"edgeport.{name}"))
    registry._recipes.pop("lenet_wide", None)  # which an example registers
    assert found.failed == 0
    assert found.attempted > 0
