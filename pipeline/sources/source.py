"""This file turns the MODEL argument into what is exported, and what the artifacts are compared with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...artifacts.errors import UsageError
from ...artifacts.manifest import Weights
from ...cli.console import Console
from ...runtime.session import Session
from ..input_spec import Shapes, Takes
from .user_code import is_factory

if TYPE_CHECKING:
    import onnx_ir as ir

TIMM = "timm:"


@dataclass(frozen=True)
class Subject:
    """A model that is ready to be exported.

    Attributes:
        model: as the user named it; `name` is for files.
        takes: its inputs, and how an image becomes them.
        assumed: True where nobody said how, and ImageNet's mean and std are assumed.
        graph: makes the ONNX graph, not yet canonical.
        session: opens the reference on one thread: its figures shall not depend on the core count.
        origin: facts that the model's own file holds about itself; they go into the artifact.
    """

    model: str
    name: str
    takes: Takes
    weights: Weights
    num_classes: int | None
    output_names: tuple[str, ...]
    graph: Callable[[], "ir.Model"]
    session: Callable[[], Session]
    assumed: bool = False
    origin: dict[str, str] | None = None


def load_subject(
    model: str,
    console: Console,
    *,
    weights: str = "auto",
    seed: int = 0,
    num_classes: int | None = None,
    shapes: Shapes | None = None,
) -> Subject:
    """The model of a zoo name, of the user's code, of timm, or of a file that holds one.

    `weights`: a file, "random" (seeded), or "auto": the model's own, random ones for a timm name. Of a zoo name also
    public ones: see zoo_weights.choose.

    Raises:
        UsageError: no such model, the user's code fails, or an option that does not fit.
        UnknownModel, UnknownCheckpoint, DownloadError, WeightsError: as in models; ModelFileError: as in exporters.
    """
    shapes = shapes or {}
    kind = Path(model).suffix
    if kind in FILES and not is_factory(model):
        for option, given in (("--num-classes", num_classes), ("--weights", None if weights == "auto" else weights)):
            if given is not None:
                raise UsageError(f"{option} is for zoo models; {model} holds its own")
        return _from_file(model, shapes, console)
    import torch

    from . import torch_module

    torch.set_num_threads(1)  # sums, such as those of redrawn batch statistics, come out the same on any core count
    options = {"weights": weights, "seed": seed, "shapes": shapes}
    if is_factory(model):
        if num_classes is not None:
            raise UsageError(f"--num-classes is for zoo models; {model} decides its own")
        return torch_module.from_factory(model, console, **options)
    if num_classes is not None and num_classes < 1:
        raise UsageError(f"--num-classes must be at least 1, not {num_classes}")
    named = torch_module.from_timm if model.startswith(TIMM) else torch_module.from_zoo
    return named(model, console, num_classes=num_classes, **options)


# how a file's name ends -> what is in it
FILES = {
    ".onnx": "ONNX",
    ".pt2": "torch.export",
    **dict.fromkeys((".pt", ".pth", ".ts", ".torchscript", ".safetensors"), "PyTorch"),
}


def _from_file(model: str, shapes: Shapes, console: Console) -> Subject:
    if not Path(model).is_file():
        raise UsageError(f"{model}: no such file")
    if model.endswith(".onnx"):
        from .onnx_file import from_onnx_file

        return from_onnx_file(model, shapes, console)
    from .torch_module import from_program

    if not model.endswith(".pt2"):
        raise UsageError(f"{model}: {_not_a_model(Path(model))}")
    return from_program(model, shapes)


def _not_a_model(path: Path) -> str:
    """What a file of PyTorch's holds that is no program, and what would work."""
    import zipfile

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.rpartition("/")[2] == "constants.pkl" for name in archive.namelist()):
                return (
                    "is a TorchScript file, whose program PyTorch can no longer export; give the nn.Module as "
                    "file.py:factory, or save it by torch.export.save as .pt2"
                )
    return "holds weights at most, no model; name the model (file.py:factory) and give the file with --weights"
