"""This file describes an artifact: the facts inside it, and the manifest beside it."""

import dataclasses
from pathlib import Path
from typing import Any

from ..artifacts.manifest import Artifact, Input, Manifest, Output
from ..runtime.compare import Agreement, verdict
from ..runtime.pixels import PixelFed
from ..runtime.session import Session
from ..runtime.sessions.tflite import TFLiteSession
from ..targets.registry import Recipe, Target, installed, tools
from .prepare import Prepared
from .sources.source import Subject

NOT_VALIDATED = "not validated"


def embedded(prepared: Prepared, precision: str) -> dict[str, Any]:
    """The facts that go into the artifact itself. No paths of this machine: the same model gives the same bytes."""
    subject, calibration = prepared.subject, prepared.described_calibration if precision == "int8" else None
    weights = dataclasses.asdict(subject.weights) | {"source": Path(subject.weights.source).name}
    return {
        "edgeport": installed("edgeport"),
        "model": subject.name,
        "weights": weights,
        "precision": precision,
        "preprocess": preprocessing(subject) or None,
        **({"origin": subject.origin} if subject.origin else {}),
        "labels": prepared.labels,
        "calibration": calibration
        and {"count": calibration.count, "real_images": not calibration.warning, "warning": calibration.warning},
    }


def preprocessing(subject: Subject) -> dict[str, Any]:
    """How an image becomes the input, in the words of manifest.Input; empty where the model takes no image."""
    spec = subject.takes.preprocess
    from ..models.preprocess import cover

    if spec is None:
        return {}
    return {
        "mean": spec.mean,
        "std": spec.std,
        "resize": cover(spec),
        "crop": spec.input_size[1:],
        "crop_pct": spec.crop_pct,
        "interpolation": spec.interpolation,
    }


def manifest(
    target: Target, recipe: Recipe, prepared: Prepared, path: Path, session: Session, agreement: Agreement | None
) -> Manifest:
    """The facts of the artifact at `path`, which `session` runs."""
    subject, validation, labels = prepared.subject, prepared.validation, prepared.labels
    quantized, layout = recipe.precision == "int8", target.layout(recipe)
    return Manifest(
        model=subject.model,
        num_classes=subject.num_classes,
        weights=subject.weights,
        target=target.name,
        precision=recipe.precision,
        inputs=tuple(
            Input(
                name=spec.name,
                shape=spec.shape,
                layout=layout if len(spec.shape) == 4 else None,
                dtype=spec.dtype,
                **preprocessing(subject),
            )
            for spec in session.inputs
        ),
        outputs=tuple(
            Output(name=spec.name, shape=spec.shape, dtype=spec.dtype, labels=labels_of(spec.shape, labels))
            for spec in session.outputs
        ),
        scheme=target.profiles[recipe.profile].lower() if quantized else None,
        calibration=prepared.described_calibration if quantized else None,
        plain_operators=recipe.plain_operators and target.name == "tflite",
        deployment_target=recipe.coreml_target if target.name == "coreml" else None,
        tools=tools(target),
        artifact=Artifact.of(path),
        agreement=figures(agreement),
        validation=f"{validation.source}, {len(validation)} inputs" if agreement else None,
        delegate_partitions=partitions(session),
        verdict=verdict(agreement, recipe.precision, prepared.reference, validation.feeds())
        if agreement
        else NOT_VALIDATED,
    )


def labels_of(shape: tuple[int | None, ...], labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The labels, for an output that has one number for each."""
    return labels if labels and shape[-1:] == (len(labels),) else None


def figures(agreement: Agreement | None) -> dict[str, float | None] | None:
    """The numbers of an agreement; why they cannot be believed is the verdict's to say."""
    if agreement is None:
        return None
    return {key: value for key, value in dataclasses.asdict(agreement).items() if key != "problem"}


def partitions(session: Session) -> int | None:
    """Delegate partitions, for the one format that has them."""
    bare = session.bare if isinstance(session, PixelFed) else session
    return bare.delegate_partitions() if isinstance(bare, TFLiteSession) else None
