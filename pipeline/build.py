"""This file is the second half of `export`, one target's own: quantise, lower, check, time, describe, publish."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.manifest import Manifest
from ..artifacts.staging import Staging
from ..cli.console import Console
from ..runtime.benchmark import Latency, benchmark, peak_rss_mb
from ..runtime.compare import Agreement, compare
from ..runtime.pixels import normalisation, opened, to_time
from ..runtime.session import Session, manifest_path
from ..targets.registry import Recipe, Target
from . import accuracy_search
from .describe import embedded, manifest
from .int8 import Int8
from .options import WEIGHTS_ONLY, Job, Result, Spent
from .prepare import Prepared

if TYPE_CHECKING:
    import onnx_ir as ir

COREML_TARGET = "iOS17"  # the first with int8 activations


@dataclass(frozen=True)
class Draft:
    """An artifact in the staging folder, checked and described."""

    manifest: Manifest
    session: Session
    seconds: dict[str, float]


def build(
    job: Job, target: Target, prepared: Prepared, staging: Staging, console: Console
) -> tuple[tuple[Result, ...], Spent | None]:
    """Makes and publishes the artifacts of one target; the one that was asked for comes last."""
    drafts: dict[str, Draft] = {}
    spent = None
    for precision in job.precisions:
        seconds = dict(prepared.seconds)
        if precision != "int8":
            graph = prepared.in_weights_only if precision in WEIGHTS_ONLY else prepared.graph
            how = recipe(job, target, prepared, precision)
            drafts[precision] = draft(job, target, how, graph, prepared, staging, console, seconds)
        elif prepared.carries:
            graph = carried(target, prepared, console, seconds)
            how = recipe(job, target, prepared, precision)
            drafts[precision] = draft(job, target, how, graph, prepared, staging, console, seconds)
        else:
            twin = drafts["fp32"].session if "fp32" in drafts else None
            int8 = Int8(target, prepared, console, seconds)
            drafts[precision], spent = quantized(job, int8, twin, staging)
    latencies = timed(job, target, drafts, prepared, console) if job.benchmark else {}
    for made in drafts.values():
        made.session.close()
    publish([made.manifest for made in drafts.values()], staging)
    return tuple(
        result(job, made, latencies.get(precision), latencies.get("fp32"), staging.destination)
        for precision, made in drafts.items()
    ), spent


def quantized(job: Job, int8: Int8, twin: Session | None, staging: Staging) -> tuple[Draft, Spent | None]:
    """The int8 artifact, within its budget where there is one; `twin` is its float one's session."""
    target, prepared, console = int8.target, int8.prepared, int8.console
    how = recipe(job, target, prepared, "int8", normalises=not int8.reads_pixels)
    if prepared.judge is None:
        kept = int8.named(job.keep_float)
        made = draft(job, target, how, int8.graph(kept), prepared, staging, console, int8.seconds)
        return dataclasses.replace(
            made, manifest=dataclasses.replace(made.manifest, kept_float=tuple(sorted(kept)))
        ), None
    judge = prepared.judge
    search, graph = accuracy_search.spend(job, int8, how, judge, staging, twin)
    kept = search.chosen.kept
    made = draft(job, target, how, graph, prepared, staging, console, int8.seconds)
    verdict = judge.verdict(made.session, search)
    marked = made.manifest.verdict
    if not verdict.met:
        over = f"over budget: {verdict.problem}"
        marked = f"{marked}; {over}" if marked.startswith("fail") else over
    facts = dataclasses.replace(made.manifest, kept_float=tuple(sorted(kept)), budget=verdict, verdict=marked)
    return dataclasses.replace(made, manifest=facts), accuracy_search.spent(search, judge, verdict)


def recipe(job: Job, target: Target, prepared: Prepared, precision: str, *, normalises: bool = True) -> Recipe:
    """What the converter has to know. Without `normalises`, the graph takes what the artifact does."""
    pixels, preprocess = job.takes_pixels(target.name), prepared.subject.takes.preprocess
    return Recipe(
        precision=precision,
        metadata=embedded(prepared, precision),
        input_layout=job.input_layout,
        plain_operators=job.plain_operators,
        profile=target.profile(job.profile),
        coreml_target=job.coreml_target or COREML_TARGET,
        pixels=pixels,
        normalisation=normalisation(preprocess) if pixels and normalises and preprocess else None,
        softmax=job.softmax,
        top_k=job.top_k,
    )


def draft(
    job: Job,
    target: Target,
    how: Recipe,
    graph: "ir.Model",
    prepared: Prepared,
    staging: Staging,
    console: Console,
    seconds: dict[str, float],
) -> Draft:
    """One artifact, lowered and compared with the reference."""
    what, name = f"{target.name} {how.precision}", f"{prepared.subject.name}_{how.precision}{target.ending}"
    with console.stage(f"{what}: lower", seconds, "lower"), staging.making(name) as path:
        target.write(graph, path, how)
    with console.stage(f"{what}: write", seconds, "write"):
        staging.sync(name)
    session = opened(path, prepared.subject.takes.preprocess, job.threads)
    agreement = validated(session, what, prepared, console, seconds) if job.validate else None
    return Draft(manifest(target, how, prepared, path, session, agreement), session, seconds)


def carried(target: Target, prepared: Prepared, console: Console, seconds: dict[str, float]) -> "ir.Model":
    """The graph with the quantisation that the model brought along, as the target's scheme writes it."""
    from .. import quantize

    with console.stage(f"{target.name}: carry int8 through", seconds, "calibrate"):
        graph, said = quantize.fit_prequantized(prepared.graph, target.scheme(prepared.job.profile))
    for sentence in said:
        console.warn(sentence)
    return graph


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
        return benchmark(*to_time(sessions, feeds), runs=job.num_runs, warmup=job.warmup_runs)


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
