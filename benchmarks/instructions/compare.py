"""Compare counts of instructions with those in the repository: what got dearer, and which operator did it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LIMIT = 0.03  # of an inference: so much a change may cost
NAMED = 5  # operators in a message
SMALLEST = 0.001  # of an inference: what changes less is not named

Operators = Sequence[tuple[str, str, int]]  # (value, operator, instructions)


@dataclass(frozen=True)
class Change:
    """An operator in both versions of an artifact; 0 where one has none of that name."""

    value: str
    operator: str
    before: int
    now: int


def is_dearer(before: int, now: int) -> bool:
    """Whether that is more than a change may cost."""
    return now > before * (1 + LIMIT)


def blame(before: Operators, now: Operators) -> list[Change]:
    """The operators that cost more than before, the one that costs the most more first."""
    former = {value: (operator, count) for value, operator, count in before}
    later = {value: (operator, count) for value, operator, count in now}
    changes = [
        Change(
            value,
            (later.get(value) or former[value])[0],
            former[value][1] if value in former else 0,
            later[value][1] if value in later else 0,
        )
        for value in dict.fromkeys((*later, *former))
    ]
    least = SMALLEST * sum(count for _, _, count in now)
    dearer = [change for change in changes if change.now - change.before > least]
    return sorted(dearer, key=lambda change: change.before - change.now)


def describe(artifact: str, before: int, now: int, changes: Sequence[Change]) -> str:
    """An artifact that got dearer, in lines."""
    lines = [f"{artifact}: {now:,} instructions instead of {before:,} ({now / before - 1:+.1%})"]
    for change in changes[:NAMED]:
        lines.append(f"  {change.operator} '{change.value}': {change.now:,} instead of {change.before:,}")
    return "\n".join(lines)


def missing(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Artifacts that one side has and the other not."""
    return sorted(before.keys() ^ now.keys())
