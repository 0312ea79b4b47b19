"""Find a number that follows from the image's size among the lengths of what is computed already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

MOST_TIMES = 64  # how often a number may be a length: an upsampled image's
Column = tuple[int, ...]  # a number at each of several sizes
K = TypeVar("K")


def find_length(column: Column, shapes: Mapping[K, Sequence[Sequence[int]]]) -> tuple[K, int, int] | None:
    """(value, axis, times): at each size the number is so many times the value's length; None where there is none.

    `shapes`: {value: its shape at each size}; the first value that has it, of the fewest times, is taken.
    """
    for times in range(1, MOST_TIMES + 1):
        for value, dims in shapes.items():
            for axis, lengths in enumerate(zip(*dims, strict=True)):
                if tuple(length * times for length in lengths) == column:
                    return value, axis, times
    return None


def open_axes(dims: Sequence[Sequence[int]]) -> list[int]:
    """The axes whose length is not the same in all of these shapes."""
    return [axis for axis, lengths in enumerate(zip(*dims, strict=True)) if len(set(lengths)) > 1]
