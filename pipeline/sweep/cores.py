"""Divides the cores of a machine: some for benchmarks alone, the others for everything else.

Two logical CPUs of one core slow each other down, so whole cores are divided. Every process that divides the same
machine for as many threads gets the same division, so two sweeps at a time stay out of each other's way, too.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CPUS = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Division:
    """Logical CPUs; None where the system pins no process. `shared`: benchmarks have to run while nothing else does."""

    benchmarks: frozenset[int] | None
    others: frozenset[int] | None
    shared: bool


def divide(threads: int) -> Division:
    """The fastest cores for a benchmark of so many threads, one logical CPU of each, if others remain for the rest."""
    if not hasattr(os, "sched_getaffinity"):
        return Division(None, None, shared=True)
    cores = sorted(_cores(os.sched_getaffinity(0)), key=lambda core: (_speed(min(core)), min(core)))
    if len(cores) <= threads:
        everything = frozenset(cpu for core in cores for cpu in core)
        return Division(everything, everything, shared=True)
    chosen, others = cores[-threads:], cores[:-threads]
    return Division(
        frozenset(min(core) for core in chosen), frozenset(cpu for core in others for cpu in core), shared=False
    )


def _cores(usable: set[int]) -> list[set[int]]:
    """The usable logical CPUs, those of one core together."""
    cores: dict[frozenset[int], set[int]] = {}
    for cpu in sorted(usable):
        siblings = _read(CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list")
        cores.setdefault(frozenset(numbers(siblings) or {cpu}), set()).add(cpu)
    return list(cores.values())


def numbers(listed: str) -> set[int]:
    """ "0-2,8" -> {0, 1, 2, 8}."""
    found: set[int] = set()
    for part in filter(None, listed.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def _speed(cpu: int) -> int:
    """The highest clock rate in kHz, 0 where it is not told."""
    said = _read(CPUS / f"cpu{cpu}" / "cpufreq" / "cpuinfo_max_freq")
    return int(said) if said.isdecimal() else 0


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


@contextlib.contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Waits for its turn among all of this user's sweeps on this machine; `alone`: nobody else's is at the same time.

    The lock goes with the process, however that ends.
    """
    path = Path(tempfile.gettempdir()) / f"edgeport-benchmarks-{os.getuid()}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)
