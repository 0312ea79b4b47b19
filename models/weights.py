"""Fill models with weights: a checkpoint, strictly, or random ones for which every tensor matters."""

import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..artifacts.errors import WeightsError, first_line
from .headless import find_class_tensors
from .registry import create_model, find_relatives, find_renames, get_variant
from .state_dicts import (
    StateDict,
    Wanted,
    choose,
    count_elements,
    find_state_dicts,
    is_average,
    name_some,
    under,
    whole_modules,
)
from .torch_file import StoredTensor, TorchFile, read_torch_file

_LOG = logging.getLogger("edgeport")
_NOISE_DB = 60.0  # below the inputs; trained networks lose up to 20 of them on the way to the output
_BUFFERS = 1.25  # a state dict's size to that of its parameters, at most


def load_weights(
    model: nn.Module, path: str | os.PathLike[str], *, remade: Collection[str] = (), key: str | None = None
) -> list[str]:
    """Load a checkpoint into `model`, strictly: each of its tensors, of the same shape, finite floats.

    What training scripts save is searched for the tensors that fit: under any key ("state_dict", "model_ema"), behind
    any prefix ("module.", "model."), beside what only the training needs. An average of the weights (EMA) is taken
    before the weights themselves. Where the names do not fit a zoo model, those of the sources that the family's file
    knows (FOREIGN) are tried. float16, bfloat16 and float64 tensors are converted to the model's dtype. Counters
    (`num_batches_tracked`), which no inference reads, may be missing. Nothing in a pickle is ever called. What there is
    to say, such as which weights were taken, goes to the logger "edgeport".

    Args:
        model: a zoo model, or any other module; changed in place.
        path: a safetensors file (by its suffix), or a file that torch.save wrote.
        remade: keys that may be missing or of another shape, as a head for other classes is; they keep the model's
            values.
        key: under which key or prefix of the file the weights are, with dots ("callbacks.ema"); None: where they fit.

    Returns:
        The keys of `remade` that kept the model's values.

    Raises:
        WeightsError: the file cannot be read, does not fit, or holds several that do; the model is then unchanged.

    Example:
        >>> import tempfile, torch
        >>> from edgeport.models import create_model, load_weights
        >>> with tempfile.NamedTemporaryFile(suffix=".pt") as file:
        ...     torch.save({"epoch": 3, "model_ema": create_model("lenet5").state_dict()}, file.name)
        ...     load_weights(create_model("lenet5"), file.name)
        []
    """
    loaded = fit_weights(model, path, remade=remade, key=key)
    for sentence in loaded.notes:
        _LOG.info("%s", sentence)
    for sentence in loaded.warnings:
        _LOG.warning("%s", sentence)
    return [*loaded.kept]


@dataclass(frozen=True)
class LoadedWeights:
    """What `fit_weights` has done.

    Attributes:
        kept: keys of `remade` that kept the model's values.
        key: where in the file the weights lie; "" where they are all that it holds.
        notes: good to know.
        warnings: what whoever uses the weights has to know.
    """

    kept: tuple[str, ...]
    key: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def fit_weights(
    model: nn.Module, path: str | os.PathLike[str], *, remade: Collection[str] = (), key: str | None = None
) -> LoadedWeights:
    """The same as `load_weights`; what there is to say is returned."""
    path = Path(path)
    file = _read(path)
    ours = _without_counters(model.state_dict())
    wanted = Wanted(ours, [name for name, _ in model.named_parameters()], remade, find_renames(model))
    found = find_state_dicts(file.content, wanted)
    chosen, worse = choose(found, key)
    if not chosen:
        raise WeightsError(f"{path} {_explain(model, file, found, ours, key)}")
    if len(chosen) > 1:
        several = " and ".join(repr(each.label) for each in chosen)
        raise WeightsError(f"{path} holds several weights that fit, {several}: say which by --weights-key")
    (state,) = chosen
    fitted = _convert(path, {name: tensor for name, tensor in ours.items() if name not in state.kept}, file, state)
    model.load_state_dict(model.state_dict() | fitted)
    notes = (f"{path}: the weights are those under {state.label!r}",) if state.label else ()
    warnings = tuple(f"{path}: {each}" for each in _remarks(file, state, found, worse, ours, key))
    return LoadedWeights(tuple(state.kept), state.label, notes, warnings)


def _convert(path: Path, wanted: Mapping[str, Tensor], file: TorchFile, state: StateDict) -> dict[str, Tensor]:
    """The state dict's tensors with the model's names and dtypes, checked."""
    for name, leaf in state.source.items():
        if isinstance(leaf, StoredTensor) and leaf.dtype is None:
            raise WeightsError(f"{path}: {name} is a sparse, quantised or storage-less tensor; save it as plain floats")
    try:
        given = {k: file.read(leaf) if isinstance(leaf, StoredTensor) else leaf for k, leaf in state.source.items()}
    except (OSError, ValueError, KeyError) as e:
        raise _unreadable(path, e) from e
    given = state.rename(given) or {} if state.rename else given
    fitted = {}
    for key, want in wanted.items():
        tensor = given[key.removeprefix(state.lead)]
        if tensor.is_floating_point() != want.is_floating_point():
            raise WeightsError(f"{path}: {key} is {_dtype(tensor)}, the model's is {_dtype(want)}")
        fitted[key] = tensor.to(want.dtype)
        if want.is_floating_point() and not fitted[key].isfinite().all():
            raise WeightsError(f"{path}: {key} holds NaN or infinite values as {_dtype(want)}")
    return fitted


def _remarks(
    file: TorchFile,
    state: StateDict,
    found: list[StateDict],
    worse: list[StateDict],
    ours: Mapping[str, Tensor],
    key: str | None,
) -> Iterator[str]:
    """What has to be said of the choice among what the file holds; nothing where the key was given."""
    if key is None and worse:
        average = "an average of the weights (EMA), " * (state.order == 0)
        others = ", ".join(repr(each.label) for each in worse)
        yield f"took {state.label!r}, {average}not {others}; --weights-key chooses"
    if key is None and state.order > 0:
        for each in found:
            if each.order == 0 and each.fitting and not each.fits:
                yield f"the average of the weights under {each.label!r} is not taken: {_misfits(each, ours)}"
        for place, _ in whole_modules(file.content):
            if is_average(place):
                yield f"the average of the weights under {place!r} is not taken: it is a pickled module"
    others = {f"{each.prefix}{name}" for each in worse if each.place == state.place for name in each.source}
    if ignored := [name for name in state.ignored if name not in others]:
        yield f"ignored {len(ignored)} tensors that the model has no place for: {name_some(ignored)}"


def _explain(
    model: nn.Module, file: TorchFile, found: list[StateDict], ours: Mapping[str, Tensor], key: str | None
) -> str:
    """Why nothing in the file fits."""
    asked = [each for each in found if under(each, key)]
    for place, name in whole_modules(file.content):
        if not any(each.fitting for each in asked):
            where = f" under {place!r}" if place else ""
            return (
                f"holds a whole pickled module ({name}){where}, which only its own code can open; where that code is, "
                "load it and save module.state_dict()"
            )
    if found and not asked:
        known = ", ".join(repr(label) for label in dict.fromkeys(each.label for each in found) if label)
        return f"holds no tensors by name under {key!r}; it has them under {known or 'no key'}"
    if not asked:
        return "holds no tensors by name"
    nearest = max(asked, key=lambda each: (each.fitting, -len(each.unexpected)))
    faults = [_misfits(nearest, ours)]
    if nearest.misshapen and not nearest.missing and not nearest.unexpected:
        pairs = [(torch.Size(shape), ours[name].shape) for name, shape in nearest.misshapen.items()]
        faults += [f"it fits a model made with num_classes={classes}"] if (classes := _classes(pairs)) else []
    if relatives := _fitting_relatives(model, file):
        faults.append(f"they fit {' and '.join(relatives)}")
    where = f" under {nearest.label!r}" if nearest.label else ""
    return f"does not fit the model's {len(ours)} tensors: {nearest.fitting} do{where}; {'; '.join(faults)}"


def _fitting_relatives(model: nn.Module, file: TorchFile) -> list[str]:
    """The variants of a zoo model's family that the weights are of; only those of about that size are built."""
    fitting, counts = [], count_elements(file.content)
    for name in find_relatives(model):
        params = get_variant(name).params
        if not any(params <= count <= _BUFFERS * params for count in counts):
            continue
        with torch.device("meta"):
            other = create_model(name)
        wanted = Wanted(_without_counters(other.state_dict()), renames=find_renames(other))
        if any(state.fits for state in find_state_dicts(file.content, wanted)):
            fitting.append(name)
    return fitting


def _misfits(state: StateDict, ours: Mapping[str, Tensor]) -> str:
    """The names that do not fit."""
    left = state.unexpected if state.fitting else (*state.unexpected, *state.ignored)
    shapes = [f"{k} (file {_shape(shape)}, model {_shape(ours[k].shape)})" for k, shape in state.misshapen.items()]
    kinds = (("missing", state.missing), ("unexpected", left), ("misshapen", shapes))
    return "; ".join(f"{len(names)} {kind}: {name_some(names)}" for kind, names in kinds if names)


def head_keys(name: str) -> list[str]:
    """List the tensors of a zoo model whose shape depends on the number of classes: those of its heads.

    Args:
        name: of the model.

    Returns:
        Their keys in the state dict.

    Raises:
        UnknownModel: there is no such model.
    """
    return find_class_tensors(lambda classes: create_model(name, num_classes=classes))


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


def _read(path: Path) -> TorchFile:
    if not os.path.isfile(path):
        raise WeightsError(f"{path} is {'a folder, not' if os.path.isdir(path) else 'not'} a weights file")
    if path.suffix.lower() == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return TorchFile(path, load_file(path), {})
        except (SafetensorError, OSError) as e:
            raise WeightsError(f"{path} is not a readable safetensors file: {first_line(e)}") from e
    try:
        return read_torch_file(path)
    except Exception as e:  # a damaged pickle or zip raises anything at all
        raise _unreadable(path, e) from e


def _unreadable(path: Path, error: Exception) -> WeightsError:
    return WeightsError(f"{path} is not a readable torch file: {first_line(error)}")


def redraw(model: nn.Module, *, seed: int = 0, input_size: tuple[int, int, int], most_lost_db: float = 30.0) -> None:
    """Draw random weights, in place, for which the output depends on every tensor and on the input.

    With a library's initialisation it hardly does: norms are ones, biases zeros, batch statistics are not the data's.
    Here norm weights and layer scales are uniform in 0.5..1.5, biases N(0, 0.1), weights N(0, 1/sqrt(fan_in)), tokens
    and position tables N(0, 0.5). Batch norms are then calibrated on 16 image-like inputs, and jittered; in a model
    without norms the weights and biases are (layer-sequential unit variance, arXiv:1511.06422). Where the network then
    amplifies noise as no trained one does, its norms are set milder. Other buffers, which are constants, stay. The same
    seed, torch and machine give the same weights.

    Args:
        model: a module of one image input, in eval mode; changed in place.
        seed: of the random numbers.
        input_size: (channels, height, width) of the input.
        most_lost_db: how much nearer noise may be to the outputs than it is to the inputs, in dB, before norms are set
            milder. Trained networks lose up to 20, and what loses 30 is hardly a number in 8 bits.

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
            if _lost_db(model, input_size) > most_lost_db:
                _calm(model, generator, input_size)
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


def _calm(model: nn.Module, generator: torch.Generator, input_size: tuple[int, int, int]) -> None:
    """Set the norms milder, for networks in which noise grows as it does in no trained one.

    Behind batch norms each layer adds noise to what it passes on: a norm takes the mean away, which is most of what a
    ReLU leaves, and brings what is left back to size, noise and all (arXiv:1902.08129); attention in saturation adds
    more. With smaller weights and a bias of a quarter, activations and attention are used where they are near linear.
    Attention that is then nearly even would make all tokens alike, which a batch norm behind it blows up: strong biases
    for the places keep them apart.
    """
    for norm in _norms(model):
        norm.get_parameter("weight").mul_(0.4)
        norm.get_parameter("bias").mul_(0.4).add_(0.25)
    for key, parameter in model.named_parameters():
        if key.endswith("attention_biases"):
            parameter.mul_(6)
    _calibrate(model, generator, input_size)


def _lost_db(model: nn.Module, input_size: tuple[int, int, int]) -> float:
    """How much nearer noise is to the output that it disturbs most than to strong image-like inputs, in dB."""
    generator = torch.Generator().manual_seed(0)
    images = 1.5 * image_like(4, input_size, generator)
    noise = torch.randn(images.shape, generator=generator) * images.std() * 10 ** (-_NOISE_DB / 20)
    parameter = next(model.parameters())
    exact, noisy = (tree_leaves(model(given.to(parameter))) for given in (images, images + noise))
    pairs = [(a.double(), b.double()) for a, b in zip(exact, noisy, strict=True) if _is_comparable(a, b)]
    lost = [_NOISE_DB - 10 * float(torch.log10(a.var() / (a - b).square().mean())) for a, b in pairs]
    return max(lost, default=0.0)


def _is_comparable(a: object, b: object) -> bool:
    if not isinstance(a, Tensor) or not isinstance(b, Tensor) or not a.is_floating_point() or a.shape != b.shape:
        return False
    return a.numel() > 1 and bool((a != b).any()) and bool(a.var() > 0)


def _norms(model: nn.Module) -> list[nn.Module]:
    """The norms with a weight and a bias."""
    named = (m for m in model.modules() if "Norm" in type(m).__name__)
    return [m for m in named if {"weight", "bias"} <= {name for name, _ in m.named_parameters(recurse=False)}]


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


def _classes(pairs: list[tuple[torch.Size, torch.Size]]) -> int | None:
    """The class count of a file where its shapes and the model's (given, wanted) differ in the rows of heads alone."""
    if any(not given or given[1:] != wanted[1:] for given, wanted in pairs):
        return None
    rows = {(given[0], wanted[0]) for given, wanted in pairs}
    return rows.pop()[0] if len(rows) == 1 else None


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
