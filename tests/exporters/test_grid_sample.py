"""GridSample on every target against PyTorch, in all its modes, at places where it is easy to be wrong."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.coreml import convert as to_coreml
from edgeport.exporters.frontends.torch_module import from_torch
from edgeport.exporters.onnx.convert import convert as to_onnx
from edgeport.exporters.openvino.convert import convert as to_openvino
from edgeport.targets.registry import open_session
from graphs import run_tflite
from tflite_convert import convert as to_tflite

MODES = list(product(("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (False, True)))


class Sample(torch.nn.Module):
    def __init__(self, mode: str, padding: str, aligned: bool, grid: torch.Tensor | None = None) -> None:
        super().__init__()
        self.options = {"mode": mode, "padding_mode": padding, "align_corners": aligned}
        self.register_buffer("grid", grid)

    def forward(self, x: torch.Tensor, grid: torch.Tensor | None = None) -> torch.Tensor:
        at = self.grid if grid is None else grid
        assert at is not None
        return torch.nn.functional.grid_sample(x, at, **self.options)


def drawn(image: tuple[int, ...], places: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """An image, and places in it, around it and far away."""
    random = np.random.default_rng(0)
    grid = random.normal(0, 1.2, (image[0], *places, 2))
    grid[:, 0] *= 40
    grid[:, -1, -1] = -1, 1  # a corner
    return (torch.from_numpy(a.astype(np.float32)) for a in (random.standard_normal(image), grid))


def results(model, feeds: dict[str, np.ndarray], folder: Path) -> dict[str, np.ndarray]:
    content = to_tflite(model)
    made = {
        "tflite": run_tflite(content, feeds)["y"],
        "tflite builtin": run_tflite(content, feeds, delegate=False)["y"],
        "tflite gpu form": run_tflite(to_tflite(model, plain=True), feeds)["y"],
    }
    onnx_file, package = folder / "model.onnx", folder / "model.mlpackage"
    onnx_file.write_bytes(to_onnx(model))
    to_coreml(model, package)
    for name, path in (("onnx", onnx_file), ("coreml", package), ("openvino", to_openvino(model, folder))):
        made[name] = open_session(path).run(feeds)["y"]
    return made


@pytest.mark.parametrize(("mode", "padding", "aligned"), MODES)
def test_every_mode_is_pytorchs(mode, padding, aligned, tmp_path):
    x, grid = drawn((2, 4, 7, 5), (9, 3))
    module = Sample(mode, padding, aligned)
    expected = module(x, grid).numpy()
    model = canonicalize(from_torch(module, (x, grid), input_names=("x", "g"), output_names=("y",)))
    for name, got in results(model, {"x": x.numpy(), "g": grid.numpy()}, tmp_path).items():
        # far away a reflection has taken many turns, each of which rounds the place
        np.testing.assert_allclose(got, expected, atol=2e-4, err_msg=name)


ROWS = [pytest.param((1, 2, 1, 1), (3, 4), marks=pytest.mark.exhaustive), ((1, 1, 1, 6), (4, 4))]


@pytest.mark.parametrize(("image", "places"), ROWS)
def test_images_of_one_row(image, places):
    x, grid = drawn(image, places)
    for mode, padding, aligned in MODES:
        module = Sample(mode, padding, aligned)
        model = canonicalize(from_torch(module, (x, grid), input_names=("x", "g"), output_names=("y",)))
        got = run_tflite(to_tflite(model), {"x": x.numpy(), "g": grid.numpy()})["y"]
        np.testing.assert_allclose(got, module(x, grid).numpy(), atol=2e-4, err_msg=f"{mode} {padding} {aligned}")


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_a_constant_grid_is_folded(mode, tmp_path):
    x, grid = drawn((2, 4, 7, 5), (9, 3))
    module = Sample(mode, "reflection", False, grid)
    expected = module(x).numpy()
    model = canonicalize(from_torch(module, (x,), input_names=("x",), output_names=("y",)))
    for name, got in results(model, {"x": x.numpy()}, tmp_path).items():
        np.testing.assert_allclose(got, expected, atol=2e-4, err_msg=name)
    assert not {"FLOOR", "ROUND", "CAST", "FLOOR_MOD"} & set(kinds(to_tflite(model)))


def kinds(content: bytes) -> list[str]:
    """The file's operators, whoever runs them."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    return [each["op_name"] for each in interpreter._get_ops_details()]


def test_the_nearest_of_two_as_near_is_the_even_one():
    x = torch.arange(6.0).reshape(1, 1, 1, 6)
    places = torch.tensor([0.5, 1.5, 2.5, 3.5])
    grid = torch.stack([places / 2.5 - 1, torch.zeros(4)], -1).reshape(1, 1, 4, 2)
    module = Sample("nearest", "border", True)
    model = canonicalize(from_torch(module, (x, grid), input_names=("x", "g"), output_names=("y",)))
    got = run_tflite(to_tflite(model), {"x": x.numpy(), "g": grid.numpy()})["y"]
    np.testing.assert_array_equal(got, module(x, grid).numpy())
