"""This file is the verb `validate`: an artifact is compared with its reference again."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.errors import UsageError
from ..artifacts.exit_codes import DISAGREES, DONE
from ..pipeline.options import PRECISIONS
from . import options
from .console import Console

if TYPE_CHECKING:
    from ..artifacts.manifest import Input, Manifest
    from ..pipeline.data.dataset import Inputs
    from ..pipeline.input_spec import Takes
    from ..pipeline.sources.source import Subject
    from ..runtime.compare import Agreement
    from ..runtime.session import Session

NAME, HELP = "validate", "compare an artifact with its reference"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", metavar="ARTIFACT", help="what `edgeport export` made, or a foreign one")
    parser.add_argument(
        "--reference",
        metavar="MODEL|FILE",
        help="instead of the model in the manifest: a MODEL as for export, or a file",
    )
    options.add_model(parser)
    parser.set_defaults(weights=None)
    options.add_validation(parser)
    parser.add_argument("--precision", choices=PRECISIONS, help="whose limits judge (default: the manifest's)")
    parser.add_argument(
        "--threads",
        type=options.positive,
        default=1,
        metavar="N",
        help="CPU threads of the artifact",
    )
    options.add_device(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    from ..runtime.compare import compare

    if args.device:
        from ..pipeline.device_validation import validate

        return validate(args, console)
    pair, seconds = opened(args, console), {}
    inputs = pair.inputs
    with console.stage(f"validate on {len(inputs)} inputs", seconds, "validate", len(inputs)) as advance:
        agreement = compare(pair.reference, pair.fed(pair.session), inputs.feeds(advance))
    value = result(pair, agreement, seconds, console)
    console.result(value, "\n".join(f"{key:20} {shown}" for key, shown in lines(value)))
    return DISAGREES if value["verdict"].startswith("fail") else DONE


@dataclass(frozen=True)
class Pair:
    """An artifact, its reference, and the inputs that they are compared on.

    Attributes:
        session: the artifact itself.
        fed: a session of the artifact -> the same, given normalised arrays whatever it takes.
        model, weights: what the reference is.
    """

    path: Path
    manifest: "Manifest | None"
    session: "Session"
    fed: "Callable[[Session], Session]"
    reference: "Session"
    model: str
    weights: str | None
    inputs: "Inputs"
    precision: str


def opened(args: argparse.Namespace, console: Console) -> Pair:
    """What the command line names. Raises UsageError, ArtifactError, ManifestError and what loading a model does."""
    from ..artifacts.manifest import Manifest
    from ..pipeline.reference import Probable, wants_probabilities
    from ..runtime.pixels import PixelFed, takes_image
    from ..runtime.session import manifest_path, open_session
    from ..targets import registry

    path = registry.artifact(args.artifact)
    session = open_session(path, threads=args.threads)
    beside = manifest_path(path)
    manifest = Manifest.read(beside) if beside.exists() else None
    reference, model, weights, takes = the_reference(args, manifest, console)
    if wants_probabilities(session, reference):
        reference = Probable(reference)
    inputs = inputs_of(args, manifest, takes, console)
    precision = args.precision or (manifest.precision if manifest else "fp32")
    pair = Pair(path, manifest, session, lambda each: each, reference, model, weights, inputs, precision)
    preprocess = takes.preprocess
    if not preprocess or not takes_image(session):
        return pair
    return replace(pair, fed=lambda each: PixelFed(each, preprocess), inputs=inputs.in_pixels(preprocess))


def result(pair: Pair, agreement: "Agreement", seconds: dict[str, float], console: Console) -> dict:
    """What `validate` prints."""
    from ..artifacts.manifest import Artifact
    from ..pipeline.describe import figures, partitions
    from ..runtime.benchmark import peak_rss_mb
    from ..runtime.compare import verdict
    from ..runtime.session import manifest_path
    from ..targets import registry

    path, manifest = pair.path, pair.manifest
    return {
        "model": pair.model,
        "weights": pair.weights,
        "target": manifest.target if manifest else registry.named(path),
        "precision": pair.precision,
        "artifact": str(path),
        "manifest": str(manifest_path(path)) if manifest else None,
        "size_bytes": Artifact.of(path).size_bytes,
        "agreement": figures(agreement),
        "emulated": pair.session.emulated,
        "seconds": seconds,
        "peak_rss_mb": peak_rss_mb(),
        "delegate_partitions": partitions(pair.session),
        "verdict": verdict(agreement, pair.precision, pair.reference, pair.inputs.feeds()),
        "warnings": console.warnings,
    }


def inputs_of(args: argparse.Namespace, manifest: "Manifest | None", takes: "Takes", console: Console) -> "Inputs":
    """What validates: not what has calibrated, and no more than was asked for."""
    from ..pipeline.data.dataset import to_validate

    if args.feeds and args.validation_data:
        raise UsageError("--feeds stands for --validation-data; give one or the other")
    count = args.num_validation_samples
    inputs = to_validate(takes, console, data=args.feeds or args.validation_data, count=count, seed=args.seed)
    if manifest and manifest.calibration:
        known = set(manifest.calibration.inputs)
        inputs = inputs.take(count + len(known)).without(known)
    return inputs.take(count)


def the_reference(
    args: argparse.Namespace, manifest: "Manifest | None", console: Console
) -> tuple["Session", str, str | None, "Takes"]:
    """(the session to compare with, what it is, its weights, what it takes)."""
    from ..pipeline.reference import reference
    from ..targets.registry import is_artifact

    if args.reference and is_artifact(args.reference) and not (manifest and args.reference == manifest.model):
        session, takes = artifact_as_reference(args.reference, manifest)
        return session, args.reference, None, takes
    subject = the_subject(args, manifest, console)
    return reference(subject), subject.model, str(subject.weights), subject.takes


def the_subject(args: argparse.Namespace, manifest: "Manifest | None", console: Console) -> "Subject":
    """The model of the manifest, or the one of --reference."""
    from ..pipeline.input_spec import named
    from ..pipeline.sources.source import load_subject
    from ..pipeline.sources.user_code import is_factory

    if manifest and args.reference in (None, manifest.model):
        if args.reference is None and is_factory(manifest.model):
            raise UsageError(f"{args.artifact}: was made by your code; to run it, give --reference {manifest.model}")
        return recorded_subject(args, manifest, console)
    if args.reference:
        return load_subject(
            args.reference,
            console,
            weights=args.weights or "auto",
            seed=args.seed,
            num_classes=args.num_classes,
            shapes=named(args.input_shape),
        )
    raise UsageError(f"{args.artifact}: has no manifest beside it; name what to compare with by --reference")


def recorded_subject(args: argparse.Namespace, manifest: "Manifest", console: Console) -> "Subject":
    """The model of the manifest with the same weights, to the bit. Raises UsageError where they cannot be had."""
    from ..artifacts.manifest import RANDOM
    from ..pipeline.input_spec import named
    from ..pipeline.sources.source import load_subject
    from ..pipeline.sources.torch_module import FACTORY

    made_from = manifest.weights
    own = {RANDOM: "random", FACTORY: "auto", manifest.model: "auto"}  # a file is its own weights
    weights = args.weights or own.get(made_from.source, made_from.source)
    subject = load_subject(
        manifest.model,
        console,
        weights=weights,
        seed=made_from.seed or 0,
        num_classes=manifest.num_classes,
        shapes=named(args.input_shape) or shapes_of(manifest.inputs),
    )
    if subject.weights.sha256 != made_from.sha256:
        again = "drawn again, they come out differently with this PyTorch on this machine"
        why = again if made_from.source == RANDOM else f"sha256 of {weights} is not the manifest's"
        raise UsageError(f"{args.artifact}: was not made from these weights ({why}); name them by --weights")
    return subject


def shapes_of(inputs: Sequence["Input"]) -> dict[str, tuple[int, ...]]:
    """The recorded shapes, as --input-shape would give them; the name of a single image is not told."""
    shapes = {spec.name: tuple(dim or 1 for dim in spec.shape) for spec in inputs}
    (first, *others) = shapes.values()
    return {"": first} if not others and len(first) == 4 else shapes


def artifact_as_reference(path: str, manifest: "Manifest | None") -> tuple["Session", "Takes"]:
    """(the session of a file, what it takes: images as the manifest says, or as ImageNet's)."""
    from ..models import PreprocessSpec
    from ..pipeline.input_spec import Takes
    from ..runtime.pixels import PixelFed, takes_image
    from ..runtime.session import TensorSpec, open_session

    session = open_session(path)
    if any(None in spec.shape[1:] for spec in session.inputs):
        raise UsageError(f"{path}: must take inputs of fixed sizes, it takes {[spec.shape for spec in session.inputs]}")
    spec, made = None, manifest.inputs[0] if manifest else None
    if made and made.mean and made.std and made.interpolation and made.crop_pct:
        spec = PreprocessSpec(mean=made.mean, std=made.std, interpolation=made.interpolation, crop_pct=made.crop_pct)
    is_image = takes_image(session)
    takes = Takes.of(
        tuple(
            TensorSpec(each.name, tuple(dim or 1 for dim in each.shape), "float32" if is_image else each.dtype)
            for each in session.inputs
        ),
        spec,
    )
    return (PixelFed(session, takes.preprocess) if takes.preprocess and is_image else session), takes


def lines(value: dict) -> list[tuple[str, str]]:
    """The result for people."""
    agreement = {key: f"{figure:.6g}" for key, figure in value["agreement"].items() if figure is not None}
    shown = {key: str(value[key]) for key in ("artifact", "model", "weights", "precision") if value[key]}
    return [*shown.items(), *agreement.items(), ("verdict", value["verdict"])]
