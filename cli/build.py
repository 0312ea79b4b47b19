"""This file is the second half of `export`, one target's own: quantise, lower, check, time, describe, publish."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..exporters.atomic import Staging
from ..exporters.manifest import Manifest
from ..runtime.benchmark import Latency, benchmark, peak_rss_mb
from ..runtime.compare import Agreement, compare
from ..runtime.session import Session, manifest_path, open_session
from .console import Console
from .description import embedded, manifest
from .job import Job, Result
from .pixels import PixelFed, takes_image
from .preparation import NUM_CORRECTING, OBSERVER, Prepared
from .targets import Recipe, Target

if TYPE_CHECKING:
    import onnx_ir as ir

COREML_TARGET = "iOS17"  # the first with int8 activations


@dataclass(frozen=True)
class Draft:
    """An artifact in the staging folder, checked and described."""

    manifest: Manifest
    session: Session
    seconds: dict[str, float]


def build(job: Job, target: Target, prepared: Prepared, staging: Staging, console: Console) -> tuple[Result, ...]:
    """Makes and publishes the artifacts of one target; the one that was asked for comes last."""
    drafts = {
        precision: draft(job, target, precision, prepared, staging, console, dict(prepared.seconds))
        for precision in job.precisions
    }
    latencies = timed(job, target, drafts, prepared, console) if job.benchmark else {}
    for made in drafts.values():
        made.session.close()
    publish([made.manifest for made in drafts.values()], staging)
    return tuple(
        result(job, made, latencies.get(precision), latencies.get("fp32"), staging.destination)
        for precision, made in drafts.items()
    )


def draft(
    job: Job,
    target: Target,
    precision: str,
    prepared: Prepared,
    staging: Staging,
    console: Console,
    seconds: dict[str, float],
) -> Draft:
    """One artifact, lowered and compared with the reference."""
    recipe = Recipe(
        precision=precision,
        metadata=embedded(prepared, precision),
        input_layout=job.input_layout,
        image_input=job.image_input,
        coreml_target=job.coreml_target or COREML_TARGET,
    )
    what, name = f"{target.name} {precision}", f"{prepared.subject.name}_{precision}{target.ending}"
    graph = prepared.graph
    if precision == "int8":
        make = carried if prepared.carries else quantized
        graph = make(target, prepared, console, seconds)
    with console.stage(f"{what}: lower", seconds, "lower"), staging.making(name) as path:
        target.write(graph, path, recipe)
    with console.stage(f"{what}: write", seconds, "write"):
        staging.sync(name)
    session = opened(path, job, prepared)
    agreement = validated(session, what, prepared, console, seconds) if job.validate else None
    return Draft(manifest(target, recipe, prepared, path, session, agreement), session, seconds)


def quantized(target: Target, prepared: Prepared, console: Console, seconds: dict[str, float]) -> "ir.Model":
    """The graph with int8 written into it, by the target's scheme from the statistics that all targets share.

    Biases are corrected for what the target rounds: corrected for another one they are worse than not at all (a
    MobileViT-XS for OpenVINO: 26.9 dB, 21.8 with TFLite's biases, 24.5 with none corrected).
    """
    from .. import quantize

    assert prepared.statistics is not None
    assert prepared.calibration is not None
    scheme, inputs = getattr(quantize, target.scheme), prepared.calibration.take(NUM_CORRECTING)
    with console.stage(f"{target.name}: plan int8", seconds, "calibrate"):
        rewritten, statistics = scheme.rewrite(prepared.graph, prepared.statistics)
        plan = quantize.plan(rewritten, statistics, scheme, observer=OBSERVER)
        graph = rewritten
    if prepared.effort == "high":
        with console.stage(f"{target.name}: round the weights", seconds, "calibrate", len(inputs)) as advance:
            graph = quantize.round_weights(graph, plan, inputs.feeds(), progress=advance)
    if prepared.effort != "fast":
        with console.stage(f"{target.name}: correct the biases", seconds, "calibrate"):
            graph = quantize.correct_biases(graph, plan, inputs.feeds(), reference=rewritten)
    return quantize.apply(graph, plan)


def carried(target: Target, prepared: Prepared, console: Console, seconds: dict[str, float]) -> "ir.Model":
    """The graph with the quantisation that the model brought along, as the target's scheme writes it."""
    from .. import quantize

    with console.stage(f"{target.name}: carry int8 through", seconds, "calibrate"):
        graph, said = quantize.carry(prepared.graph, getattr(quantize, target.scheme))
    for sentence in said:
        console.warn(sentence)
    return graph


def opened(path: Path, job: Job, prepared: Prepared) -> Session:
    """The artifact's session, fed with normalised arrays whatever it takes."""
    session = open_session(path, threads=job.threads)
    preprocess = prepared.subject.takes.preprocess
    return PixelFed(session, preprocess) if preprocess and takes_image(session) else session


def validated(
    session: Session, what: str, prepared: Prepared, console: Console, seconds: dict[str, float]
) -> Agreement:
    """How the artifact agrees with the reference."""
    count = len(prepared.validation)
    with console.stage(f"{what}: validate on {count} inputs", seconds, "validate", count) as advance:
        return compare(prepared.reference, session, prepared.validation.feeds(advance))


def timed(
    job: Job, target: Target, drafts: dict[str, Draft], prepared: Prepared, console: Console
) -> dict[str, Latency]:
    """The latency of each, side by side; of none that is emulated here."""
    sessions = {precision: made.session for precision, made in drafts.items() if not made.session.emulated}
    if not sessions:
        return {}
    feeds = list(prepared.validation.take(4))
    with console.stage(f"{target.name}: benchmark, {job.num_runs} runs", drafts[job.precision].seconds, "benchmark"):
        return benchmark(sessions, feeds, runs=job.num_runs, warmup=job.warmup_runs)


def publish(manifests: list[Manifest], staging: Staging) -> None:
    """Moves the artifacts and their manifests to where they belong; a former manifest never lies beside a new file."""
    names = [each.artifact.file for each in manifests]
    beside = [manifest_path(Path(name)).name for name in names]
    for name, each in zip(beside, manifests, strict=True):
        staging.write(name, each.to_bytes())
    staging.publish([*names, *beside], first_remove=beside)


def result(job: Job, made: Draft, latency: Latency | None, twin: Latency | None, folder: Path) -> Result:
    """What is told of one artifact; `twin` is the latency of the float one."""
    facts = made.manifest
    path = folder / facts.artifact.file
    return Result(
        model=job.model,
        weights=str(facts.weights),
        target=facts.target,
        precision=facts.precision,
        artifact=str(path),
        manifest=str(manifest_path(path)),
        size_bytes=facts.artifact.size_bytes,
        agreement=facts.agreement,
        latency=dataclasses.asdict(latency) if latency else None,
        ratio=latency.median_ms / twin.median_ms if latency and twin else None,
        emulated=made.session.emulated,
        seconds=made.seconds,
        peak_rss_mb=peak_rss_mb(),
        delegate_partitions=facts.delegate_partitions,
        verdict=facts.verdict,
    )
