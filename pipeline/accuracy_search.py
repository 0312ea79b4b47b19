"""Meets an accuracy budget: makes and runs the artifacts that the search asks for, and judges the last."""

import math
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import quantize
from ..artifacts.digest import files_of
from ..artifacts.manifest import Budget
from ..artifacts.printable import printable
from ..artifacts.staging import Staging
from ..runtime.benchmark import benchmark
from ..runtime.session import Session
from ..runtime.session_wrappers import as_an_app_runs, feed_normalized
from ..targets.registry import open_session
from ..targets.target import Recipe
from .accuracy_judge import Judge, with_error
from .float16 import fit_float16
from .int8 import Int8Builder, Tuned
from .options import Job
from .progress import Progress
from .results import BudgetSearch
from .text_table import format_table

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..quantize import Kept, Measured, Plan, Search, Step

NUM_RANKING = 8  # inputs that rank the units by their own error


class Bench:
    """Makes artifacts in the staging folder and runs them there; quantize's `Bench` says what for."""

    def __init__(
        self, job: Job, int8: Int8Builder, recipe: Recipe, judge: Judge, staging: Staging, twin: Session | None
    ):
        self.job, self.int8, self.recipe, self.judge, self.staging, self.twin = job, int8, recipe, judge, staging, twin
        self.quiet = Progress()
        self.feeds = list(int8.prepared.validation.take(4))
        self.base: tuple[Tuned, Session, Path] | None = None
        self.graphs: dict[Kept, ir.Model] = {}  # of each full artifact

    def full(self, kept: "Kept") -> "Measured":
        """The artifact with the better of two tunings: its own, or the base's with the units out that are float now.

        Its own is better where a bad unit had bent the biases behind it; else it only rounds everything anew, for some
        decibels more or less. The artifact stays open, to be the base of trials.
        """
        plan = self.int8.plan(kept)
        tunings = [self.int8.tune(plan, self.quiet)]
        if self.base is not None:
            tunings.append(self.transfer(self.base[0], plan))
        tuned = min(tunings, key=lambda each: self.loss(each, plan)) if len(tunings) > 1 else tunings[0]
        self.close()
        self.graphs[kept] = self.int8.apply(tuned, plan)
        session, path = self.open(self.graphs[kept], "base")
        self.base = tuned, session, path
        times = self.time({"base": session, "twin": self.twin})
        ratio = times["base"] / times["twin"] if len(times) == 2 else None
        return self.judge.measured(session, times.get("base"), ratio)

    def trial(self, kept: "Kept") -> "tuple[Measured, float | None]":
        """The artifact with the tuning of the base, and what it takes more than that one's, in ms."""
        assert self.base is not None
        tuned, against, _ = self.base
        plan = self.int8.plan(kept)
        session, path = self.open(self.int8.apply(self.transfer(tuned, plan), plan), "trial")
        times = self.time({"trial": session, "base": against})
        measured = self.judge.measured(session, times.get("trial"), None)
        discard(session, path)
        return measured, times["trial"] - times["base"] if times else None

    def transfer(self, tuned: Tuned, plan: "Plan") -> Tuned:
        """A tuning for another plan."""
        return replace(tuned, graph=quantize.transfer_weights(self.int8.model, tuned.graph, plan))

    def loss(self, tuned: Tuned, plan: "Plan") -> float:
        """Of the artifact of a plan with this tuning; infinite where it computes no numbers."""
        session, path = self.open(self.int8.apply(tuned, plan), "trial")
        loss = self.judge.measured(session, None, None).loss
        discard(session, path)
        return math.inf if math.isnan(loss) else loss

    def open(self, graph: "ir.Model", name: str) -> tuple[Session, Path]:
        """The artifact of a graph, open."""
        target, prepared = self.int8.target, self.int8.prepared
        with self.staging.making(f"{name}{target.ending}") as path:
            graph, recipe = fit_float16(target, self.recipe, graph, prepared)
            target.write(graph, path, recipe)
        session = open_session(path, threads=self.job.timing.threads)
        return feed_normalized(session, prepared.source.input_spec.preprocess), path

    def time(self, sessions: dict[str, Session | None]) -> dict[str, float]:
        """{name: median in ms}, side by side; empty where times mean nothing or nobody wants them. So it is for int16:
        a CPU's kernels for it are plain loops, and say nothing of the device that they stand for."""
        real = {name: session for name, session in sessions.items() if session is not None}
        if (
            self.int8.raises_to == "int16"
            or not self.job.timing.benchmark
            or any(session.emulated for session in real.values())
        ):
            return {}
        timing = self.job.timing
        latencies = benchmark(*as_an_app_runs(real, self.feeds), runs=timing.num_runs, warmup=timing.warmup_runs)
        return {name: latency.median_ms for name, latency in latencies.items()}

    def close(self) -> None:
        """Removes the base."""
        if self.base is not None:
            discard(*self.base[1:])
            self.base = None


def discard(session: Session, path: Path) -> None:
    """Frees a session and removes its artifact."""
    session.close()
    if path.is_dir():
        shutil.rmtree(path)
        return
    for file in files_of(path):
        file.unlink()


def run_search(
    job: Job, int8: Int8Builder, recipe: Recipe, judge: Judge, staging: Staging, twin: Session | None
) -> "tuple[Search, ir.Model]":
    """Searches from what --keep-float or --keep-int16 names; a line says how each step went. Also the graph of the
    chosen step."""
    progress, what, start = int8.progress, int8.target.name, int8.select()
    began, heads = time.perf_counter(), header(int8.raises_to)

    def tell(step: "Step") -> None:
        cells = [f"{head} {cell}" for head, cell in zip(heads, row(step, judge), strict=True) if cell not in ("-", "")]
        progress.note(f"{what}: {', '.join(cells)} ({time.perf_counter() - began:.1f} s)")

    bench = Bench(job, int8, recipe, judge, staging, twin)
    with progress.stage(f"{what}: search within the budget", int8.seconds, "budget"):
        plan = int8.plan(start)
        errors = quantize.measure_sensitivity(int8.model, plan, int8.inputs.take(NUM_RANKING).feeds())
        pool = quantize.candidates(int8.model.graph, plan, errors, among=int8.raisable())
        steps = job.quantization.budget_steps
        search = quantize.search(bench, pool, start=start, steps=steps, tell=tell, raised_to=int8.raises_to)
        bench.close()
    return search, bench.graphs[search.chosen.kept]


def header(raised_to: str, figure: str = "figure") -> tuple[str, ...]:
    """Of the table of the frontier."""
    return ("step", f"in {raised_to}", figure, "SNR dB", "median ms", "ratio", "note")


def row(step: "Step", judge: Judge) -> tuple[str, ...]:
    """A step for the table of the frontier."""
    made = step.measured
    return (
        step.change or "start",
        str(len(step.kept)),
        with_error(made.figure, made.standard_error, judge.goal.form),
        format(made.snr_db, ".2f"),
        "-" if made.median_ms is None else format(made.median_ms, ".3f"),
        "-" if made.ratio is None else format(made.ratio, ".2f"),
        step.note,
    )


def frontier(search: "Search", raised_to: str) -> list[dict]:
    """The steps for --json."""
    return [
        {
            "change": step.change,
            f"kept_{raised_to}": sorted(step.kept),
            "figure": step.measured.figure,
            "standard_error": step.measured.standard_error,
            "met": step.measured.met,
            "snr_db": step.measured.snr_db,
            "median_ms": step.measured.median_ms,
            "ratio": step.measured.ratio,
            "note": step.note,
            "chosen": step is search.chosen,
        }
        for step in search.steps
    ]


def describe_search(search: "Search", judge: Judge, verdict: Budget, raised_to: str) -> BudgetSearch:
    """What is told of a search."""
    rows = [row(step, judge) for step in search.steps]
    kept = search.chosen.kept
    below = f"{len(kept)} units in {raised_to}: {', '.join(sorted(kept)) or 'none'}"
    outcome = (
        f"over budget: {verdict.problem}"
        if verdict.problem
        else f"{judge.describe(verdict.reached, verdict.standard_error)}: within the budget"
    )
    text = "\n".join((format_table(header(raised_to, judge.goal.words), rows), printable(below), outcome))
    return BudgetSearch(verdict, tuple(sorted(kept)), frontier(search, raised_to), text, raised_to)
