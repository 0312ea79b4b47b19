"""This file is the verb `validate`: an artifact is compared with its reference again."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import options
from .console import Console
from .exit_codes import DISAGREES, DONE, UsageError
from .job import PRECISIONS

if TYPE_CHECKING:
    from ..exporters.manifest import Input, Manifest
    from ..models import PreprocessSpec
    from ..runtime.session import Session, TensorSpec
    from .subject import Subject

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


def run(args: argparse.Namespace, console: Console) -> int:
    from ..exporters.manifest import Artifact, Manifest
    from ..runtime.benchmark import peak_rss_mb
    from ..runtime.compare import compare, judge
    from ..runtime.session import manifest_path, open_session
    from . import targets
    from .description import figures, partitions
    from .inputs import to_validate
    from .pixels import PixelFed, takes_image

    path = targets.artifact(args.artifact)
    candidate = open_session(path, threads=args.threads)
    beside = manifest_path(path)
    manifest = Manifest.read(beside) if beside.exists() else None
    reference, model, weights, preprocess = the_reference(args, manifest, console)
    count, seconds = args.num_validation_samples, {}
    inputs = to_validate(preprocess, console, data=args.validation_data, count=count, seed=args.seed)
    if takes_image(candidate):
        candidate, inputs = PixelFed(candidate, preprocess), inputs.in_pixels(preprocess)
    if manifest and manifest.calibration:
        known = set(manifest.calibration.inputs)
        inputs = inputs.take(count + len(known)).without(known)
    inputs = inputs.take(count)
    name = reference.inputs[0].name
    with console.stage(f"validate on {len(inputs)} inputs", seconds, "validate", len(inputs)) as advance:
        agreement = compare(reference, candidate, inputs.feeds(name, advance))
    precision = args.precision or (manifest.precision if manifest else "fp32")
    value = {
        "model": model,
        "weights": weights,
        "target": manifest.target if manifest else targets.named(path),
        "precision": precision,
        "artifact": str(path),
        "manifest": str(beside) if manifest else None,
        "size_bytes": Artifact.of(path).size_bytes,
        "agreement": figures(agreement),
        "emulated": candidate.emulated,
        "seconds": seconds,
        "peak_rss_mb": peak_rss_mb(),
        "delegate_partitions": partitions(path),
        "verdict": judge(agreement, precision),
        "warnings": console.warnings,
    }
    console.result(value, "\n".join(f"{key:20} {shown}" for key, shown in lines(value)))
    return DISAGREES if value["verdict"].startswith("fail") else DONE


def the_reference(
    args: argparse.Namespace, manifest: "Manifest | None", console: Console
) -> tuple["Session", str, str | None, "PreprocessSpec"]:
    """(the session to compare with, what it is, its weights, how images become its inputs)."""
    from .reference import reference
    from .subject import is_factory, load_subject
    from .targets import is_artifact

    if args.reference and is_artifact(args.reference):
        session, preprocess = artifact_as_reference(args.reference, manifest)
        return session, args.reference, None, preprocess
    if manifest and args.reference in (None, manifest.model):
        if args.reference is None and is_factory(manifest.model):
            raise UsageError(f"{args.artifact}: was made by your code; to run it, give --reference {manifest.model}")
        subject = recorded_subject(args, manifest, console)
    elif args.reference:
        subject = load_subject(
            args.reference,
            console,
            weights=args.weights or "auto",
            seed=args.seed,
            num_classes=args.num_classes,
            input_shape=args.input_shape,
        )
    else:
        raise UsageError(f"{args.artifact}: has no manifest beside it; name what to compare with by --reference")
    return reference(subject), subject.model, str(subject.weights), subject.preprocess


def recorded_subject(args: argparse.Namespace, manifest: "Manifest", console: Console) -> "Subject":
    """The model of the manifest with the same weights, to the bit. Raises UsageError where they cannot be had."""
    from ..exporters.manifest import RANDOM
    from .subject import FACTORY, load_subject

    made_from = manifest.weights
    weights = args.weights or {RANDOM: "random", FACTORY: "auto"}.get(made_from.source, made_from.source)
    subject = load_subject(
        manifest.model,
        console,
        weights=weights,
        seed=made_from.seed or 0,
        num_classes=manifest.num_classes,
        input_shape=image_size(manifest.inputs, args.artifact),
    )
    if subject.weights.sha256 != made_from.sha256:
        again = "drawn again, they come out differently with this PyTorch on this machine"
        why = again if made_from.source == RANDOM else f"sha256 of {weights} is not the manifest's"
        raise UsageError(f"{args.artifact}: was not made from these weights ({why}); name them by --weights")
    return subject


def artifact_as_reference(path: str, manifest: "Manifest | None") -> tuple["Session", "PreprocessSpec"]:
    """(the session of a file, how images become its inputs: as the manifest says, or as ImageNet's)."""
    from ..models import PreprocessSpec
    from ..runtime.session import open_session
    from .pixels import PixelFed, takes_image
    from .subject import resized

    session = open_session(path)
    size = image_size(session.inputs, path)
    spec = resized(PreprocessSpec(), size)
    if manifest is not None:
        made = manifest.inputs[0]
        spec = PreprocessSpec(
            input_size=size, mean=made.mean, std=made.std, interpolation=made.interpolation, crop_pct=made.crop_pct
        )
    return (PixelFed(session, spec) if takes_image(session) else session), spec


def image_size(inputs: Sequence["TensorSpec | Input"], path: str) -> tuple[int, int, int]:
    """(c, h, w) of the one image that a model takes. Raises UsageError where it takes something else."""
    shape = inputs[0].shape
    if len(inputs) != 1 or len(shape) != 4 or None in shape[1:]:
        raise UsageError(f"{path}: must take one image of a fixed size, it takes {[spec.shape for spec in inputs]}")
    _, channels, height, width = (dim or 1 for dim in shape)
    return channels, height, width


def lines(value: dict) -> list[tuple[str, str]]:
    """The result for people."""
    agreement = {key: f"{figure:.6g}" for key, figure in value["agreement"].items() if figure is not None}
    shown = {key: str(value[key]) for key in ("artifact", "model", "weights", "precision") if value[key]}
    return [*shown.items(), *agreement.items(), ("verdict", value["verdict"])]
