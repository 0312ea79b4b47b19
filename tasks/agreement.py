"""How an artifact's answers agree with its reference's, in the figures of the task, each with its standard error."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_GROUPS = 50  # that the jackknife leaves out one after the other


@dataclass(frozen=True)
class FigureSpec:
    """What a figure is.

    Attributes:
        name: in manifests and JSON.
        words: for people.
        sign: +1 where more is better, -1 where less is.
        form: how it is written.
    """

    name: str
    words: str
    sign: int = 1
    form: str = ".3f"


@dataclass(frozen=True)
class Figure:
    """A figure of a task.

    Attributes:
        name: in manifests and JSON: "ap", "miou", "cer" and so on.
        words: the same for people.
        value: over all samples.
        standard_error: of the value, by the jackknife over the samples; NaN for fewer than two.
        sign: +1 where more is better, -1 where less is.
        form: how it is written.
    """

    name: str
    words: str
    value: float
    standard_error: float
    sign: int = 1
    form: str = ".3f"

    def __str__(self) -> str:
        error = "" if math.isnan(self.standard_error) else f" ± {self.standard_error:{self.form}}"
        return f"{self.words} {self.value:{self.form}}{error}"


@dataclass(frozen=True)
class TaskAgreement:
    """How an artifact's answers agree with its reference's.

    Attributes:
        task: its name, one of `edgeport.list_tasks()`.
        head: the convention by which outputs become answers.
        figures: the one that matters most first; empty where there is nothing to tell it from.
        samples: how many inputs were compared.
        problem: why there are no figures, or "".
    """

    task: str
    head: str
    figures: tuple[Figure, ...]
    samples: int
    problem: str = ""

    @property
    def main(self) -> Figure | None:
        """The figure that matters most; None where there is none."""
        return self.figures[0] if self.figures else None

    def __getitem__(self, name: str) -> Figure:
        return next(each for each in self.figures if each.name == name)

    def to_json(self) -> dict[str, Any]:
        """{"name", "head", "figures": {name: {"value", "standard_error"}}, "samples", "problem"}."""
        figures = {each.name: {"value": each.value, "standard_error": each.standard_error} for each in self.figures}
        own = {"name": self.task, "head": self.head, "figures": figures}
        return own | {"samples": self.samples, "problem": self.problem}


Reduce = Callable[[Sequence[Any]], Mapping[str, float]]
"""Records of samples -> {figure: value}; a figure that they do not tell is NaN or left out."""


def summarize(specs: Sequence[FigureSpec], reduce: Reduce, records: Sequence[Any]) -> tuple[Figure, ...]:
    """The figures of all records, of those that they tell, with standard errors."""
    values = reduce(records)
    known = [spec for spec in specs if not math.isnan(values.get(spec.name, math.nan))]
    errors = jackknife(reduce, records) if known else {}
    return tuple(
        Figure(spec.name, spec.words, values[spec.name], errors.get(spec.name, math.nan), spec.sign, spec.form)
        for spec in known
    )


def jackknife(reduce: Reduce, records: Sequence[Any]) -> dict[str, float]:
    """The standard errors of figures, by leaving out one sample, or one of MOST_GROUPS parts of them, after the other.

    Of a mean it is the sample's standard deviation over sqrt(n). Source: Efron and Stein, The jackknife estimate of
    variance (1981).
    """
    groups = min(len(records), MOST_GROUPS)
    if groups < 2:
        return {}
    parts = [reduce([each for i, each in enumerate(records) if i % groups != left]) for left in range(groups)]
    errors = {}
    for name in set().union(*parts):
        values = [value for part in parts if not math.isnan(value := part.get(name, math.nan))]
        if len(values) > 1:
            mean, count = sum(values) / len(values), len(values)
            errors[name] = math.sqrt((count - 1) / count * sum((value - mean) ** 2 for value in values))
    return errors
