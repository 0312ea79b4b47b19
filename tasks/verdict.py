"""Judges an artifact by the figures of its task, beside the judgement of its numbers."""

from collections.abc import Mapping, Sequence

from .agreement import Figure, TaskAgreement
from .task import Meaning


def judge_task(numbers: str, meaning: Meaning, agreement: TaskAgreement, precision: str) -> str:
    """Join the verdict on the numbers with what the task says of the same artifact.

    The task's limits fail an artifact whatever its numbers are. Where the task has figures, a warning about the numbers
    of an artifact in 8 bits is left away, as the figures say what it was to warn of. Where rows come in the order of
    their scores the numbers cannot be compared at all, and the task alone judges.

    Args:
        numbers: the verdict of `runtime.compare`.
        meaning: what the outputs mean.
        agreement: of the answers; without figures where the outputs cannot be compared.
        precision: of the artifact.

    Returns:
        "ok", "warn: WHY" or "fail: WHY".
    """
    must, should = (limits.get(precision, {}) for limits in (meaning.task.must, meaning.task.should))
    figures = [each for each in agreement.figures if each.name in {**must, **should}]
    if not figures:
        return numbers
    failed, missed = describe_misses(figures, must, "must"), describe_misses(figures, should, "should")
    incomparable = not meaning.head.ordered
    if failed:
        others = "" if numbers == "ok" or incomparable else f"; {numbers.partition(': ')[2]}"
        return f"fail: {'; '.join(failed)} ({precision}){others}"
    if numbers.startswith("fail") and not incomparable:
        return numbers
    if missed:
        return f"warn: {'; '.join(missed)} ({precision})"
    return "ok" if should or incomparable else numbers


def describe_misses(figures: Sequence[Figure], limits: Mapping[str, float], must: str) -> list[str]:
    """What is out of the limits, in words."""
    misses = []
    for figure in find_misses(figures, limits):
        limit, most = limits[figure.name], "at least" if figure.sign > 0 else "at most"
        misses.append(f"{figure}, {must} be {most} {limit:{figure.form}}")
    return misses


def find_misses(figures: Sequence[Figure], limits: Mapping[str, float]) -> list[Figure]:
    """The figures that are out of the limits; those without a limit are not."""
    known = [each for each in figures if each.name in limits]
    return [each for each in known if not each.sign * each.value >= each.sign * limits[each.name]]
