"""This file makes subjects of PyTorch modules: the zoo's, timm's, the user's own, and saved torch.export programs."""

import copy
import hashlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from ...artifacts.errors import UsageError
from ...artifacts.manifest import RANDOM, Weights, sha256
from ...cli.console import Console
from ...models import create_model, get_variant
from ...runtime.session import Session, TensorSpec
from ..input_spec import IMAGE, Shapes, Takes, image_size, resized, whole
from .flat_outputs import flatten, names_of
from .source import TIMM, Subject
from .user_code import first_line, load_factory
from .zoo import choose, load

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

FACTORY = "factory"  # the weights' source where the user's own module brings them


def from_zoo(
    model: str, console: Console, *, weights: str, seed: int, num_classes: int | None, shapes: Shapes
) -> Subject:
    """A name of `edgeport list`."""
    chosen = choose(model, weights, console)
    variant = chosen.checkpoint.variant if chosen and chosen.checkpoint else get_variant(model)
    size = image_size(shapes, model)
    preprocess = resized(variant, size) if size else variant
    module = create_model(model, num_classes=num_classes or variant.num_classes)
    if chosen:
        facts = load(module, model, chosen, num_classes, seed, console)
    else:
        facts = fill(module, model, "random", seed, preprocess.input_size, console)
    return subject(model, model, module, Takes.image(preprocess), facts, num_classes=num_classes, fuses=True)


def from_timm(
    model: str, console: Console, *, weights: str, seed: int, num_classes: int | None, shapes: Shapes
) -> Subject:
    """timm:NAME, preprocessed as the configuration of its pretrained weights says."""
    from .timm import load_timm

    module, preprocess = load_timm(model.removeprefix(TIMM), num_classes, image_size(shapes, model))
    facts = fill(module, model, weights, seed, preprocess.input_size, console)
    name = model.replace(":", "_").replace("/", "_")
    return subject(model, name, module, Takes.image(preprocess), facts, num_classes=num_classes)


def from_factory(model: str, console: Console, *, weights: str, seed: int, shapes: Shapes) -> Subject:
    """The user's own nn.Module, with the shapes that --input-shape gives."""
    if not shapes:
        raise UsageError(
            f"{model}: the input's shape is not known; give --input-shape C,H,W, "
            "or --input-shape NAME=1xCxHxW for each input"
        )
    module = load_factory(model)
    takes = Takes.of(parameters(module, shapes, model))
    if weights == "auto":
        facts = Weights(source=FACTORY, sha256=digest(module))
    elif takes.preprocess is None and weights == "random":
        raise UsageError(f"{model}: --weights random is for models that take one image; this one takes {takes}")
    else:
        size = takes.preprocess.input_size if takes.preprocess else (1, 1, 1)
        facts = fill(module, model, weights, seed, size, console)
    place, _, factory = model.rpartition(":")
    name = f"{Path(place).stem if place.endswith('.py') else place}_{factory}".replace(".", "_")
    return subject(model, name, module, takes, facts, assumed=takes.preprocess is not None)


def from_program(model: str, shapes: Shapes) -> Subject:
    """A program that torch.export.save wrote."""
    from ...exporters.frontends.exported_program import load_program

    module, inputs = load_program(Path(model), shapes)
    takes = Takes.of(tuple(TensorSpec(each.name, each.shape, each.dtype) for each in inputs))
    facts = Weights(source=model, sha256=sha256(Path(model)))
    return subject(model, Path(model).stem, module, takes, facts, assumed=takes.preprocess is not None)


def subject(
    model: str,
    name: str,
    module: "torch.nn.Module",
    takes: Takes,
    weights: Weights,
    *,
    num_classes: int | None = None,
    assumed: bool = False,
    fuses: bool = False,
) -> Subject:
    """The module with its outputs named and made flat; it has to run on zeros.

    `fuses`: what is exported is a copy of a zoo model whose training branches are fused; the reference keeps them. What
    a method `fuse` of another module does is not known. Raises UsageError.
    """
    import torch

    from ...exporters.frontends.fake_quant_modules import frozen
    from ...models import fuse

    module = frozen(module)
    shapes = [[dim or 1 for dim in spec.shape] for spec in takes.inputs]
    zeros = tuple(
        torch.zeros(shape, dtype=getattr(torch, spec.dtype)) for shape, spec in zip(shapes, takes.inputs, strict=True)
    )
    try:
        with torch.inference_mode():
            result = module(*zeros)
    except Exception as e:  # the module's own code, and any type of PyTorch's
        given = "an input of " * (len(takes.inputs) == 1)
        shown = " and ".join("x".join(map(str, s.shape[1:] if takes.preprocess else s.shape)) for s in takes.inputs)
        raise UsageError(f"the model does not run on {given}{shown}: {first_line(e)}") from e
    inputs = tuple(spec.name for spec in takes.inputs)
    outputs = names_of(result, inputs)
    flatten(module)

    def graph() -> "ir.Model":
        from ...exporters.frontends.torch_module import from_torch

        exported = module
        if fuses:
            tensors = (*module.parameters(), *module.buffers())
            exported = copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})  # but for the weights
            fuse(exported)
        return from_torch(exported, zeros, input_names=inputs, output_names=outputs, share_weights=True)

    def session() -> Session:
        from ...runtime.sessions.torch import TorchSession

        return TorchSession(module, takes.inputs, outputs, threads=1)

    return Subject(model, name, takes, weights, num_classes, outputs, graph, session, assumed)


def parameters(module: "torch.nn.Module", shapes: Shapes, model: str) -> tuple[TensorSpec, ...]:
    """The inputs in the order of `forward`'s parameters; names that are none of its parameters keep their own order."""
    wanted = {name or (IMAGE if len(whole(sizes)) == 4 else "input"): sizes for name, sizes in shapes.items()}
    if "" in shapes:
        if len(shapes) > 1:
            raise UsageError(f"{model}: of several inputs each needs its name: --input-shape NAME=1xCxHxW")
        wanted = {name: whole(sizes) for name, sizes in wanted.items()}
    known: list[str] = []
    open_ended = False
    for parameter in inspect.signature(module.forward).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name in wanted:
            raise UsageError(f"{model}: its forward takes {parameter.name!r} by keyword only; let it be positional")
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            known.append(parameter.name)
        open_ended |= parameter.kind is parameter.VAR_POSITIONAL
    names = list(wanted)
    if set(names) & set(known):
        names = [name for name in known if name in wanted]
        strange = sorted(wanted.keys() - set(names))
        if strange or names != known[: len(names)]:
            what = f"not {strange[0]!r}" if strange else f"and {names[-1]!r} needs those before it"
            raise UsageError(f"{model}: its forward takes {', '.join(known)}, {what}")
    elif len(names) > len(known) and not open_ended:
        raise UsageError(f"{model}: its forward takes {', '.join(known) or 'nothing'}, not {', '.join(names)}")
    return tuple(TensorSpec(name, wanted[name], "float32") for name in names)


def fill(
    module: "torch.nn.Module",
    model: str,
    weights: str,
    seed: int,
    input_size: tuple[int, int, int],
    console: Console,
) -> Weights:
    """Puts the weights in, and says loudly where they are random."""
    from ...models import load_weights, redraw

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
    import torch

    total = hashlib.sha256()
    tensors = {name: value for name, value in module.state_dict().items() if isinstance(value, torch.Tensor)}
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
