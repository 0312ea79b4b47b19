"""This file is the second half of `export`, one target's own: lower, check, time, describe, publish."""

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
from .preparation import INPUT, Prepared, quantized, reference
from .targets import Target

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Draft:
    """An artifact in the staging folder, checked and described."""

    manifest: Manifest
    session: Session
    seconds: dict[str, float]


def build(job: Job, target: Target, prepared: Prepared, staging: Staging, console: Console) -> list[Result]:
    """Makes and publishes the artifacts of one target; the one that was asked for comes last."""
    shared = dict(prepared.seconds)
    graphs = {"fp32": prepared.graph}
    if prepared.calibration:
        graphs["int8"] = quantized(prepared.graph, target.scheme, prepared.calibration, console, shared)
    drafts = {
        precision: draft(job, target, precision, graphs[precision], prepared, staging, console, dict(shared))
        for precision in job.precisions
    }
    latencies = timed(job, drafts, prepared, console) if job.benchmark else {}
    for made in drafts.values():
        made.session.close()
    publish([made.manifest for made in drafts.values()], staging)
    return [
        result(job, made, latencies.get(precision), latencies.get("fp32"), prepared, staging.destination)
        for precision, made in drafts.items()
    ]


def draft(
    job: Job,
    target: Target,
    precision: str,
    graph: "ir.Model",
    prepared: Prepared,
    staging: Staging,
    console: Console,
    seconds: dict[str, float],
) -> Draft:
    """One artifact, lowered and compared with PyTorch."""
    facts = embedded(prepared.subject, precision, prepared.described_calibration if precision == "int8" else None)
    with console.stage(f"lower {precision}", seconds, "lower"):
        content = target.lower(graph, job.input_layout, facts)
    with console.stage(f"write {precision}", seconds, "write"):
        path = staging.write(f"{prepared.subject.name}_{precision}{target.suffix}", content)
    del content
    session = open_session(path, threads=job.threads)
    agreement = validated(session, precision, prepared, console, seconds) if job.validate else None
    return Draft(manifest(job, prepared, target, precision, path, session, agreement), session, seconds)


def validated(
    session: Session, precision: str, prepared: Prepared, console: Console, seconds: dict[str, float]
) -> Agreement:
    """How the artifact agrees with PyTorch."""
    count = len(prepared.validation)
    with console.stage(f"validate {precision} on {count} inputs", seconds, "validate", count) as advance:
        return compare(reference(prepared.subject), session, prepared.validation.feeds(INPUT, advance))


def timed(job: Job, drafts: dict[str, Draft], prepared: Prepared, console: Console) -> dict[str, Latency]:
    """The latency of each, side by side."""
    feeds = [{INPUT: array} for array in prepared.validation.take(4)]
    sessions = {precision: made.session for precision, made in drafts.items()}
    with console.stage(f"benchmark, {job.num_runs} runs", drafts[job.precision].seconds, "benchmark"):
        return benchmark(sessions, feeds, runs=job.num_runs, warmup=job.warmup_runs)


def publish(manifests: list[Manifest], staging: Staging) -> None:
    """Moves the artifacts and their manifests to where they belong; a former manifest never lies beside a new file."""
    names = [each.artifact.file for each in manifests]
    beside = [manifest_path(Path(name)).name for name in names]
    for name, each in zip(beside, manifests, strict=True):
        staging.write(name, each.to_bytes())
    staging.publish([*names, *beside], first_remove=beside)


def result(
    job: Job, made: Draft, latency: Latency | None, twin: Latency | None, prepared: Prepared, folder: Path
) -> Result:
    """What is told of one artifact; `twin` is the latency of the float one."""
    path = folder / made.manifest.artifact.file
    return Result(
        model=job.model,
        weights=str(prepared.subject.weights),
        target=job.target,
        precision=made.manifest.precision,
        artifact=str(path),
        manifest=str(manifest_path(path)),
        size_bytes=made.manifest.artifact.size_bytes,
        agreement=made.manifest.agreement,
        latency=dataclasses.asdict(latency) if latency else None,
        ratio=latency.median_ms / twin.median_ms if latency and twin else None,
        seconds=made.seconds,
        peak_rss_mb=peak_rss_mb(),
        delegate_partitions=made.manifest.delegate_partitions,
        verdict=made.manifest.verdict,
    )
