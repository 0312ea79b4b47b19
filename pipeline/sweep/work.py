"""This file does one job of a sweep: the command, pinned to its cores, in a process that ends with the sweep.

python -m edgeport.pipeline.sweep.work PARENT CPUS alone|together ARGUMENT...     what `perform` starts
"""

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .cores import divide, turn
from .process import Ended, Processes

# Sums in another order give other ranges, so other bytes: as few threads everywhere. What runs in parallel is jobs.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Work:
    """A command of edgeport.

    Attributes:
        threads: of the benchmarks of the sweep, which decide how the cores are divided.
        benchmark: whether this is one, on this machine.
    """

    arguments: tuple[str, ...]
    threads: int
    benchmark: bool
    timeout_s: float


def perform(work: Work, folder: Path, processes: Processes) -> Ended:
    """Runs the command in `folder`."""
    division = divide(work.threads)
    cpus = division.benchmarks if work.benchmark else division.others
    how = "alone" if work.benchmark else "together" if division.shared else "apart"
    listed = ",".join(map(str, sorted(cpus or ())))
    command = [sys.executable, "-m", __name__, str(os.getpid()), listed, how, *work.arguments]
    path = os.pathsep.join(filter(None, (os.getcwd(), os.environ.get("PYTHONPATH"))))  # for package.module:factory
    environment = {**ENVIRONMENT, "PYTHONPATH": path}
    return processes.run(command, folder=folder, timeout_s=work.timeout_s, environment=environment)


def main(arguments: Sequence[str]) -> int:
    parent, listed, how, *command = arguments
    from .process import die_with

    die_with(int(parent))
    if listed:
        os.sched_setaffinity(0, {int(cpu) for cpu in listed.split(",")})
    from ...cli.main import main as edgeport

    with turn(alone=how == "alone") if how != "apart" else contextlib.nullcontext():
        return edgeport(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
