"""Find a number that follows from the image's size in the lengths of what is computed already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

from ..artifacts.errors import UnsupportedOp

ADVICE = "; leave out --dynamic size, and export once for each size"
MOST = 64  # times a length, or over it
Column = tuple[int, ...]  # a number at each of several sizes
K = TypeVar("K")


@dataclass(frozen=True)
class Length(Generic[K]):
    """A number that is, at each size, (times * length + more) / over, of a value's length along an axis; exactly."""

    value: K
    axis: int
    times: int = 1
    more: int = 0
    over: int = 1

    @property
    def effort(self) -> tuple[int, int]:
        """What computing it takes: steps, and the size of the numbers in them."""
        return (self.times > 1) + (self.more != 0) + (self.over > 1), self.times + self.over


def find_length(column: Column, shapes: Mapping[K, Sequence[Sequence[int]]]) -> Length[K] | None:
    """How the number follows from a value's length, in the way that takes the least; None where there is none.

    `shapes`: {value: its shape at each size}; of values that do as well the first is taken.
    """
    return min(_all(column, shapes), key=lambda found: found.effort, default=None)


def no_length(target: str, operation: str, column: Column) -> UnsupportedOp:
    """What to say where there is none: of a target, for its operation in words."""
    numbers = ", ".join(map(str, column))
    return UnsupportedOp(
        f"{target}: --dynamic size: {operation} needs a number that is {numbers} at the sizes that were tried, which "
        f"follows from no length before it{ADVICE}"
    )


def _all(column: Column, shapes: Mapping[K, Sequence[Sequence[int]]]) -> Iterator[Length[K]]:
    for value, dims in shapes.items():
        for axis, lengths in enumerate(zip(*dims, strict=True)):
            other = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
            if other is None:
                continue
            rise = Fraction(column[other] - column[0], lengths[other] - lengths[0])
            times, over = rise.numerator, rise.denominator
            more = {number * over - times * length for number, length in zip(column, lengths, strict=True)}
            if 0 < times <= MOST and over <= MOST and len(more) == 1:
                yield Length(value, axis, times, more.pop(), over)


def open_axes(dims: Sequence[Sequence[int]]) -> list[int]:
    """The axes whose length is not the same in all of these shapes."""
    return [axis for axis, lengths in enumerate(zip(*dims, strict=True)) if len(set(lengths)) > 1]
