"""Model sources made of PyTorch modules: the zoo's, timm's, the user's own, and torch.export programs."""

import copy
import hashlib
import inspect
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...artifacts.code_place import line_of_error
from ...artifacts.digest import sha256_of_file
from ...artifacts.errors import UsageError, first_line, foreign_code
from ...artifacts.manifest import RANDOM, Weights
from ...artifacts.sizes import Size
from ...models import create_model, get_variant
from ...runtime.session import Session, TensorSpec
from ...tasks.registry import CLASSIFY
from ..input_spec import IMAGE, InputSpec, Shapes, image_size, resize_spec, with_batch
from ..progress import Progress
from .flat_outputs import EMBEDDING, ONLY, flatten_outputs, name_outputs
from .package_model import PackageModel
from .source import OWN_CODE, TIMM, TORCHVISION, TRANSFORMERS, ExampleInputs, ModelSource
from .stated_by_model import state_from_file, state_from_module
from .stated_task import state_labels, state_task
from .user_code import check_tensors, load_factory, user_code
from .zoo import AUTO, choose_weights, load_chosen

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch


def from_zoo(
    model: str,
    progress: Progress,
    *,
    weights: str,
    weights_key: str | None,
    seed: int,
    num_classes: int | None,
    shapes: Shapes,
) -> ModelSource:
    """A name of `edgeport list`."""
    chosen = choose_weights(model, weights, progress)
    variant = chosen.checkpoint.variant if chosen and chosen.checkpoint else get_variant(model)
    size = image_size(shapes, model)
    preprocess = resize_spec(variant, size) if size else variant
    module = create_model(model, num_classes=num_classes or variant.num_classes)
    if chosen:
        facts, said = load_chosen(module, model, chosen, progress, key=weights_key, num_classes=num_classes, seed=seed)
    else:
        facts, said = fill(module, model, progress, seed=seed, input_size=preprocess.input_size)
    if num_classes == 0:
        from ...models.headless import remove_classifier

        remove_classifier(module, lambda classes: create_model(model, num_classes=classes))
    spec = InputSpec.of_image(preprocess, "the zoo")
    return make_source(
        *(model, model, module, spec, facts),
        num_classes=num_classes,
        fuses=True,
        warnings=said,
        classifies=num_classes != 0,
    )


def from_timm(
    model: str,
    progress: Progress,
    *,
    weights: str,
    weights_key: str | None,
    seed: int,
    num_classes: int | None,
    shapes: Shapes,
) -> ModelSource:
    """timm:NAME, preprocessed as the configuration of its pretrained weights says."""
    from .timm import load_timm

    found = load_timm(model.removeprefix(TIMM), num_classes, image_size(shapes, model))
    return from_package(
        *(model, file_name(model), found, progress),
        weights=weights,
        weights_key=weights_key,
        seed=seed,
        num_classes=num_classes,
        classifies=bool(getattr(found.module, "num_classes", 0)),  # 0 where it gives features
    )


def from_torchvision(
    model: str,
    progress: Progress,
    *,
    weights: str,
    weights_key: str | None,
    seed: int,
    num_classes: int | None,
    shapes: Shapes,
) -> ModelSource:
    """torchvision:NAME, preprocessed as its default weights want it; with these where torch.hub has them already."""
    from .torchvision_models import load_torchvision

    found = load_torchvision(model.removeprefix(TORCHVISION), num_classes, image_size(shapes, model))
    options = {"weights": weights, "weights_key": weights_key, "seed": seed, "num_classes": num_classes}
    return from_package(model, file_name(model), found, progress, **options)


def from_transformers(
    model: str,
    progress: Progress,
    *,
    weights: str,
    weights_key: str | None,
    seed: int,
    num_classes: int | None,
    shapes: Shapes,
) -> ModelSource:
    """transformers:FOLDER, or the name of one that is in the cache of Hugging Face's hub."""
    from .transformers_models import load_transformers

    if num_classes is not None:
        raise UsageError(f"--num-classes is for models of the zoo, timm and torchvision; {model} has its own")
    found = load_transformers(model.removeprefix(TRANSFORMERS), image_size(shapes, model), random=weights != AUTO)
    options = {"weights": weights, "weights_key": weights_key, "seed": seed}
    return from_package(model, file_name(Path(model).name), found, progress, **options)


def from_package(
    model: str,
    name: str,
    found: PackageModel,
    progress: Progress,
    *,
    weights: str,
    weights_key: str | None,
    seed: int,
    num_classes: int | None = None,
    classifies: bool = False,
) -> ModelSource:
    """A package's model, with the weights that are asked for, or else those that the package has here."""
    if found.is_loaded:
        facts, said = Weights(source=str(found.weights), sha256=digest(found.module)), ()
    else:
        weights = str(found.weights) if weights == AUTO and found.weights else weights
        _, *size = next(iter(found.spec.shapes.values()))
        drawn = found.of_one_image if weights in (AUTO, "random") else None
        options = {"weights": weights, "key": weights_key, "seed": seed, "input_size": tuple(size)}
        facts, said = fill(drawn or found.module, model, progress, **options)
    options = {"num_classes": num_classes, "warnings": said, "classifies": classifies, "labels": found.labels}
    return make_source(model, name, found.module, found.spec, facts, **options)


def from_factory(
    model: str, progress: Progress, *, weights: str, weights_key: str | None, seed: int, shapes: Shapes
) -> ModelSource:
    """The user's own nn.Module, with the shapes that --input-shape gives."""
    from .torchvision_detectors import to_graph_module

    if not shapes:
        raise UsageError(
            f"{model}: the input's shape is not known; give --input-shape C,H,W, "
            "or --input-shape NAME=1xCxHxW for each input"
        )
    module, said = widen(load_factory(model))
    module = to_graph_module(module, model)
    taken = user_code(model, lambda: parameters(module, shapes, model))
    spec = state_from_module(InputSpec(taken), module, model)
    if weights == "auto":
        facts = Weights(source=OWN_CODE, sha256=digest(module))
    elif spec.image_size is None and weights == "random":
        raise UsageError(f"{model}: --weights random is for models that take one image; this one takes {spec}")
    else:
        size = spec.image_size or (1, 1, 1)
        facts, filled = fill(module, model, progress, weights=weights, key=weights_key, seed=seed, input_size=size)
        said += filled
    place, _, factory = model.rpartition(":")
    name = f"{Path(place).stem if place.endswith('.py') else place}_{factory}".replace(".", "_")
    return make_source(model, name, module, spec, facts, warnings=said)


def from_module(
    module: "torch.nn.Module", shapes: Shapes, example_inputs: ExampleInputs | None, name: str
) -> ModelSource:
    """A module in memory: a copy of it on the CPU, in eval mode; the module itself is left as it is.

    Raises UsageError where neither shapes nor example inputs are given, or it cannot be copied.
    """
    from .torchvision_detectors import to_graph_module

    copied, said = widen(copy_to_cpu(module))
    copied = to_graph_module(copied, name)
    if example_inputs is not None:
        if shapes:
            raise UsageError("give input_shape or example_inputs, not both")
        inputs = example_specs(copied, example_inputs, name)
    elif shapes:
        inputs = parameters(copied, shapes, name)
    else:
        raise UsageError(
            f"{name}: the input's shape is not known; give input_shape=(3, 224, 224), a dict of shapes, or "
            "example_inputs"
        )
    spec = state_from_module(InputSpec(inputs), copied, name)
    facts = Weights(source=OWN_CODE, sha256=digest(copied))
    return make_source(name, file_name(name), copied, spec, facts, warnings=said)


def widen(module: "torch.nn.Module") -> "tuple[torch.nn.Module, tuple[str, ...]]":
    """The module in float32, in place, and what has to be said of that; the precision of an artifact is its own."""
    tensors = (*module.parameters(), *module.buffers())
    others = {str(each.dtype).removeprefix("torch.") for each in tensors if each.is_floating_point()} - {"float32"}
    if not others:
        return module, ()
    said = f"weights of {' and '.join(sorted(others))} become float32, in which the model is exported and compared"
    return module.float(), (f"{said}; --precision is what the artifact computes in",)


def from_program_file(model: str, shapes: Shapes) -> ModelSource:
    """A program that torch.export.save wrote."""
    from ...exporters.frontends.exported_program import load_program

    module, inputs = load_program(Path(model), shapes)
    spec = InputSpec(tuple(TensorSpec(each.name, each.shape, each.dtype) for each in inputs))
    facts = Weights(source=model, sha256=sha256_of_file(Path(model)))
    source = make_source(model, Path(model).stem, module, state_from_file(spec, Path(model), model), facts)
    return replace(source, resized=lambda size: from_program_file(model, source.input_spec.resized(size).shapes))


def from_program(program: "torch.export.ExportedProgram", shapes: Shapes, name: str) -> ModelSource:
    """A torch.export program in memory."""
    from ...exporters.frontends.exported_program import open_program

    module, inputs = open_program(program, shapes, name)
    spec = InputSpec(tuple(TensorSpec(each.name, each.shape, each.dtype) for each in inputs))
    facts = Weights(source=OWN_CODE, sha256=digest(module))
    source = make_source(name, file_name(name), module, spec, facts)
    return replace(source, resized=lambda size: from_program(program, source.input_spec.resized(size).shapes, name))


def make_source(
    model: str,
    name: str,
    module: "torch.nn.Module",
    spec: InputSpec,
    weights: Weights,
    *,
    num_classes: int | None = None,
    fuses: bool = False,
    warnings: tuple[str, ...] = (),
    classifies: bool = False,
    labels: tuple[str, ...] = (),
) -> ModelSource:
    """The module with its outputs named and made flat; it has to run on zeros.

    `fuses`: what is exported is a copy of a zoo model whose training branches are fused; the reference keeps them. What
    a method `fuse` of another module does is not known. Raises UsageError.
    """
    from ...exporters.frontends.fake_quant_modules import frozen
    from ...models import fuse

    module = frozen(module)
    result, habits = try_out(module, spec)
    task = CLASSIFY if classifies else state_task(module)
    inputs = tuple(each.name for each in spec.inputs)
    outputs = name_outputs(result, inputs)
    if num_classes == 0 and outputs == (ONLY,):
        outputs = (EMBEDDING,)
    flatten_outputs(module)

    def graph(taken: InputSpec) -> "ir.Model":
        from ...exporters.frontends.torch_module import from_torch

        exported = module
        if fuses:
            tensors = (*module.parameters(), *module.buffers())
            exported = copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})  # but for the weights
            fuse(exported)
        zeros = make_zeros(taken)
        return from_torch(exported, zeros, input_names=inputs, output_names=outputs, share_weights=True)

    def session(taken: InputSpec) -> Session:
        from ...runtime.sessions.torch import TorchSession

        return TorchSession(module, taken.inputs, outputs, threads=1, widens=habits.widens, changes=habits.changes)

    def resized(size: Size) -> ModelSource:
        taken = spec.resized(size)
        run_on_zeros(module, taken, name_module=True)
        return replace(source, input_spec=taken, graph=partial(graph, taken), session=partial(session, taken))

    source = ModelSource(
        *(model, name, spec, weights, num_classes, outputs, partial(graph, spec), partial(session, spec)),
        warnings=(*warnings, *habits.words()),
        classifies=classifies or task == CLASSIFY,
        task="embed" if outputs == (EMBEDDING,) else task,
        labels=labels or state_labels(module),
        resized=resized,
    )
    return source


@dataclass(frozen=True)
class Habits:
    """What a module does when it runs that no artifact does.

    Attributes:
        widens: it computes in half precision in part.
        changes: the names of the buffers that it changes.
    """

    widens: bool
    changes: tuple[str, ...]

    def words(self) -> tuple[str, ...]:
        """What has to be said of them."""
        said = []
        if self.widens:
            said.append(
                "parts that the model computes in half precision are exported, and compared, in float32; --precision "
                "is what the artifact computes in"
            )
        if self.changes:
            said.append(
                f"the model changes {', '.join(map(repr, self.changes))} when it runs; an artifact keeps nothing from "
                "one run to the next, so each begins with the values of now: give such a state in, and take it out"
            )
        return tuple(said)


def try_out(module: "torch.nn.Module", spec: InputSpec) -> tuple[Any, Habits]:
    """(what the module returns for zeros, what it does that no artifact does). Raises UsageError."""
    import torch

    from ...runtime.sessions.torch import Widened, kept_buffers

    before = {name: (buffer, buffer._version, buffer.clone()) for name, buffer in module.named_buffers()}
    with kept_buffers(module, tuple(before)):
        widened = Widened()
        try:
            with widened:
                result = run_on_zeros(module, spec)
        except UsageError:  # it may be that it does not run within a mode
            widened, result = Widened(), run_on_zeros(module, spec)
        after = dict(module.named_buffers())
        changes = tuple(
            name
            for name, (buffer, version, value) in before.items()
            if after.get(name) is not buffer or buffer._version != version or not torch.equal(buffer, value)
        )
    return result, Habits(widened.count > 0, changes)


def make_zeros(spec: InputSpec) -> "tuple[torch.Tensor, ...]":
    """Inputs of nothing but zeros."""
    import torch

    shapes = [[dim or 1 for dim in each.shape] for each in spec.inputs]
    dtypes = [getattr(torch, each.dtype) for each in spec.inputs]
    return tuple(torch.zeros(shape, dtype=dtype) for shape, dtype in zip(shapes, dtypes, strict=True))


def run_on_zeros(module: "torch.nn.Module", spec: InputSpec, *, name_module: bool = False) -> Any:
    """What the module returns for them. Raises UsageError, which names the part that fails with `name_module`."""
    import torch

    def failed(e: BaseException) -> UsageError:
        return does_not_run(spec, e, find_failing(module, e) if name_module else "")

    with foreign_code(failed), torch.inference_mode():
        return module(*make_zeros(spec))


def find_failing(module: "torch.nn.Module", e: BaseException) -> str:
    """The innermost part of the module that was computing when the error came, by its path; "" for the whole."""
    names = {id(part): name for name, part in module.named_modules()}
    callers = (frame.f_locals.get("self") for frame, _ in traceback.walk_tb(e.__traceback__))
    found = [names[id(each)] for each in callers if id(each) in names]
    return found[-1] if found else ""


def does_not_run(spec: InputSpec, e: BaseException, part: str = "") -> UsageError:
    """What to say of a module that fails on its inputs, in that part of it."""
    given = "an input of " * (len(spec.inputs) == 1)
    shown = " and ".join("x".join(map(str, s.shape[1:] if spec.image_size else s.shape)) for s in spec.inputs)
    line = line_of_error(e)
    place = ", ".join([f"in {part!r}"] * bool(part) + ([f"at {Path(line[0]).name}:{line[1]}"] if line else []))
    place = f" ({place})" if place else ""
    kind = "" if isinstance(e, Exception) else f"{type(e).__name__}: "  # SystemExit says but a number
    return UsageError(f"the model does not run on {given}{shown}{place}: {kind}{first_line(e, 'no message')}")


def unwrap(module: "torch.nn.Module") -> "torch.nn.Module":
    """The module itself, without what torch.compile and data parallelism put around it."""
    import torch

    while True:
        inner = getattr(module, "_orig_mod", None)  # torch.compile
        if inner is None and isinstance(module, torch.nn.DataParallel | torch.nn.parallel.DistributedDataParallel):
            inner = module.module
        if inner is None:
            return module
        module = inner


def copy_to_cpu(module: "torch.nn.Module") -> "torch.nn.Module":
    """A copy of a module, on the CPU, in eval mode; its tensors keep their types.

    What torch.compile and data parallelism wrap is taken out. Raises UsageError where it cannot be copied.
    """
    import torch

    module = unwrap(module)
    if isinstance(module, torch.jit.ScriptModule):
        raise UsageError("a TorchScript module cannot be read by torch.export; give the nn.Module itself")
    check_tensors(f"the {type(module).__name__} given", dict(module.state_dict()))
    memo: dict[int, Any] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        twin = tensor.detach().to("cpu", copy=True)
        is_parameter = isinstance(tensor, torch.nn.Parameter)
        memo[id(tensor)] = torch.nn.Parameter(twin, requires_grad=False) if is_parameter else twin

    def failed(e: BaseException) -> UsageError:
        words = f"{type(e).__name__}: {first_line(e, 'no message')}"
        return UsageError(f"a {type(module).__name__} cannot be copied ({words})")

    with foreign_code(failed):
        return copy.deepcopy(module, memo).eval()


def example_specs(module: "torch.nn.Module", examples: ExampleInputs, model: str) -> tuple[TensorSpec, ...]:
    """The inputs that examples show: a tensor or array, a tuple of them, or a dict of them by name.

    The names of a tuple are those of `forward`'s parameters. Raises UsageError.
    """
    import numpy as np
    import torch

    if isinstance(examples, Mapping):
        given = examples
    else:
        several = examples if isinstance(examples, tuple | list) else (examples,)
        known = [
            p.name
            for p in inspect.signature(module.forward).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        names = [*known, *(f"input_{i}" for i in range(len(known), len(several)))][: len(several)]
        if len(several) == 1 and getattr(several[0], "ndim", 0) == 4:
            names = [IMAGE]
        given = dict(zip(names, several, strict=True))
    arrays = {}
    for name, value in given.items():
        if not isinstance(value, torch.Tensor | np.ndarray):
            raise UsageError(f"{model}: example_inputs must be tensors, {name!r} is a {type(value).__name__}")
        arrays[str(name)] = torch.as_tensor(value)
    shapes = {name: tuple(tensor.shape) for name, tensor in arrays.items()}
    specs = parameters(module, shapes, model)
    dtypes = {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in arrays.items()}
    floats = {"float16", "bfloat16", "float64"}
    return tuple(
        TensorSpec(each.name, each.shape, "float32" if dtypes[each.name] in floats else dtypes[each.name])
        for each in specs
    )


def file_name(name: str) -> str:
    """A name that a file can have."""
    kept = "".join(each if each.isalnum() or each in "-_" else "_" for each in name)
    return kept[:100] or "model"


def parameters(module: "torch.nn.Module", shapes: Shapes, model: str) -> tuple[TensorSpec, ...]:
    """The inputs in the order of `forward`'s parameters; names that are none of its parameters keep their own order."""
    wanted = {name or (IMAGE if len(with_batch(sizes)) == 4 else "input"): sizes for name, sizes in shapes.items()}
    if "" in shapes:
        if len(shapes) > 1:
            raise UsageError(f"{model}: of several inputs each needs its name: --input-shape NAME=1xCxHxW")
        wanted = {name: with_batch(sizes) for name, sizes in wanted.items()}
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
    progress: Progress,
    *,
    weights: str = "random",
    key: str | None = None,
    seed: int,
    input_size: tuple[int, int, int],
) -> tuple[Weights, tuple[str, ...]]:
    """Puts the weights in. Returns what they are, and what has to be said of them."""
    from ...models import redraw
    from ...models.weights import fit_weights

    if weights in ("auto", "random"):
        taken = InputSpec((TensorSpec(IMAGE, (1, *input_size), "float32"),))
        with foreign_code(lambda e: does_not_run(taken, e)):
            redraw(module, seed=seed, input_size=input_size)
        said = (
            f"{model} has RANDOM weights (seed {seed}): speed and agreement are real, its answers mean nothing; "
            "give a checkpoint with --weights"
        )
        return Weights(source=RANDOM, sha256=digest(module), seed=seed), (said,)
    loaded = fit_weights(module, weights, key=key)
    for note in loaded.notes:
        progress.note(note)
    return Weights(source=weights, sha256=sha256_of_file(Path(weights)), key=loaded.key), loaded.warnings


def digest(module: "torch.nn.Module") -> str:
    """The sha256 of all tensors of a module with their names."""
    import torch

    total = hashlib.sha256()
    tensors = {name: value for name, value in module.state_dict().items() if isinstance(value, torch.Tensor)}
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
