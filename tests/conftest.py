"""For all tests: nothing is sent anywhere, and what is there before a file's tests is no garbage."""

import gc
import os
import socket
import sys

import pytest

sys.modules.setdefault("openvino_telemetry", None)  # imported, it would write to the home folder and report
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # of tests that import ONNX Runtime themselves
os.environ["EDGEPORT_OFFLINE"] = "1"  # `--weights auto` would look for public weights


@pytest.fixture(scope="module", autouse=True)
def _small_garbage():
    """Converters collect garbage after each conversion: let them look at what it left, not at libraries and tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def server(monkeypatch):
    """A hub and web server on this machine, which `--weights` may ask."""
    from file_server import serve

    monkeypatch.delenv("EDGEPORT_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "localhost,127.0.0.1")
    with serve() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.hub)
        yield running


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty folder that is the cache, and nothing in the hub's own."""
    import huggingface_hub.constants

    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv("EDGEPORT_CACHE", str(folder))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "none"))
    return folder


@pytest.fixture
def closed_port():
    """A port where nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]
