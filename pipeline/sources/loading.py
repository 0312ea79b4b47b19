"""Loads a model source: of a name, the user's code, a file, or an object in memory."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...artifacts.errors import UnknownModel, UsageError
from ...artifacts.files import open_regular
from ...artifacts.process import tell
from ...models.stated_preprocess import Preprocess
from ..checks import check_model_name
from ..input_spec import Shapes
from ..progress import Progress
from .source import TIMM, TORCHVISION, TRANSFORMERS, ExampleInputs, ModelLike, ModelSource
from .user_code import is_factory
from .zoo import AUTO, RANDOM

GIVEN = "the arguments"  # who says how images become the input, for messages
# how a file's name ends -> what is in it
FILES = {
    ".onnx": "ONNX",
    ".pt2": "torch.export",
    **dict.fromkeys((".pt", ".pth", ".ts", ".torchscript", ".safetensors"), "PyTorch"),
}


def load_source(
    model: ModelLike,
    progress: Progress,
    *,
    weights: str = "auto",
    weights_key: str | None = None,
    seed: int = 0,
    num_classes: int | None = None,
    shapes: Shapes | None = None,
    example_inputs: ExampleInputs | None = None,
    name: str | None = None,
    preprocess: Preprocess | None = None,
) -> ModelSource:
    """The model of a zoo name, of the user's code, of timm, of a file that holds one, or of an object in memory.

    Args:
        model: see ModelLike.
        progress: hears what is random or assumed.
        weights: a file, "random" (seeded), or "auto": the model's own, random ones for a timm name. Of a zoo name also
            public ones: see zoo.choose_weights.
        weights_key: under which key of the file; None for where they fit.
        seed: of random weights.
        num_classes: of a zoo or timm model; a new head if the weights have others.
        shapes: of inputs, by name.
        example_inputs: a tensor, a tuple of tensors or a dict of them, in place of shapes; for a module in memory.
        name: for files, of a module in memory.
        preprocess: in place of what the model says itself.

    Raises:
        UsageError: no such model, the user's code fails, or an option that does not fit.
        UnknownModel, UnknownCheckpoint, DownloadError, WeightsError, ModelFileError, InputShapeError: see artifacts.
    """
    shapes = shapes or {}
    if weights_key is not None and weights in (AUTO, RANDOM):
        raise UsageError(f"--weights-key is for a file of weights; name it by --weights, which is {weights}")
    if isinstance(model, ModelSource):
        given = {"weights": weights != "auto", "num_classes": num_classes, "input_shape": shapes}
        wrong = next((option for option, value in (given | {"example_inputs": example_inputs}).items() if value), None)
        if wrong:
            raise UsageError(f"{model.model}: is loaded already; give {wrong} to edgeport.load")
        source = model
    else:
        if example_inputs is not None and isinstance(model, str | Path):
            raise UsageError(f"{model}: example_inputs are for a module in memory; give input_shape")
        if isinstance(model, str | Path):
            options = {"weights": weights, "weights_key": weights_key, "seed": seed, "shapes": shapes}
            source = _from_text(str(model), progress, num_classes=num_classes, **options)
        else:
            source = _from_object(model, shapes, progress, weights, num_classes, example_inputs, name)
    for sentence in source.warnings:
        progress.warn(sentence)
    if preprocess is None:
        return source
    return replace(source, input_spec=source.input_spec.stated(preprocess, GIVEN, source.model))


def _from_text(model: str, progress: Progress, *, num_classes: int | None, **options: Any) -> ModelSource:
    if Path(model).suffix in FILES and not is_factory(model):
        _refuse_for_files(model, num_classes, options["weights"])
        return _from_file(model, options["shapes"], progress)
    from ...runtime.backends import torch_threads

    with torch_threads(1):  # sums, such as those of redrawn batch statistics, come out the same on any core count
        return _from_code(model, progress, num_classes=num_classes, **options)


def _from_code(model: str, progress: Progress, *, num_classes: int | None, **options: Any) -> ModelSource:
    from . import torch_module

    if is_factory(model):
        if num_classes is not None:
            raise UsageError(f"--num-classes is for zoo models; {model} decides its own")
        return torch_module.from_factory(model, progress, **options)
    if num_classes is not None and num_classes < 0:
        raise UsageError(f"--num-classes must be 0 or more, not {num_classes}")
    _refuse_without_factory(model)
    packages = {
        TIMM: torch_module.from_timm,
        TORCHVISION: torch_module.from_torchvision,
        TRANSFORMERS: torch_module.from_transformers,
    }
    load = next((load for prefix, load in packages.items() if model.startswith(prefix)), torch_module.from_zoo)
    try:
        return load(model, progress, num_classes=num_classes, **options)
    except UnknownModel:
        check_model_name(model)
        raise


def _refuse_without_factory(model: str) -> None:
    """Raises UsageError for a file or a dotted name of Python, which does not say what in it makes the model."""
    from ...models import list_models

    parts = model.split(".")
    if parts[0] in list_models():
        return
    is_file = model.endswith(".py")
    if is_file or (len(parts) > 1 and "/" not in model and all(part.isidentifier() for part in parts)):
        where = f"{model}:NAME" if is_file else f"{model}:NAME, or {'.'.join(parts[:-1])}:{parts[-1]}"
        raise UsageError(
            f"{model}: names no model; for code of your own say what in it makes one, a function without arguments or "
            f"a class: {where}"
        )


def _refuse_for_files(model: str, num_classes: int | None, weights: str) -> None:
    for option, given in (("--num-classes", num_classes), ("--weights", None if weights == "auto" else weights)):
        if given is not None:
            raise UsageError(f"{option} is for zoo models; {model} holds its own")


def _from_file(model: str, shapes: Shapes, progress: Progress) -> ModelSource:
    check_source_file(model)
    tell("file", model)
    if model.endswith(".onnx"):
        from .onnx_file import from_onnx_file

        return from_onnx_file(Path(model), shapes, progress)
    from .torch_module import from_program_file

    if not model.endswith(".pt2"):
        raise UsageError(f"{model}: {_what_it_holds(Path(model))}")
    return from_program_file(model, shapes)


def check_source_file(model: str) -> None:
    """Raises UsageError unless it is a file that can be read: no folder, no pipe, no device."""
    try:
        open_regular(model).close()
    except OSError as e:
        what = "no such file" if isinstance(e, FileNotFoundError) else f"cannot be read ({e.strerror})"
        raise UsageError(f"{model}: {what}") from e


def _from_object(
    model: Any,
    shapes: Shapes,
    progress: Progress,
    weights: str,
    num_classes: int | None,
    example_inputs: ExampleInputs | None,
    name: str | None,
) -> ModelSource:
    """Of an object in memory; its library is imported by whoever made it, so none is imported to ask what it is."""
    kind = type(model).__name__
    _refuse_for_files(f"the {kind} given", num_classes, weights)
    torch, onnx, onnx_ir = (sys.modules.get(module) for module in ("torch", "onnx", "onnx_ir"))
    if torch and isinstance(model, torch.nn.Module):
        from .torch_module import from_module, unwrap
        from .trained_quantization import from_qat_module, is_qat_module

        if is_qat_module(plain := unwrap(model)):
            return from_qat_module(plain, shapes, example_inputs, name)
        return from_module(model, shapes, example_inputs, name or kind)
    if example_inputs is not None:
        raise UsageError(f"example_inputs are for an nn.Module; the {kind} given knows its inputs")
    if torch and isinstance(model, torch.export.ExportedProgram):
        from .torch_module import from_program

        return from_program(model, shapes, name or "program")
    if (onnx and isinstance(model, onnx.ModelProto)) or (onnx_ir and isinstance(model, onnx_ir.Model)):
        from .onnx_file import from_onnx_model

        return from_onnx_model(model, shapes, progress, name)
    raise UsageError(
        f"a {kind} is no model that edgeport takes: give a name, a file, an nn.Module, an ExportedProgram or an "
        "ONNX model"
    )


def _what_it_holds(path: Path) -> str:
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
