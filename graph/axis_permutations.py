"""Cut a permutation into runs of axes that move together, and a long one into moves of few such runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations, pairwise, permutations
from math import prod

Order = tuple[int, ...]

_KEPT = 64  # of the orders that a step can lead to, those with the fewest runs left


def orders(order: Sequence[int], wanted: Sequence[int], most: int, sizes: Sequence[int] | None = None) -> list[Order]:
    """The orders of axes on the way from `order` to `wanted`, the last of them; each step moves at most `most` runs.

    As few steps as are found, each of them any permutation of runs; of ways of equal length the one that copies the
    longest stretches, if the `sizes` of the axes are given. `most` is 3 or more.
    """
    return _orders(tuple(order), tuple(wanted), most, None if sizes is None else tuple(sizes))


@lru_cache(maxsize=512)
def _orders(order: Order, wanted: Order, most: int, sizes: Order | None) -> list[Order]:
    ways: dict[Order, list[Order]] = {order: []}
    while not (done := [way for last, way in ways.items() if len(runs(wanted, last)) <= most]):
        longer: dict[Order, list[Order]] = {}
        for last, way in ways.items():
            for following in _moved(last, wanted, most):
                old = longer.get(following)
                if old is None or _copies(order, [*way, following], sizes) < _copies(order, old, sizes):
                    longer[following] = [*way, following]
        near = sorted(longer, key=lambda now: len(runs(wanted, now)))
        reached = [now for now in near if len(runs(wanted, now)) <= most]
        ways = {now: longer[now] for now in reached or near[:_KEPT]}
    return min(([*way, wanted] for way in done), key=lambda way: _copies(order, way, sizes))


def _moved(order: Order, wanted: Order, most: int) -> Iterator[Order]:
    """What one step makes of an order: any permutation of four stretches at most, none cut where it is right."""
    together = runs(wanted, order)
    count = min(most, 4)
    for cuts in combinations(range(1, len(together)), min(count, len(together)) - 1):
        stretches = [together[start:end] for start, end in pairwise((0, *cuts, len(together)))]
        for permuted in permutations(stretches):
            yield tuple(axis for stretch in permuted for run in stretch for axis in run)


def _copies(start: Order, way: Sequence[Order], sizes: Order | None) -> float:
    """How many copies the steps make of one element: 1 / (what lies together behind all that moves), added up."""
    if sizes is None:
        return 0
    total = 0.0
    for before, after in pairwise((start, *way)):
        last = runs(before, after)[-1]
        total += 1 / prod(sizes[axis] for axis in last) if last[-1] == before[-1] else 1.0
    return total


def runs(order: Sequence[int], axes: Sequence[int]) -> list[Order]:
    """`axes` cut into the longest stretches that follow one another in `order`, too."""
    following = dict(pairwise(order))
    found: list[Order] = []
    for axis in axes:
        if found and following.get(found[-1][-1]) == axis:
            found[-1] += (axis,)
        else:
            found.append((axis,))
    return found
