"""Fill models with weights: a checkpoint, strictly, or random ones for which every tensor matters."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..artifacts.errors import WeightsError, first_line
from .registry import Rename, create_model, find_renames

_WRAPPERS = ("state_dict", "model")  # keys under which training scripts keep the weights
_PREFIXES = ("module.", "_orig_mod.")  # DataParallel's and torch.compile's
_NAMED = 3  # keys that an error names before it counts


def load_weights(model: nn.Module, path: str | os.PathLike[str], *, remade: Collection[str] = ()) -> list[str]:
    """Load a checkpoint into `model`, strictly: the same keys, the same shapes, finite floats.

    Where the file's names do not fit a zoo model, those of the sources that the family's file knows (FOREIGN) are
    tried. float16, bfloat16 and float64 tensors are converted to the model's dtype. Counters (`num_batches_tracked`),
    which no inference reads, may be missing. Code in a pickle is never run.

    Args:
        model: a zoo model, or any other module; changed in place.
        path: a safetensors file (by its suffix) or a torch file of tensors, bare or under "state_dict" or "model".
        remade: keys that may be missing or of another shape, as a head for other classes is; they keep the model's
            values.

    Returns:
        The keys of `remade` that kept the model's values.

    Raises:
        WeightsError: the file cannot be read, or does not fit; the model is then unchanged.

    Example:
        >>> import tempfile, torch
        >>> from edgeport.models import create_model, load_weights
        >>> with tempfile.NamedTemporaryFile(suffix=".pt") as file:
        ...     torch.save(create_model("lenet5").state_dict(), file.name)
        ...     load_weights(create_model("lenet5"), file.name)
        []
    """
    path = Path(path)
    wanted = _without_counters(model.state_dict())
    given = _renamed(_without_counters(_unwrap(_read(path), path)), wanted, find_renames(model))
    kept = [k for k in wanted if k in remade and (k not in given or given[k].shape != wanted[k].shape)]
    given = {k: v for k, v in given.items() if k not in kept}
    wanted = {k: v for k, v in wanted.items() if k not in kept}

    missing = [k for k in wanted if k not in given]
    unexpected = [k for k in given if k not in wanted]
    misshapen = [k for k, v in wanted.items() if k in given and given[k].shape != v.shape]
    shapes = [f"{k} (file {_shape(given[k])}, model {_shape(wanted[k])})" for k in misshapen]
    faults = [
        f"{len(keys)} {kind}: {', '.join(keys[:_NAMED])}{', ...' if len(keys) > _NAMED else ''}"
        for kind, keys in (("missing", missing), ("unexpected", unexpected), ("misshapen", shapes))
        if keys
    ]
    if faults:
        if not missing and not unexpected and (classes := _classes([(given[k], wanted[k]) for k in misshapen])):
            faults.append(f"it fits a model made with num_classes={classes}")
        raise WeightsError(f"{path} does not fit the model's {len(wanted)} tensors: {'; '.join(faults)}")

    fitted = {}
    for key, want in wanted.items():
        if given[key].is_floating_point() != want.is_floating_point():
            raise WeightsError(f"{path}: {key} is {_dtype(given[key])}, the model's is {_dtype(want)}")
        fitted[key] = given[key].to(want.dtype)
        if want.is_floating_point() and not fitted[key].isfinite().all():
            raise WeightsError(f"{path}: {key} holds NaN or infinite values as {_dtype(want)}")
    model.load_state_dict(model.state_dict() | fitted)
    return kept


def head_keys(name: str) -> list[str]:
    """List the tensors of a zoo model whose shape depends on the number of classes: those of its heads.

    Args:
        name: of the model.

    Returns:
        Their keys in the state dict.

    Raises:
        UnknownModel: there is no such model.
    """
    with torch.device("meta"):
        few, more = (create_model(name, num_classes=n).state_dict() for n in (2, 3))
    return [key for key, tensor in few.items() if tensor.shape != more[key].shape]


def draw(model: nn.Module, keys: Collection[str], *, seed: int) -> None:
    """Draw some parameters anew, in place, distributed as `redraw` does it.

    Args:
        model: changed in place.
        keys: of the parameters in the state dict.
        seed: of the random numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key in keys:
                _draw(key.rpartition(".")[2], parameter, generator)


def _without_counters(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}


def _renamed(given: dict[str, Tensor], wanted: dict[str, Tensor], known: Sequence[Rename]) -> dict[str, Tensor]:
    """The tensors under our names: as they are where these fit, or as the first source has them that knows them all."""
    if given.keys() == wanted.keys():
        return given
    for rename in known:
        if (ours := rename(given)) is not None:
            return _without_counters(ours)
    return given


def _read(path: Path) -> object:
    if not os.path.isfile(path):
        raise WeightsError(f"{path} is {'a folder, not' if os.path.isdir(path) else 'not'} a weights file")
    if path.suffix.lower() == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as e:
            raise WeightsError(f"{path} is not a readable safetensors file: {first_line(e)}") from e
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:  # a damaged pickle or zip raises anything at all
        raise WeightsError(
            f"{path} is not a readable torch file of plain tensors (save model.state_dict(), or safetensors): "
            f"{first_line(e)}"
        ) from e


def _unwrap(content: object, path: Path) -> dict[str, Tensor]:
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds no tensors by name")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise WeightsError(f"{path} must hold tensors by name only: {key!r} is a {type(value).__name__}")
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise WeightsError(f"{path}: {key} is a sparse, quantised or storage-less tensor; save it as plain floats")
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in content):
            content = {key.removeprefix(prefix): value for key, value in content.items()}
    return dict(content)


def redraw(model: nn.Module, *, seed: int = 0, input_size: tuple[int, int, int]) -> None:
    """Draw random weights, in place, for which the output depends on every tensor and on the input.

    With a library's initialisation it hardly does: norms are ones, biases zeros, batch statistics are not the data's.
    Here norm weights and layer scales are uniform in 0.5..1.5, biases N(0, 0.1), weights N(0, 1/sqrt(fan_in)), tokens
    and position tables N(0, 0.5). Batch norms are then calibrated on 16 image-like inputs, and jittered; in a model
    without norms the weights and biases are (layer-sequential unit variance, arXiv:1511.06422). Other buffers, which
    are constants, stay. The same seed, torch and machine give the same weights.

    Args:
        model: a module of one image input, in eval mode; changed in place.
        seed: of the random numbers.
        input_size: (channels, height, width) of the input.

    Example:
        >>> import torch
        >>> from edgeport.models import create_model, redraw
        >>> model = create_model("lenet5")
        >>> redraw(model, seed=1, input_size=(1, 32, 32))
        >>> bool(torch.isfinite(model(torch.zeros(1, 1, 32, 32))).all())
        True
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            _draw(key.rpartition(".")[2], parameter, generator)
        if any("Norm" in type(m).__name__ and next(m.parameters(), None) is not None for m in model.modules()):
            _calibrate(model, generator, input_size)
        else:
            _standardise(model, generator, input_size)


def image_like(count: int, size: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """Draw noise with the statistics that matter of images: coarse structure, fine grain, brightness.

    White noise would make all patches alike, which hides what attention does.

    Args:
        count: how many images.
        size: (channels, height, width).
        generator: where the random numbers come from.

    Returns:
        float32 (count, channels, height, width), about N(0, 1.2).
    """
    c, h, w = size
    coarse = nn.functional.interpolate(torch.randn(count, c, 7, 7, generator=generator), size=(h, w), mode="bicubic")
    fine = torch.randn(count, c, h, w, generator=generator)
    return coarse + 0.3 * fine + 0.5 * torch.randn(count, c, 1, 1, generator=generator)


def _draw(leaf: str, tensor: Tensor, generator: torch.Generator) -> None:
    if leaf == "bias" or (leaf.endswith("_bias") and tensor.ndim == 1):
        tensor.normal_(0, 0.1, generator=generator)
    elif tensor.ndim <= 1 or leaf.startswith(("gamma", "layer_scale")):  # ndim 1: norms
        tensor.uniform_(0.5, 1.5, generator=generator)
    elif leaf == "weight":
        tensor.normal_(0, tensor[0].numel() ** -0.5, generator=generator)
    else:
        tensor.normal_(0, 0.5, generator=generator)


def _calibrate(model: nn.Module, generator: torch.Generator, input_size: tuple[int, int, int]) -> None:
    batch_norms = (m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
    norms = [norm for norm in batch_norms if norm.running_mean is not None]
    if not norms:
        return
    was = [(norm.momentum, norm.training) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average of the batches
        norm.train()
    parameter = next(model.parameters())
    model(image_like(16, input_size, generator).to(parameter))
    for norm, (momentum, training) in zip(norms, was, strict=True):
        norm.momentum = momentum
        norm.train(training)
        mean, var = norm.running_mean, norm.running_var
        assert mean is not None
        assert var is not None
        mean.add_(var.sqrt() * torch.randn(mean.shape, generator=generator).to(mean) * 0.1)
        var.mul_(torch.empty(var.shape).uniform_(0.7, 1.4, generator=generator).to(var))


def _standardise(model: nn.Module, generator: torch.Generator, input_size: tuple[int, int, int]) -> None:
    """Scale and shift each layer: on image-like inputs, its outputs get about mean 0 and deviation 1 a channel.

    What norms do for other models (arXiv:1511.06422): without either, a deep network's output hardly depends on its
    input. Layers without a bias stay as they are.
    """

    def fit(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        if layer.bias is None:
            return output
        channels = output.movedim(1 if isinstance(layer, nn.Conv2d) else -1, 0).flatten(1)
        mean, std = channels.mean(1), channels.std(1)
        layer.weight.div_(std.view(-1, *[1] * (layer.weight.ndim - 1)))
        layer.bias.sub_(mean).div_(std).add_(torch.randn(std.shape, generator=generator).to(std) * 0.1)
        return layer.forward(*inputs)

    handles = [m.register_forward_hook(fit) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    model(image_like(16, input_size, generator).to(next(model.parameters())))
    for handle in handles:
        handle.remove()


def _classes(pairs: list[tuple[Tensor, Tensor]]) -> int | None:
    """The class count of a file where its tensors and the model's (given, wanted) differ in the rows of heads alone."""
    if any(given.ndim == 0 or given.shape[1:] != wanted.shape[1:] for given, wanted in pairs):
        return None
    rows = {(given.shape[0], wanted.shape[0]) for given, wanted in pairs}
    return rows.pop()[0] if len(rows) == 1 else None


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
