"""Describes an artifact: the facts inside it, and the manifest beside it."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from ..artifacts.check import manifest_path
from ..artifacts.manifest import Artifact, Input, Manifest, Output, finite
from ..artifacts.sizes import SizeCheck
from ..models.preprocess_facts import to_facts
from ..runtime.agreement import Agreement
from ..runtime.compare import pair_names
from ..runtime.cpu import cpu_name
from ..runtime.noise_gain import verdict_with_cause
from ..runtime.session import Delegating, Session
from ..runtime.session_wrappers import bare_session
from ..targets.registry import installed_version, tool_versions
from ..targets.target import STATIC, Recipe, Target
from ..tasks.agreement import TaskAgreement
from .answers import embedded_task, judge_answers, make_record
from .any_batch import SIZES
from .open_sizes import judge_sizes
from .prepare import Prepared
from .results import agreement_figures

NOT_VALIDATED = "not validated"


def embedded_facts(prepared: Prepared, precision: str) -> dict[str, Any]:
    """The facts that go into the artifact itself. No paths of this machine: the same model gives the same bytes."""
    source, calibration = prepared.source, prepared.calibration_record if precision in STATIC else None
    weights = dataclasses.asdict(source.weights) | {"source": Path(source.weights.source).name}
    return {
        "edgeport": installed_version("edgeport"),
        "model": finite(source.name),
        "weights": finite(weights),
        "precision": precision,
        "preprocess": to_facts(source.input_spec.preprocess) or None,
        **({"origin": source.origin} if source.origin else {}),
        "labels": prepared.labels,
        **({"sizes": dataclasses.asdict(prepared.sizes)} if prepared.sizes else {}),
        **({"task": task} if (task := embedded_task(prepared.meaning)) else {}),
        "calibration": calibration
        and {"count": calibration.count, "real_images": not calibration.warning, "warning": calibration.warning},
    }


def make_manifest(
    target: Target,
    recipe: Recipe,
    prepared: Prepared,
    path: Path,
    session: Session,
    agreement: Agreement | None,
    answers: TaskAgreement | None = None,
    pictures: str | None = None,
    checks: tuple[SizeCheck, ...] = (),
) -> Manifest:
    """The facts of the artifact at `path`, which `session` runs; `pictures` is the name of a file beside it."""
    judged = judge_prepared(prepared, target, recipe.precision, agreement, answers) if agreement else NOT_VALIDATED
    source, validation, labels = prepared.source, prepared.validation, prepared.labels
    quantized, layout = recipe.precision in STATIC, target.layout(recipe)
    agreements = _output_agreements(prepared, session, agreement)
    preprocessing = to_facts(source.input_spec.preprocess)
    return Manifest(
        model=source.model,
        num_classes=source.num_classes,
        weights=source.weights,
        target=target.name,
        precision=recipe.precision,
        inputs=tuple(
            Input(
                name=spec.name,
                shape=spec.shape,
                layout=layout if len(spec.shape) == 4 else None,
                dtype=spec.dtype,
                **preprocessing,
            )
            for spec in session.inputs
        ),
        outputs=tuple(
            Output(
                name=spec.name,
                shape=spec.shape,
                dtype=spec.dtype,
                labels=_labels_of(spec.shape, labels),
                **agreements.get(spec.name, {}),
            )
            for spec in session.outputs
        ),
        profile=recipe.profile.name if recipe.precision in recipe.profile.precisions else None,
        calibration=prepared.calibration_record if quantized else None,
        quantized_by=prepared.quantized_by if quantized else None,
        options=dict(recipe.options),
        beyond_float16=dict(recipe.beyond_float16),
        activations=_activations(target, recipe, path),
        tools=tool_versions(target),
        artifact=Artifact.of(path),
        agreement=agreement_figures(agreement),
        validation=f"{validation.source}, {len(validation)} inputs" if agreement else None,
        cpu=cpu_name() if agreement else None,
        delegate_partitions=delegate_partitions(session),
        batches=tuple(sorted(SIZES)) if recipe.any_batch else (),
        sizes=recipe.sizes,
        size_checks=checks,
        verdict=judge_sizes(judged, checks),
        task=make_record(
            *(prepared.meaning, answers, prepared.reference, session, pictures),
            prepared.suppression if recipe.suppression else None,
        ),
    )


def _activations(target: Target, recipe: Recipe, path: Path) -> dict[str, int]:
    """{type: how many tensors are computed in it}, where there may be two types of integers."""
    if recipe.precision not in STATIC or recipe.profile.load_int16_kernels is None or target.read_contents is None:
        return {}
    return target.read_contents(path).count_activations()


def judge_prepared(
    prepared: Prepared, target: Target, precision: str, agreement: Agreement, answers: TaskAgreement | None
) -> str:
    """The verdict on the numbers and on the answers."""
    limits = target.limits_of(precision)
    numbers = verdict_with_cause(agreement, limits, prepared.reference, prepared.validation.feeds, prepared.kinds)
    if not answers:
        return numbers
    given = prepared.reference, prepared.validation, prepared.kinds, prepared.meaning
    return judge_answers(numbers, *given, answers, precision)


def _output_agreements(prepared: Prepared, session: Session, agreement: Agreement | None) -> dict[str, dict[str, Any]]:
    """{output of the artifact: its kind, and how it agrees}, of those that the reference has, too."""
    pairs = pair_names("outputs", prepared.reference, session)
    compared = {output.name: output for output in agreement.outputs} if agreement else {}
    found: dict[str, dict[str, Any]] = {}
    for name, own in pairs.items():
        if name in compared:
            found[own] = {"kind": compared[name].kind, "agreement": agreement_figures(compared[name])}
        elif name in prepared.kinds:
            found[own] = {"kind": prepared.kinds[name].name}
    return found


def _labels_of(shape: tuple[int | None, ...], labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The labels, for an output that has one number for each."""
    return labels if labels and shape[-1:] == (len(labels),) else None


def delegate_partitions(session: Session) -> int | None:
    """How many partitions a delegate made, for the formats that have one."""
    bare = bare_session(session)
    return bare.delegate_partitions() if isinstance(bare, Delegating) else None


def read_manifest(path: Path, session: Session) -> Manifest | None:
    """The manifest beside an artifact that is open; None where there is none. Raises ManifestError."""
    beside = manifest_path(path)
    if not os.path.lexists(beside):
        return None
    manifest = Manifest.read(beside)
    manifest.check_ports([spec.name for spec in session.inputs], [spec.name for spec in session.outputs], path)
    return manifest
