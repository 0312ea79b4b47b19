"""Saved torch.export programs: what loading one may do."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from edgeport.artifacts.errors import ModelFileError
from edgeport.exporters.frontends.exported_program import load_program


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x).flatten(1)


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("program") / "net.pt2"
    dims = {"x": {0: torch.export.Dim("n"), 2: torch.export.Dim("h", min=4, max=32)}}
    torch.export.save(torch.export.export(Net().eval(), (torch.zeros(2, 3, 8, 8),), dynamic_shapes=dims), path)
    return path


def changed(path: Path, to: Path, ending: str, change) -> Path:
    """A copy of the archive in which one member's bytes went through `change`; a new one where none ends so."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        names = old.namelist()
        for name in names:
            content = old.read(name)
            new.writestr(name, change(content) if name.endswith(ending) else content)
        if not any(name.endswith(ending) for name in names):
            new.writestr(f"net/{ending}", change(b""))
    return to


def test_loaded(program):
    module, (spec,) = load_program(program, {"": (1, 3, 6, 8)})
    assert (spec.name, spec.shape, spec.dtype) == ("x", (1, 3, 6, 8), "float32")
    x = torch.randn(1, 3, 6, 8)
    torch.testing.assert_close(module.eval()(x), Net().eval()(x))


class Evil:
    def __reduce__(self):
        return (print, ("ran",))


def tensors_and_evil(_: bytes) -> bytes:
    out = io.BytesIO()
    torch.save({"x": torch.zeros(1), "evil": Evil()}, out)
    return out.getvalue()


def size(text: str):
    def change(content: bytes) -> bytes:
        model = json.loads(content)
        model["range_constraints"] = {"s1": {"expr_str": text}}
        return json.dumps(model).encode()

    return change


UNSAFE = {  # what is changed -> (the member's ending, how, what is said)
    "pickled sample inputs": ("sample_inputs/model.pt", tensors_and_evil, "it holds pickled objects"),
    "pickled weights": (
        "model_weights_config.json",
        lambda content: content.replace(b'"use_pickle": false', b'"use_pickle": true'),
        "it holds pickled tensors",
    ),
    "an object": ("data/constants/custom_obj_0", lambda _: pickle.dumps(Evil()), "it holds pickled objects"),
    "a library": ("data/aotinductor/model/model.so", lambda _: b"\x7fELF", "it holds compiled code"),
    "a function": (
        "models/model.json",
        lambda content: content.replace(b"torch.ops.aten.conv2d.default", b"torch.os.system"),
        "it calls 'torch.os.system', which is no operator",
    ),
    "a size": ("models/model.json", size("__import__('os').getcwd()"), "a size of it is written"),
    "an attribute": ("models/model.json", size("Integer.mro()"), "a size of it is written"),
}


@pytest.mark.parametrize("what", UNSAFE)
def test_nothing_of_the_file_runs(program, tmp_path, capfd, what):
    ending, change, said = UNSAFE[what]
    path = changed(program, tmp_path / "unsafe.pt2", ending, change)
    with pytest.raises(ModelFileError, match=said):
        load_program(path)
    assert "ran" not in capfd.readouterr().out


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_damaged(program, tmp_path, share):
    whole = program.read_bytes()
    path = tmp_path / "cut.pt2"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelFileError, match=r"torch\.export"):
        load_program(path)
