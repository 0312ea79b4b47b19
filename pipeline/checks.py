"""Checks of single arguments, with one sentence where one is wrong."""

import difflib
import math
from collections.abc import Sequence

from ..artifacts.errors import UsageError


def check_choice(name: str, value: object, choices: Sequence[str | int]) -> None:
    """Raises UsageError unless the value is one of the choices; names the nearest."""
    if value not in choices:
        names = [str(choice) for choice in choices]
        near = difflib.get_close_matches(str(value), names, 1)
        raise UsageError(
            f"{name}: {value!r} is none of {', '.join(names)}{f'; did you mean {near[0]!r}?' if near else ''}"
        )


def check_count(name: str, value: object) -> None:
    """Raises UsageError unless the value is None or a whole number of at least 1."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise UsageError(f"{name}: must be a whole number of at least 1, not {value!r}")


def check_share(name: str, value: object, most: float = 1.0) -> None:
    """Raises UsageError unless the value is None or a number from 0 to `most`."""
    if value is None:
        return
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (0 <= value <= most and math.isfinite(value))
    ):
        limits = "of at least 0" if math.isinf(most) else f"from 0 to {most:g}"
        raise UsageError(f"{name}: must be a number {limits}, not {value!r}")
