"""Run the benchmark's steps as processes that answer with one line of JSON."""

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import ROOT

ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "EDGEPORT_OFFLINE": "1"}


class Failed(Exception):
    """A step ended without an answer. The message says why in one line."""


def answer(python: Path, module: str, arguments: Sequence[object], *, timeout_s: float) -> Any:
    """What `python -m benchmarks.MODULE arguments` says in its last line. Raises Failed.

    The process has a group of its own, which ends with it: converters start others.
    """
    environment = {**os.environ, **ONE_THREAD, **QUIET}
    process = subprocess.Popen(
        [str(python), "-m", f"benchmarks.{module}", *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as e:
        raise Failed(f"not done after {timeout_s:g} s") from e
    finally:  # also where somebody interrupts us: its group has not heard of that
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode < 0:
        raise Failed(f"ended by {signal.Signals(-process.returncode).name}")
    if process.returncode:
        raise Failed(reason(err))
    return json.loads(out.splitlines()[-1]) if out.strip() else None


def reason(err: str) -> str:
    """The sentence of a traceback: its last line that begins with an exception's name, or else the last line."""
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    named = [line for line in lines if line.split(":")[0].endswith(("Error", "Exception", "Exit"))]
    return (named or lines or ["it ends without a word"])[-1][:300]
