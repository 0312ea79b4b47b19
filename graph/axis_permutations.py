"""Cut a permutation into runs of axes that move together, and a long one into swaps of such runs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise


def orders(order: Sequence[int], wanted: Sequence[int], most: int) -> list[tuple[int, ...]]:
    """The orders of axes on the way from `order` to `wanted`, the last of them; each step moves at most `most` runs.

    A step before the last swaps two neighbouring runs, so that as few runs as can be are left (Bafna and Pevzner,
    "Sorting by transpositions", 1998: at least one fewer). `most` is 3 or more.
    """
    now, way = tuple(order), []
    while len(runs(wanted, now)) > most:
        swaps = (
            now[:start] + now[middle:end] + now[start:middle] + now[end:]
            for start, middle, end in combinations(range(len(now) + 1), 3)
        )
        now = min(swaps, key=lambda swapped: len(runs(wanted, swapped)))
        way.append(now)
    return [*way, tuple(wanted)]


def runs(order: Sequence[int], axes: Sequence[int]) -> list[tuple[int, ...]]:
    """`axes` cut into the longest stretches that follow one another in `order`, too."""
    following = dict(pairwise(order))
    found: list[tuple[int, ...]] = []
    for axis in axes:
        if found and following.get(found[-1][-1]) == axis:
            found[-1] += (axis,)
        else:
            found.append((axis,))
    return found
