"""The second half of `export`, one target's own: quantise, lower, check, time, describe, publish."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.check import manifest_path
from ..artifacts.digest import data_file
from ..artifacts.errors import RuntimeUnavailable
from ..artifacts.manifest import Manifest
from ..artifacts.sizes import SizeCheck
from ..artifacts.staging import Staging
from ..runtime.agreement import Agreement
from ..runtime.benchmark import Latency, benchmark, peak_rss_mb
from ..runtime.session import Session
from ..runtime.session_wrappers import as_an_app_runs, bare_session, feed_normalized
from ..targets.registry import open_session
from ..targets.target import Recipe, Target
from ..tasks.agreement import TaskAgreement
from ..tasks.tally import TaskTally
from . import accuracy_search
from .accelerated import overall_verdict, run_accelerated
from .answers import compare_answers, to_png
from .any_batch import asks_for_any_batch, prove_any_batch
from .calibration_spread import measure_spread
from .describe import embedded_facts, make_manifest
from .float16 import fit_float16, scale_float16, tell_beyond_float16
from .int8 import Int8Builder
from .open_sizes import check_sizes, check_target
from .options import NUM_ACCELERATED, STATIC, WEIGHTS_ONLY, Job
from .pair import Pair
from .pixel_input import take_pixels
from .prepare import Prepared, takes_pixels
from .progress import Progress
from .results import AcceleratorFacts, BudgetSearch, ExportResult, verdict_exit_code
from .suppression import ask_for_suppression, behind_suppression, tell_no_suppression

if TYPE_CHECKING:
    import onnx_ir as ir


FEW = 2  # inputs that tell a wrong lowering of a float graph


@dataclass(frozen=True)
class Draft:
    """An artifact in the staging folder, checked and described."""

    manifest: Manifest
    session: Session
    agreement: Agreement | None
    seconds: dict[str, float]
    accelerator: AcceleratorFacts | None = None
    answers: TaskAgreement | None = None


def build(job: Job, target: Target, prepared: Prepared, staging: Staging, progress: Progress) -> ExportResult:
    """Makes and publishes the artifacts of one target: the one that was asked for, and its float twin."""
    drafts: dict[str, Draft] = {}
    search = None
    for precision in job.precisions:
        seconds = dict(prepared.seconds)
        recipe = make_recipe(job, target, prepared, precision)
        if precision == job.precision:
            tell_no_suppression(target, recipe, prepared, progress)
        if precision in STATIC and not prepared.prequantized:
            twin = drafts["fp32"].session if "fp32" in drafts else None
            int8 = Int8Builder(target, prepared, progress, seconds)
            int8.tell_types()
            draft, search = draft_int8(job, recipe, int8, twin, staging)
            if job.quantization.calibration_halves:
                draft = with_spread(draft, int8, job.quantization.calibration_halves)
            if job.validation.validate:
                known = drafts.get("fp32") or draft_float_twin(job, target, prepared, staging, progress, seconds)
                draft = doubt(draft, known.manifest.verdict)
            drafts[precision] = draft
            continue
        if precision == "int8":
            graph = convert_prequantized(target, prepared, progress, seconds)
            graph = with_input(graph, target, recipe, prepared)
        else:
            graph, recipe = float_graph(target, recipe, prepared, progress, seconds)
        drafts[precision] = make_draft(job, target, recipe, graph, prepared, staging, progress, seconds)
    latencies = time_drafts(job, target, drafts, prepared, progress) if job.timing.benchmark else {}
    for draft in drafts.values():
        draft.session.close()
    publish([draft.manifest for draft in drafts.values()], staging)
    results = [
        make_result(draft, latencies.get(precision), latencies.get("fp32"), staging.destination)
        for precision, draft in drafts.items()
    ]
    code = verdict_exit_code([result.verdict for result in results], search)
    twin_result = results[0] if len(results) > 1 else None
    return dataclasses.replace(results[-1], float_twin=twin_result, search=search, exit_code=code)


def draft_int8(
    job: Job, recipe: Recipe, int8: Int8Builder, twin: Session | None, staging: Staging
) -> tuple[Draft, BudgetSearch | None]:
    """The int8 artifact, within its budget where there is one; `twin` is its float one's session."""
    target, prepared, progress, judge = int8.target, int8.prepared, int8.progress, int8.prepared.judge
    if judge is None:
        kept = int8.select()
        draft = make_draft(job, target, recipe, int8.build(kept), prepared, staging, progress, int8.seconds)
        manifest = dataclasses.replace(draft.manifest, **{f"kept_{int8.raises_to}": tuple(sorted(kept))})
        return dataclasses.replace(draft, manifest=manifest), None
    plain = dataclasses.replace(recipe, suppression=None)  # the search compares all boxes, and their numbers
    search, graph = accuracy_search.run_search(job, int8, plain, judge, staging, twin)
    kept = search.chosen.kept
    draft = make_draft(job, target, recipe, graph, prepared, staging, progress, int8.seconds)
    judge = behind_suppression(prepared, recipe).judge or judge
    budget = judge.verdict(draft.session, search)
    verdict = draft.manifest.verdict
    if not budget.met:
        over = f"over budget: {budget.problem}"
        verdict = f"{verdict}; {over}" if verdict.startswith("fail") else over
    known = {f"kept_{int8.raises_to}": tuple(sorted(kept)), "budget": budget, "verdict": verdict}
    manifest = dataclasses.replace(draft.manifest, **known)
    told = accuracy_search.describe_search(search, judge, budget, int8.raises_to)
    return dataclasses.replace(draft, manifest=manifest), told


def with_spread(draft: Draft, int8: Int8Builder, halves: int) -> Draft:
    """The draft with how far it depends on which inputs calibrated."""
    kept = draft.manifest.kept_float or draft.manifest.kept_int16
    spread = measure_spread(int8, frozenset(kept), halves)
    return dataclasses.replace(draft, manifest=dataclasses.replace(draft.manifest, calibration_spread=spread))


def make_recipe(job: Job, target: Target, prepared: Prepared, precision: str) -> Recipe:
    """What the converter has to know. Raises UnsupportedOp for a size that the target cannot leave open."""
    recipe = Recipe(
        precision=precision,
        metadata={},
        profile=target.profile(job.quantization.profile),
        options=target.own_options(job.model.target_options),
        pixels=takes_pixels(job, target.name),
        softmax=job.model.softmax,
        top_k=job.model.top_k,
        any_batch=asks_for_any_batch(job, target),
        sizes=prepared.sizes,
    )
    check_target(job, target)
    recipe = ask_for_suppression(target, recipe, prepared)
    facts = embedded_facts(behind_suppression(prepared, recipe), precision)
    return dataclasses.replace(recipe, metadata=facts)


def make_draft(
    job: Job,
    target: Target,
    recipe: Recipe,
    graph: "ir.Model",
    prepared: Prepared,
    staging: Staging,
    progress: Progress,
    seconds: dict[str, float],
) -> Draft:
    """One artifact, lowered and compared with the reference."""
    prepared = behind_suppression(prepared, recipe)
    what, name = f"{target.name} {recipe.precision}", f"{prepared.source.name}_{recipe.precision}{target.ending}"
    with progress.stage(f"{what}: lower", seconds, "lower"), staging.making(name) as path:
        graph, recipe = fit_float16(target, recipe, graph, prepared)
        target.write(graph, path, recipe)
    tell_beyond_float16(target, recipe, progress)
    with progress.stage(f"{what}: write", seconds, "write"):
        staging.sync(name)
    session = feed_normalized(open_session(path, threads=job.timing.threads), prepared.source.input_spec.preprocess)
    if recipe.any_batch:
        with progress.stage(f"{what}: run several images at once", seconds, "validate"):
            prove_any_batch(session, prepared, what)
    checks: tuple[SizeCheck, ...] = ()
    if recipe.sizes:
        with progress.stage(f"{what}: run at other sizes", seconds, "validate"):
            judged = recipe.precision, target.limits_of(recipe.precision), what
            checks = check_sizes(session, prepared.sized, prepared.kinds, *judged)
    agreement = answers = pictures = None
    if job.validation.validate:
        agreement, tally = validate_draft(session, what, prepared, progress, seconds)
        answers = tally.agreement()
        if png := to_png(tally, f"{target.name} {recipe.precision}"):
            pictures = staging.write(pictures_name(name), png).name
    manifest = make_manifest(target, recipe, prepared, path, session, agreement, answers, pictures, checks)
    draft = Draft(manifest, session, agreement, seconds, answers=answers)
    if recipe.profile.accelerator is None or agreement is None:
        return draft
    return accelerate(draft, path, recipe, prepared, progress)


def accelerate(draft: Draft, path: Path, recipe: Recipe, prepared: Prepared, progress: Progress) -> Draft:
    """The draft with what the accelerator that it is for makes of it, where there is one here."""
    accelerator, source = recipe.profile.accelerator, prepared.source
    assert accelerator is not None
    pair = Pair(
        path=path,
        manifest=None,
        session=bare_session(draft.session),
        feed=lambda session: feed_normalized(session, source.input_spec.preprocess),
        reference=prepared.reference,
        kinds=prepared.kinds,
        model=source.model,
        weights=None,
        inputs=prepared.validation.take(NUM_ACCELERATED),
        precision=recipe.precision,
    )
    try:
        found = run_accelerated(pair, accelerator, prepared.job.timing.threads, progress, draft.seconds)
    except RuntimeUnavailable as e:
        progress.warn(f"the artifact was not run on a {accelerator.upper()}, which it is for: {e}")
        return draft
    for name, told in found.to_rows():
        progress.note(f"{name}: {told}")
    verdicts = [draft.manifest.verdict, overall_verdict(found.runs)]
    verdict = next((each for grade in ("fail", "warn") for each in verdicts if each.startswith(grade)), verdicts[0])
    manifest = dataclasses.replace(draft.manifest, accelerator=found.record(), verdict=verdict)
    return dataclasses.replace(draft, manifest=manifest, accelerator=found)


def with_input(graph: "ir.Model", target: Target, recipe: Recipe, prepared: Prepared) -> "ir.Model":
    """The graph with the input that the artifact shall have: pixels, where it normalises them itself."""
    spec = prepared.source.input_spec.preprocess
    return take_pixels(graph, target, spec) if recipe.pixels and spec else graph


def float_graph(
    target: Target, recipe: Recipe, prepared: Prepared, progress: Progress, seconds: dict[str, float]
) -> "tuple[ir.Model, Recipe]":
    """The graph of an artifact that computes in float, its weights in 8 bits where they are stored so; its recipe."""
    from .. import quantize

    if not recipe.profile.float16:
        graph = prepared.weights_only if recipe.precision in WEIGHTS_ONLY else prepared.graph
        return with_input(graph, target, recipe, prepared), recipe
    graph = with_input(prepared.graph, target, recipe, prepared)
    graph, recipe = scale_float16(target, recipe, graph, prepared, progress, seconds)
    return (quantize.quantize_weights(graph) if recipe.precision in WEIGHTS_ONLY else graph), recipe


def draft_float_twin(
    job: Job, target: Target, prepared: Prepared, staging: Staging, progress: Progress, seconds: dict[str, float]
) -> Draft:
    """The float twin of an int8 artifact that is not kept: made and compared all the same, on a few inputs."""
    recipe = make_recipe(job, target, prepared, "fp32")
    graph, recipe = float_graph(target, recipe, prepared, progress, seconds)
    few = dataclasses.replace(prepared, validation=prepared.validation.take(FEW), truths=None)
    twin = make_draft(job, target, recipe, graph, few, staging, progress, seconds)
    twin.session.close()
    return twin


def doubt(draft: Draft, twin: str) -> Draft:
    """An int8 draft whose float twin fails, fails with it: int8's own error would hide what is wrong in both."""
    if not twin.startswith("fail"):
        return draft
    manifest = dataclasses.replace(draft.manifest, verdict=f"{twin}, of its float twin")
    return dataclasses.replace(draft, manifest=manifest)


def convert_prequantized(
    target: Target, prepared: Prepared, progress: Progress, seconds: dict[str, float]
) -> "ir.Model":
    """The graph with the quantisation that the model brought along, as the target's kernels write it."""
    from .. import quantize

    if prepared.source.trained_for:
        return prepared.graph
    with progress.stage(f"{target.name}: keep its int8", seconds, "calibrate"):
        graph, sentences = quantize.fit_prequantized(prepared.graph, target.kernels(prepared.job.quantization.profile))
    for sentence in sentences:
        progress.warn(sentence)
    return graph


def validate_draft(
    session: Session, what: str, prepared: Prepared, progress: Progress, seconds: dict[str, float]
) -> tuple[Agreement, TaskTally]:
    """How the artifact agrees with the reference, in numbers and in answers."""
    count = len(prepared.validation)
    with progress.stage(f"{what}: validate on {count} inputs", seconds, "validate", count) as advance:
        given = prepared.reference, session, prepared.validation, prepared.kinds, prepared.meaning
        return compare_answers(*given, advance, draws=True, truths=prepared.truths)


def time_drafts(
    job: Job, target: Target, drafts: dict[str, Draft], prepared: Prepared, progress: Progress
) -> dict[str, Latency]:
    """The latency of each, side by side; of none that is emulated here."""
    sessions = {precision: draft.session for precision, draft in drafts.items() if not draft.session.emulated}
    if not sessions:
        return {}
    feeds, timing = list(prepared.validation.take(4)), job.timing
    with progress.stage(
        f"{target.name}: benchmark, {timing.num_runs} runs", drafts[job.precision].seconds, "benchmark"
    ):
        return benchmark(*as_an_app_runs(sessions, feeds), runs=timing.num_runs, warmup=timing.warmup_runs)


def publish(manifests: list[Manifest], staging: Staging) -> None:
    """Moves the artifacts and their manifests to where they belong; a former manifest never lies beside a new file."""
    names = [each.artifact.file for each in manifests]
    data = {data_file(Path(name)).name for name in names}
    moved = [name for name in sorted(data) if staging.path(name).exists()]
    beside = [manifest_path(Path(name)).name for name in names]
    pictures = [each.task.pictures for each in manifests if each.task and each.task.pictures]
    former = [name for name in map(pictures_name, names) if name not in pictures]
    for name, each in zip(beside, manifests, strict=True):
        staging.write(name, each.to_bytes())
    gone = [*beside, *former, *sorted(data.difference(moved))]
    staging.publish([*moved, *names, *pictures, *beside], first_remove=gone)


def pictures_name(artifact: str) -> str:
    """The file with the answers of an artifact, beside it."""
    return f"{artifact}.answers.png"


def make_result(draft: Draft, latency: Latency | None, twin: Latency | None, folder: Path) -> ExportResult:
    """What is told of one artifact; `twin` is the latency of the float one."""
    facts = draft.manifest
    path = folder / facts.artifact.file
    return ExportResult(
        model=facts.model,
        weights=str(facts.weights),
        target=facts.target,
        precision=facts.precision,
        path=path,
        manifest_path=manifest_path(path),
        size_bytes=facts.artifact.size_bytes,
        agreement=draft.agreement,
        latency=latency,
        ratio=latency.median_ms / twin.median_ms if latency and twin else None,
        emulated=draft.session.emulated,
        seconds=draft.seconds,
        peak_rss_mb=peak_rss_mb(),
        delegate_partitions=facts.delegate_partitions,
        accelerator=draft.accelerator,
        verdict=facts.verdict,
        spread=facts.calibration_spread,
        task=draft.answers,
        pictures=folder / facts.task.pictures if facts.task and facts.task.pictures else None,
    )
