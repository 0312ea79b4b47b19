"""Measures an artifact against an accuracy budget, and judges it on inputs that no search has seen."""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..artifacts.errors import UsageError
from ..artifacts.manifest import Budget
from ..runtime.compare_samples import Samples, compare_samples
from ..runtime.output_kinds import WHOLE
from ..runtime.session import Session
from ..tasks.registry import budgets
from ..tasks.tally import TaskTally
from ..tasks.task import Meaning
from .data.class_folders import class_of
from .data.dataset import Dataset
from .output_kinds import Kinds
from .progress import Progress

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..quantize import Measured, Search


class Judge:
    """The goal of a budget on its images: every second one is for the search, the others are for the verdict alone.

    Raises UsageError where there are too few, or the goal cannot be told from them.
    """

    def __init__(
        self,
        budget: tuple[str, float],
        model: str,
        graph: "ir.Model",
        labels: Sequence[str] | None,
        reference: Session,
        images: Dataset,
        kinds: Kinds,
        meaning: Meaning,
        progress: Progress,
    ):
        from ..graph.classifier import num_classes
        from ..quantize.mixed_precision.goals import GOALS

        self.name, self.limit = budget
        self.goal, self.reference, self.kinds, self.meaning = GOALS[self.name], reference, kinds, meaning
        if len(images) < 2:
            raise UsageError(f"{images.source}: a budget needs at least 2 inputs, one to search on and one to judge")
        self.seen, self.unseen = (dataclasses.replace(images, items=images.items[i::2]) for i in (0, 1))
        classes = num_classes(graph.graph)
        self.class_of = None
        if self.name in budgets():
            self.check_task(model, images)
            return
        if self.name == "min_snr":
            self.check_numbers(model, graph)
            return
        if classes is None:
            raise UsageError(f"{model}: gives no row of classes to compare; its budget can be --min-snr")
        if self.name == "max_drop":
            self.class_of, how = class_of(images, labels, classes)
            progress.note(f"{images.source}: its folders are the classes, by {how}")
        lost, allowed = 1 / len(self.unseen), self.limit if self.name == "max_drop" else 1 - self.limit
        if 0 < allowed < lost:
            progress.warn(
                f"{len(self.unseen)} inputs judge the budget, and one counts {lost:.3g}: more than the {allowed:.3g} "
                "that may be lost; give more inputs, with --num-validation-samples"
            )

    def check_task(self, model: str, images: Dataset) -> None:
        """Raises UsageError where the budget is another task's, or the float model gives nothing to compare."""
        (task, figure), option = budgets()[self.name], f"--{self.name.replace('_', '-')}"
        own = self.meaning.task
        if own is not task:
            raise UsageError(f"{option} is for {task.name}; {model} is for {own.name}, as {self.meaning.told_by} says")
        for part in (self.seen, self.unseen):
            tally = TaskTally(self.meaning)
            for feed in part.feeds():
                given = self.reference.run(feed)
                tally.add(feed, given, given)
            if figure not in {each.name for each in tally.agreement().figures}:
                raise UsageError(f"{images.source}: {task.unknown}, so {option} cannot be told; give other images")

    def check_numbers(self, model: str, graph: "ir.Model") -> None:
        """Raises UsageError where no output has an SNR."""
        from ..graph.dtypes import FLOATS

        pairs = zip(self.reference.outputs, graph.graph.outputs, strict=True)
        if not any(value.dtype in FLOATS and self.kinds.get(spec.name) is not WHOLE for spec, value in pairs):
            raise UsageError(f"{model}: gives whole numbers alone, which have no SNR; leave out --min-snr")

    def samples(self, session: Session, images: Dataset) -> Samples:
        """The artifact and the reference on the images."""
        classes = [self.class_of(item) for item in images.items] if self.class_of else None
        tally = TaskTally(self.meaning) if self.name in budgets() else None
        watch = tally.add if tally else None
        made = compare_samples(self.reference, session, images.feeds(), classes, self.kinds, watch)
        if tally is None or len(tally.records) < len(images):  # an answer is missing: one that is no number
            return made
        figures = {each.name: (each.value, each.standard_error) for each in tally.agreement().figures}
        return dataclasses.replace(made, figures=figures)

    def measured(self, session: Session, median_ms: float | None, ratio: float | None) -> "Measured":
        """The artifact on what the search may see; met with one standard error to spare."""
        from ..quantize import Measured
        from ..quantize.mixed_precision.goals import snr_db

        made = self.samples(session, self.seen)
        figure, error = self.goal.figure(made)
        spared = 0.0 if math.isnan(error) else self.goal.sign * error
        met = self.goal.met(figure - spared, self.limit)
        sign = self.goal.sign if self.goal.leads else 0
        return Measured(figure, met, self.goal.loss(made), snr_db(made)[0], median_ms, ratio, error, sign)

    def verdict(self, session: Session, search: "Search") -> Budget:
        """The artifact on what the search has not seen."""
        figure, error = self.goal.figure(self.samples(session, self.unseen))
        met = self.goal.met(figure, self.limit)
        return Budget(
            goal=self.name,
            limit=self.limit,
            reached=figure,
            met=met,
            samples=len(self.unseen),
            searched_on=len(self.seen),
            steps=len(search.steps) - 1,
            problem="" if met else self.problem(figure, error, search),
            standard_error=error,
        )

    def problem(self, figure: float, error: float, search: "Search") -> str:
        """How near it came, and why no nearer."""
        why = search.why or f"on the {len(self.seen)} inputs of the search it was met"
        return f"{self.describe(figure, error)}; {why}"

    def describe(self, figure: float | None, error: float | None) -> str:
        """The verdict's figure with its standard error beside the limit, in words."""
        most = "at least" if self.goal.sign > 0 else "at most"
        reached = "is not a number" if figure is None else with_error(figure, error, self.goal.form)
        limit = format(self.limit, self.goal.form)
        return f"{self.goal.words} {reached} on {len(self.unseen)} held-out inputs, must be {most} {limit}"


def with_error(figure: float, error: float | None, form: str) -> str:
    """A figure, and its standard error where it is known and not zero."""
    shown = "" if not error or math.isnan(error) else f" ± {error:{form}}"
    return f"{figure:{form}}{shown}"
