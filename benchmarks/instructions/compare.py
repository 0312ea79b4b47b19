"""Compare counts of instructions with those in the repository: what got dearer, and which operators are new in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LIMIT = 0.03  # of an inference: so much a change may cost
NAMED = 5  # operators in a message

Operators = Sequence[tuple[str, str]]  # (value, what computes it: "CONV_2D int8 1x32x32x16")


@dataclass(frozen=True)
class Change:
    """An operator that the file in the repository's counts had not, or had otherwise.

    Attributes:
        place: in the file's order.
        before: what computed the value; "" where it is new.
        now: what computes it.
    """

    place: int
    value: str
    before: str
    now: str


def is_dearer(before: int, now: int) -> bool:
    """Whether that is more than a change may cost."""
    return now > before * (1 + LIMIT)


def find_changes(before: Operators, now: Operators) -> list[Change]:
    """The operators that are new or computed otherwise; all others cost what they did, shape by shape."""
    former = dict(before)
    return [
        Change(place, value, former.get(value, ""), what)
        for place, (value, what) in enumerate(now)
        if former.get(value) != what
    ]


def describe(artifact: str, before: int, now: int, costs: Mapping[Change, int]) -> str:
    """An artifact that got dearer, in lines: the new operators that cost the most first."""
    lines = [f"{artifact}: {now:,} instructions instead of {before:,} ({now / before - 1:+.1%})"]
    for change in sorted(costs, key=lambda change: -costs[change])[:NAMED]:
        instead = f", before {change.before}" if change.before else ", new"
        lines.append(f"  '{change.value}': {change.now} costs {costs[change]:,}{instead}")
    if not costs:
        lines.append("  no operator is new or changed: the weights or the scales make the same kernels dearer")
    return "\n".join(lines)


def missing(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Artifacts that one side has and the other not."""
    return sorted(before.keys() ^ now.keys())
