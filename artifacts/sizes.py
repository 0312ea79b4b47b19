"""The heights and widths that an artifact with open sizes takes, and what it was found to give at some of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import UsageError

Size = tuple[int, int]  # (height, width)
LARGEST = 1 << 15  # pixels of a side: what is beyond is a mistake
MOST = 4096  # sizes of a side


@dataclass(frozen=True, kw_only=True)
class Side:
    """What a height, or a width, can be, in pixels.

    Attributes:
        smallest, largest: of them; the same where it is of one length.
        step: from one to the next; 0 where they are listed.
        listed: the lengths themselves, in rising order; empty where a step makes them.
    """

    smallest: int
    largest: int
    step: int = 0
    listed: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        ends = (self.listed[0], self.listed[-1]) if self.listed else (self.smallest, self.largest)
        rising = list(self.listed) == sorted(set(self.listed)) and ends == (self.smallest, self.largest)
        if not 1 <= self.smallest <= self.largest <= LARGEST or not rising or bool(self.listed) == (self.step > 0):
            raise ValueError(f"the sizes are from {self.smallest} to {self.largest} by {self.step}")
        if len(self.lengths) > MOST:
            raise ValueError(f"the sizes are {len(self.lengths)}, more than {MOST}")

    @classmethod
    def of(cls, lengths: "Sequence[int]") -> "Side":
        """Of a range, or of rising numbers. Raises ValueError."""
        if isinstance(lengths, range):
            return cls(smallest=lengths[0], largest=lengths[-1], step=lengths.step)
        return cls(smallest=lengths[0], largest=lengths[-1], listed=tuple(lengths))

    @property
    def lengths(self) -> Sequence[int]:
        """All of them."""
        return self.listed or range(self.smallest, self.largest + 1, self.step)

    @property
    def is_open(self) -> bool:
        """Whether there are several."""
        return self.smallest < self.largest

    def other(self, length: int) -> int:
        """One that this is not, where there are several."""
        return self.largest if self.smallest == length else self.smallest

    def __str__(self) -> str:
        if len(self.listed) == 1:
            return str(self.smallest)
        if self.listed:
            return f"{', '.join(map(str, self.listed[:-1]))} or {self.listed[-1]}"
        return f"from {self.smallest} to {self.largest}{f' in steps of {self.step}' if self.step > 1 else ''}"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Height and width are each one of theirs, in pixels; at least one of both is open.

    Attributes:
        height, width: what they can be.
        default: (height, width) at which the artifact was calibrated, and is timed where none is asked for.
    """

    height: Side
    width: Side
    default: Size

    def __post_init__(self) -> None:
        if not self.holds(self.default) or not (self.height.is_open or self.width.is_open):
            raise ValueError(f"the sizes are {self}, {self.default} among them or not")

    def holds(self, size: Sequence[int]) -> bool:
        """Whether (height, width) is one of them."""
        return len(size) == 2 and size[0] in self.height.lengths and size[1] in self.width.lengths

    @property
    def corners(self) -> list[Size]:
        """The smallest, the largest and one that is not square, but for the default: by them and it, a graph is known
        at the others. Of one open side the third lies between its ends."""
        h, w = self.height, self.width
        wanted = [(h.smallest, w.smallest), (h.largest, w.largest), (h.smallest, w.largest)]
        if not (h.is_open and w.is_open):
            wanted[2] = (h.lengths[len(h.lengths) // 3], w.lengths[len(w.lengths) // 3])
        return [size for size in dict.fromkeys(wanted) if size != self.default]

    @property
    def other(self) -> Size:
        """One with another height and another width than the default, where these are open."""
        return self.height.other(self.default[0]), self.width.other(self.default[1])

    def __str__(self) -> str:
        if self.height == self.width:
            return f"height and width each {self.height}"
        return f"height {self.height}, width {self.width}"


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
