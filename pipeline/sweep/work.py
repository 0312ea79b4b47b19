"""Does one job of a sweep, pinned to its cores, in a process that ends with the sweep.

python -m edgeport.pipeline.sweep.work PARENT CPUS alone|together|apart CALL     what `perform` starts
"""

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...artifacts.errors import exit_code
from ...artifacts.exit_codes import BUG
from ...artifacts.manifest import finite
from ...artifacts.printable import printable
from ...artifacts.process import die_with
from .cores import divide, turn
from .options import BENCHMARK, EXPORT
from .process import Ended, Processes

# Sums in another order give other ranges, so other bytes: as few threads everywhere. What runs in parallel is jobs.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Work:
    """A call of the library.

    Attributes:
        call: what jobs.Job.call gives.
        threads: of the benchmarks of the sweep, which decide how the cores are divided.
        benchmark: whether this is one, on this machine.
    """

    call: Mapping[str, Any]
    threads: int
    benchmark: bool
    timeout_s: float


def perform(work: Work, folder: Path, processes: Processes) -> Ended:
    """Makes the call in `folder`, in a process of its own."""
    division = divide(work.threads)
    cpus = division.benchmarks if work.benchmark else division.others
    how = "alone" if work.benchmark else "together" if division.shared else "apart"
    listed = ",".join(map(str, sorted(cpus or ())))
    command = [sys.executable, "-m", __name__, str(os.getpid()), listed, how, json.dumps(dict(work.call))]
    path = os.pathsep.join(filter(None, (os.getcwd(), os.environ.get("PYTHONPATH"))))  # for package.module:factory
    environment = {**ENVIRONMENT, "PYTHONPATH": path}
    return processes.run(command, folder=folder, timeout_s=work.timeout_s, environment=environment)


def make_call(call: Mapping[str, Any]) -> tuple[Any, int]:
    """(what the command would print as JSON, its exit code)."""
    from ..benchmark import benchmark
    from ..device_runs import DeviceAccess, benchmark_on_device, validate_on_device
    from ..export import export
    from ..validate import validate

    arguments, artifacts, device = dict(call["arguments"]), call["artifacts"], call["device"]
    if call["kind"] == EXPORT:
        result = export(**arguments)
        return result.to_json(), result.exit_code
    if device in ("", "local"):
        if call["kind"] == BENCHMARK:
            return benchmark(*artifacts, **arguments).to_json(), 0
        result = validate(artifacts[0], **arguments)
        return result.to_json(), result.exit_code
    access = DeviceAccess(**call["access"])
    if call["kind"] == BENCHMARK:
        found = [each.to_json() for each in benchmark_on_device(device, *artifacts, access=access, **arguments)]
        return (found[0] if len(found) == 1 else found), 0
    results = validate_on_device(device, artifacts[0], access=access, **arguments)
    found = [each.to_json() for each in results]
    return (found[0] if len(found) == 1 else found), max(each.exit_code for each in results)


def main(arguments: Sequence[str]) -> int:
    """The process of one job: its result on stdout, a sentence on stderr where it fails."""
    parent, listed, how, call = arguments
    die_with(int(parent))
    if listed:
        os.sched_setaffinity(0, {int(cpu) for cpu in listed.split(",")})
    with turn(alone=how == "alone") if how != "apart" else contextlib.nullcontext():
        try:
            with contextlib.redirect_stdout(sys.stderr):  # what a model prints is no result
                value, code = make_call(json.loads(call))
        except Exception as e:  # a bug, too, is told to the sweep
            code = exit_code(e)
            if code == BUG:
                traceback.print_exc()
            said = f"edgeport: {e}" if code != BUG else f"{type(e).__name__}: {e}"
            print(printable(said), file=sys.stderr)  # one line: the sweep keeps the last
            return code
    print(json.dumps(finite(value), allow_nan=False))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
