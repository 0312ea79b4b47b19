"""This file takes a long way of axes apart: a permutation of many runs of axes, as swaps of neighbouring runs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise


def orders(order: Sequence[int], wanted: Sequence[int], most: int) -> list[tuple[int, ...]]:
    """The orders of axes on the way from `order` to `wanted`, the last of them; each step moves at most `most` runs.

    A step before the last swaps two neighbouring runs, so that as few runs as can be are left (Bafna and Pevzner,
    "Sorting by transpositions", 1998: at least one fewer). `most` is 3 or more.
    """
    now, way = tuple(order), []
    following = dict(pairwise(wanted))
    while _runs(now, following) > most:
        swaps = (
            now[:start] + now[middle:end] + now[start:middle] + now[end:]
            for start, middle, end in combinations(range(len(now) + 1), 3)
        )
        now = min(swaps, key=lambda swapped: _runs(swapped, following))
        way.append(now)
    return [*way, tuple(wanted)]


def _runs(order: Sequence[int], following: dict[int, int]) -> int:
    return 1 + sum(following.get(a) != b for a, b in pairwise(order))
