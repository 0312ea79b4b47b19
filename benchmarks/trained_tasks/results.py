"""Keep what is measured as lines of JSON, so that an interrupted run goes on where it stopped."""

from dataclasses import dataclass
from typing import Any

from benchmarks import journal
from benchmarks.peers.environments import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "trained_tasks.jsonl"
LOSS, TIMING, BUDGET = ("task", "format", "peer"), ("task", "format"), ("task", "target")  # what names a line

Facts = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """What is known.

    Attributes:
        losses: {(task, format, peer): what figures.compare says, of ours also what ours.export says, or "error"}.
        timings: {(task, format): "cpu_ms", {artifact: the median}, and the "machine"}.
        budgets: {(task, target): what budget.search_budget says, with "test", what figures.compare says; or "error"}.
    """

    losses: dict[tuple[str, ...], Facts]
    timings: dict[tuple[str, ...], Facts]
    budgets: dict[tuple[str, ...], Facts]


def read() -> Results:
    """All results; of two lines for the same thing the later one."""
    known = Results({}, {}, {})
    for facts in journal.read(RESULTS):
        kind, names = (known.losses, LOSS) if "peer" in facts else (known.timings, TIMING)
        kind, names = (known.budgets, BUDGET) if "target" in facts else (kind, names)
        kind[tuple(facts[name] for name in names)] = facts
    return known


def append(facts: Facts) -> None:
    """Adds a line."""
    journal.append([facts], RESULTS)
