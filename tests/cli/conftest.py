"""Runs the command in the tests' own process, and makes the images, weights and models that it is given."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from command import run
from edgeport.cli.main import main
from edgeport.models import create_model, redraw
from edgeport.pipeline import calibration_cache
from PIL import Image


@pytest.fixture(scope="session", autouse=True)
def calibrations(tmp_path_factory):
    """Where calibrations are kept: not in the home folder."""
    folder = tmp_path_factory.mktemp("calibration")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration_cache, "cache_folder_of_calibrations", lambda: folder)
        yield folder


@pytest.fixture
def edgeport(capsys, tmp_path, monkeypatch):
    """edgeport(*arguments) -> Outcome, run in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    return partial(run, capsys)


@pytest.fixture(scope="session")
def given(tmp_path_factory) -> Path:
    """A folder with all that a command line can name, good and bad."""
    folder = tmp_path_factory.mktemp("given")
    make_images(folder)
    make_weights(folder)
    make_arrays(folder)
    (folder / "models.py").write_text(MODELS)
    (folder / "broken.py").write_text("import torch\n\ndef net(:\n")
    return folder


def make_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("photos", "others", "one", "empty", "no_image", "truncated"):
        (folder / name).mkdir()
    for name, count in (("photos", 12), ("others", 5), ("one", 1), ("truncated", 2)):
        for i in range(count):
            blocks = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
            Image.fromarray(blocks).resize((50, 60)).save(folder / name / f"{i:02}.png")
    (folder / "no_image" / "a.jpg").write_bytes(b"this is no image")
    whole = (folder / "truncated" / "01.png").read_bytes()
    (folder / "truncated" / "01.png").write_bytes(whole[: len(whole) // 2])


def make_weights(folder: Path) -> None:
    model = create_model("lenet5")
    redraw(model, seed=5, input_size=(1, 32, 32))
    torch.save(model.state_dict(), folder / "lenet5.pth")
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    next(iter(state.values())).view(-1)[3] = float("nan")
    torch.save(state, folder / "nan.pth")
    torch.save(create_model("lenet1").state_dict(), folder / "lenet1.pth")
    (folder / "corrupt.pth").write_bytes((folder / "lenet5.pth").read_bytes()[:1000])
    (folder / "corrupt.safetensors").write_bytes(b"\xff" * 100)


def make_arrays(folder: Path) -> None:
    good = np.random.default_rng(1).standard_normal((10, 1, 32, 32)).astype(np.float32)
    np.savez(folder / "good.npz", images=good)
    np.savez_compressed(folder / "packed.npz", images=good)
    np.savez(folder / "shape.npz", images=good[:, :, :28])
    np.savez(folder / "pixels.npz", images=(good * 255).astype(np.uint8))
    np.savez(folder / "none.npz", images=good[:0])
    np.savez(folder / "two.npz", images=good, labels=np.arange(10))
    np.savez(folder / "objects.npz", images=np.array([{"a": 1}], dtype=object))
    bad = good.copy()
    bad[3, 0, 0, 0] = np.nan
    np.savez(folder / "nan.npz", images=bad)
    (folder / "cut.npz").write_bytes((folder / "good.npz").read_bytes()[:5000])


MODELS = """
import torch
from torch import nn


def net():
    torch.manual_seed(3)
    conv = nn.Conv2d(3, 8, 3, padding=1)
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 7))


class Volume(nn.Module):
    def forward(self, x):
        return torch.nn.functional.conv3d(x[:, None, :, None, None], torch.ones(1, 1, 3, 3, 3), padding=1)


def outside():
    model = net()
    model.add_module("tail", Volume())
    return model


def fails():
    raise RuntimeError("no weights here")


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        print("hello from the model")
        x.sub_(0.5)
        return self.conv(x).mean((2, 3))


def in_place():
    torch.manual_seed(1)
    return InPlace()


class Leaves(nn.Module):
    def forward(self, x):
        raise SystemExit(0)


def leaves():
    return Leaves()


class Tires(nn.Module):
    runs = 0

    def forward(self, x):
        if not torch.compiler.is_exporting():
            Tires.runs += 1
            if Tires.runs > 4:
                raise RuntimeError("tired")
        return x.mean((2, 3))


def tires():
    Tires.runs = 0
    return Tires()


def number():
    return 7


class Speechless(Exception):
    def __str__(self):
        raise ValueError("no words")


class Called(nn.Module):
    def __init__(self, call):
        super().__init__()
        self.call = call

    def forward(self, x):
        self.call()
        return x.mean((2, 3))


def fail(error):
    raise error


def speechless():
    raise Speechless


def speechless_forward():
    return Called(lambda: fail(Speechless()))


def base_exception():
    raise BaseException("base")


def generator_exit():
    raise GeneratorExit


def leaves_at_once():
    raise SystemExit(0)


class Property(nn.Module):
    @property
    def forward(self):
        raise SystemExit(0)


def leaving_property():
    return Property()


class NoInit(nn.Module):
    def __init__(self):
        pass


def no_init():
    return NoInit()


def meta():
    with torch.device("meta"):
        return net()


def lazy():
    return nn.LazyLinear(3)


class Loop(nn.Module):
    def forward(self, x):
        result = {}
        result["self"] = result
        return result


def loop():
    return Loop()


def nan():
    model = net()
    model[0].weight.data[0] = float("nan")
    return model
"""


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> dict[str, Path]:
    """{precision: artifact} of lenet5 with random weights, as `edgeport export lenet5 --int8` makes them."""
    folder = tmp_path_factory.mktemp("exported")
    arguments = ["export", "lenet5", "--int8", "--output-dir", str(folder), "--num-runs", "2", "--quiet"]
    assert main(arguments) == 0
    return {precision: folder / "lenet5" / f"lenet5_{precision}.tflite" for precision in ("fp32", "int8")}
