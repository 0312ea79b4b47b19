"""Keep what is measured as lines of JSON, so that an interrupted run goes on where it stopped."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import journal

RESULTS = Path(__file__).parents[1] / "results" / "accuracy.jsonl"
DROP, DRAW, BUDGET = (
    ("network", "format", "peer"),
    ("network", "format", "draw"),
    ("network", "target"),
)  # what names a line of each kind

Facts = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """What is known.

    Attributes:
        drops: {(network, format, peer): what score.facts says, or "error"}.
        draws: {(network, format, draw of calibration crops): the same of our int8}, of those but the first.
        budgets: {(network, target): what budget.search_budget says, with "test", or "error"}.
    """

    drops: dict[tuple[str, ...], Facts]
    budgets: dict[tuple[str, ...], Facts]
    draws: dict[tuple[str, str, int], Facts] = field(default_factory=dict)


def read() -> Results:
    """All results; of two lines for the same thing the later one."""
    known = Results({}, {})
    for facts in journal.read(RESULTS):
        if "draw" in facts:
            known.draws[facts["network"], facts["format"], facts["draw"]] = facts
            continue
        kind, names = (known.drops, DROP) if "peer" in facts else (known.budgets, BUDGET)
        kind[tuple(facts[name] for name in names)] = facts
    return known


def append(facts: Facts) -> None:
    """Adds a line, down to the disk."""
    journal.append([facts], RESULTS)
