"""The GPU in software, where it has been set up; tests that need it say why they are skipped."""

import pytest
from edgeport.devices.folder import devices_folder
from edgeport.devices.software_gpu import NAME, is_ready

FOLDER = devices_folder()  # at import: the tests' own caches are elsewhere
needs_gpu = pytest.mark.skipif(
    not is_ready(FOLDER / NAME), reason=f"{FOLDER / NAME} is not there: `edgeport devices setup gpu` makes it"
)


@pytest.fixture
def gpu(monkeypatch):
    """Lets what runs on a GPU find it."""
    monkeypatch.setenv("EDGEPORT_DEVICES", str(FOLDER))
