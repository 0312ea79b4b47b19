"""Let the runner's tests import their helper and run on one thread."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # for `import mil_packages`


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
