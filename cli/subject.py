"""This file turns the MODEL argument into a PyTorch module with weights: what is exported, and later the reference."""

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..exporters.manifest import RANDOM, Weights, sha256
from ..models import PreprocessSpec, create_model, get_variant
from .console import Console
from .exit_codes import UsageError
from .zoo_weights import choose, load

if TYPE_CHECKING:
    import torch

FACTORY = "factory"  # the weights' source where the user's own module brings them


@dataclass(frozen=True)
class Subject:
    """A model that is ready to be exported.

    Attributes:
        model: as the user named it; `name` is for files.
        preprocess: how an image becomes its input.
        assumed: True where nobody said how, and ImageNet's mean and std are assumed.
    """

    model: str
    name: str
    module: "torch.nn.Module"
    preprocess: PreprocessSpec
    weights: Weights
    num_classes: int | None
    output_names: tuple[str, ...]
    assumed: bool = False

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """(1, c, h, w)."""
        return (1, *self.preprocess.input_size)


def load_subject(
    model: str,
    console: Console,
    *,
    weights: str = "auto",
    seed: int = 0,
    num_classes: int | None = None,
    input_shape: tuple[int, int, int] | None = None,
) -> Subject:
    """The model of a zoo name, or of `path/to/file.py:factory`, where `factory()` returns an nn.Module.

    `weights`: a file, "random" (seeded), or "auto": a factory's own weights. Of a zoo name also public ones: see
    zoo_weights.choose.

    Raises:
        UsageError: no such file or factory, it fails, or an option that does not fit.
        UnknownModel, UnknownCheckpoint, DownloadError, WeightsError: as in models.
    """
    import torch

    torch.set_num_threads(1)  # sums, such as those of redrawn batch statistics, come out the same on any core count
    own = is_factory(model)
    if own and num_classes is not None:
        raise UsageError(f"--num-classes is for zoo models; {model} decides its own")
    if num_classes is not None and num_classes < 1:
        raise UsageError(f"--num-classes must be at least 1, not {num_classes}")
    chosen = None if own else choose(model, weights, console)
    if own:
        module, preprocess = from_factory(model, input_shape), PreprocessSpec()
    else:
        preprocess = chosen.checkpoint.variant if chosen and chosen.checkpoint else get_variant(model)
        module = create_model(model, num_classes=num_classes or preprocess.num_classes)
    if input_shape is not None:
        preprocess = resized(preprocess, input_shape)
    if chosen:
        facts = load(module, model, chosen, num_classes, seed, console)
    else:
        facts = fill(module, model, weights, seed, preprocess.input_size, own, console)
    path, _, factory = model.rpartition(":")
    name = f"{Path(path).stem}_{factory}" if own else model.replace("/", "_").replace(":", "_")
    return Subject(model, name, module, preprocess, facts, num_classes, output_names(module, preprocess), own)


def is_factory(model: str) -> bool:
    """Whether MODEL names code of the user's own, which runs when it is loaded."""
    return ".py:" in model


def fill(
    module: "torch.nn.Module",
    model: str,
    weights: str,
    seed: int,
    input_size: tuple[int, int, int],
    own: bool,
    console: Console,
) -> Weights:
    """Puts the weights in, and says loudly where they are random."""
    from ..models import load_weights, redraw

    if weights == "auto" and own:
        return Weights(source=FACTORY, sha256=digest(module))
    if weights in ("auto", "random"):
        redraw(module, seed=seed, input_size=input_size)
        console.warn(
            f"{model} has RANDOM weights (seed {seed}): speed and agreement are real, its answers mean nothing; "
            "give a checkpoint with --weights"
        )
        return Weights(source=RANDOM, sha256=digest(module), seed=seed)
    load_weights(module, weights)
    return Weights(source=weights, sha256=sha256(Path(weights)))


def digest(module: "torch.nn.Module") -> str:
    """The sha256 of all tensors of a module with their names."""
    total = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.detach().contiguous().numpy().tobytes())
    return total.hexdigest()


def from_factory(model: str, input_shape: tuple[int, int, int] | None) -> "torch.nn.Module":
    """Runs the user's file and calls its factory."""
    import torch

    file, _, name = model.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"{file}: no such file (a model of your own is named path/to/file.py:factory)")
    if input_shape is None:
        raise UsageError(f"{model}: the input's shape is not known; give --input-shape C,H,W")
    spec = importlib.util.spec_from_file_location(f"_edgeport_model_{path.stem}", path)
    assert spec is not None
    loader = spec.loader
    assert loader is not None
    namespace = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = namespace
    sys.path.insert(0, str(path.resolve().parent))  # so that it can import its neighbours
    _user_code(model, lambda: loader.exec_module(namespace))
    factory = getattr(namespace, name, None)
    if not callable(factory):
        found = [key for key, value in vars(namespace).items() if callable(value) and not key.startswith("_")]
        raise UsageError(f"{file}: has no function {name!r}; it has: {', '.join(found) or 'none'}")
    module = _user_code(model, factory)
    if not isinstance(module, torch.nn.Module):
        raise UsageError(f"{model}: must return an nn.Module, but returned a {type(module).__name__}")
    return module.eval()


def output_names(module: "torch.nn.Module", preprocess: PreprocessSpec) -> tuple[str, ...]:
    """("logits",), or one name for each of several outputs."""
    import torch

    try:
        with torch.inference_mode():
            result = module(torch.zeros(1, *preprocess.input_size))
    except Exception as e:  # the module's own code, and any type of PyTorch's
        shape = "x".join(map(str, preprocess.input_size))
        raise UsageError(f"the model does not run on an input of {shape}: {_first_line(e)}") from e
    if isinstance(result, dict):
        return tuple(str(key) for key in result)
    if isinstance(result, torch.Tensor):
        return ("logits",)
    return ("logits",) if len(result) == 1 else tuple(f"output_{i}" for i in range(len(result)))


def resized(spec: PreprocessSpec, input_size: tuple[int, int, int]) -> PreprocessSpec:
    """The same preprocessing for another input size."""
    channels = input_size[0]
    mean, std = spec.mean, spec.std
    if channels != len(mean):  # nobody's convention: one value for all channels
        mean, std = (sum(mean) / len(mean),) * channels, (sum(std) / len(std),) * channels
    return PreprocessSpec(
        input_size=input_size, mean=mean, std=std, interpolation=spec.interpolation, crop_pct=spec.crop_pct
    )


def _user_code(model: str, call: Callable):
    try:
        return call()
    except Exception as e:
        frames = traceback.extract_tb(e.__traceback__)
        where = next((f" at line {f.lineno}" for f in reversed(frames) if f.filename.endswith(model.split(":")[0])), "")
        raise UsageError(f"{model}: fails{where}: {type(e).__name__}: {_first_line(e)}") from e


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]
