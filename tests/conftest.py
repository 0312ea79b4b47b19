"""For all tests: nothing is sent anywhere, and what is there before a file's tests is no garbage."""

import gc
import hashlib
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


def _digest(module, *asked):
    """Of a module's parts, of their plain attributes and tensors, and of what else is asked for."""
    said = hashlib.sha256(repr(asked).encode())
    for name, part in module.named_modules():
        plain = {key: value for key, value in vars(part).items() if isinstance(value, int | float | str | tuple)}
        said.update(repr((name, type(part).__qualname__, plain)).encode())
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        said.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode() + tensor.detach().numpy().tobytes())
    return said.digest()


@pytest.fixture(scope="session", autouse=True)
def _zoo_is_traced_once():
    """torch.export takes seconds: a zoo model with the same weights has it once for all tests of a process."""
    from edgeport.exporters.frontends import torch_module

    trace, traced = torch_module.from_torch, {}

    def from_torch(module, example_inputs, **options):
        if not type(module).__module__.startswith("edgeport.models."):
            return trace(module, example_inputs, **options)
        key = _digest(module, [tuple(each.shape) for each in example_inputs], options)
        if key not in traced:
            traced[key] = trace(module, example_inputs, **options | {"share_weights": False})
        return traced[key].clone()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_module, "from_torch", from_torch)
        yield


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
