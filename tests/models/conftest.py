"""Fixtures of the zoo's tests."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def timm():
    """The reference implementation."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    importlib.import_module("torchvision_on_cpu")
    return importlib.import_module("timm")
