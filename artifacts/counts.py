"""Counts that a user gives: whole numbers from 1, and of threads and processes not more than a system has."""

import math

from .errors import UsageError

MOST_THREADS = 512  # where a system gives no more of them, native runtimes crash, and other programs too
MOST = {"threads": MOST_THREADS, "jobs": MOST_THREADS}


def check_count(name: str, value: object, optional: bool = True) -> None:
    """Raises UsageError unless the value is a whole number of at least 1, and none that ends a machine; or None."""
    if optional and value is None:
        return
    most = MOST.get(name, math.inf)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        limits = "of at least 1" if math.isinf(most) else f"from 1 to {most:g}"
        raise UsageError(f"{name}: must be a whole number {limits}, not {value!r}")
