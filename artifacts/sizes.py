"""The heights and widths that an artifact with open sizes takes, and what it was found to give at some of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import UsageError

Size = tuple[int, int]  # (height, width)
LARGEST = 1 << 15  # pixels of a side: what is beyond is a mistake
MOST = 4096  # sizes of a side


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Height and width are each one of these, in pixels.

    Attributes:
        smallest, largest: of each.
        step: from one to the next; 0 where they are listed.
        listed: the sizes themselves, in rising order; empty where a step makes them.
        default: (height, width) at which the artifact was calibrated, and is timed where none is asked for.
    """

    smallest: int
    largest: int
    step: int
    listed: tuple[int, ...] = ()
    default: Size

    def __post_init__(self) -> None:
        rising = list(self.listed) == sorted(set(self.listed)) and self.listed[-1:] in ((), (self.largest,))
        if not 1 <= self.smallest < self.largest <= LARGEST or not rising or bool(self.listed) == (self.step > 0):
            raise ValueError(f"the sizes are from {self.smallest} to {self.largest} by {self.step}")
        if len(self.sides) > MOST or not self.holds(self.default):
            raise ValueError(f"the sizes are {len(self.sides)}, {self.default} among them or not")

    @property
    def sides(self) -> Sequence[int]:
        """All that a height or a width can be."""
        return self.listed or range(self.smallest, self.largest + 1, self.step)

    def holds(self, size: Sequence[int]) -> bool:
        """Whether (height, width) is one of them."""
        return len(size) == 2 and all(each in self.sides for each in size)

    @property
    def corners(self) -> list[Size]:
        """The smallest, the largest and one that is not square, but for the default: by them and it, a graph is known
        at the others."""
        wanted = [(self.smallest,) * 2, (self.largest,) * 2, (self.smallest, self.largest)]
        return [size for size in wanted if size != self.default]

    @property
    def other(self) -> Size:
        """One with neither the height nor the width of the default."""
        height, width = (self.largest if self.smallest == side else self.smallest for side in self.default)
        return height, width

    def __str__(self) -> str:
        if self.listed:
            return f"height and width each {', '.join(map(str, self.listed[:-1]))} or {self.listed[-1]}"
        steps = f" in steps of {self.step}" if self.step > 1 else ""
        return f"height and width each from {self.smallest} to {self.largest}{steps}"


def shown(size: Sequence[int]) -> str:
    """ "320x480", as `read_size` takes it."""
    return "x".join(map(str, size))


def read_size(given: "str | Sequence[int] | None") -> Size | None:
    """(height, width) as a caller gives it: (320, 480), or "320x480". Raises UsageError."""
    if given is None:
        return None
    parts = given.lower().split("x") if isinstance(given, str) else [str(each) for each in given]
    if len(parts) != 2 or not all(part.isdecimal() and 0 < int(part) <= LARGEST for part in parts):
        raise UsageError(f"size: must be HEIGHTxWIDTH in pixels, 320x480 say, not {given!r}")
    return int(parts[0]), int(parts[1])


@dataclass(frozen=True, kw_only=True)
class SizeCheck:
    """How an artifact agrees with its reference at one size.

    Attributes:
        height, width: of the input, in pixels.
        snr_db: of several outputs the worst; None where it is no number.
        verdict: "ok", "warn: ..." or "fail: ...".
    """

    height: int
    width: int
    snr_db: float | None
    verdict: str
