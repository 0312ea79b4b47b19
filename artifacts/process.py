"""What a process does for the one that started it: it ends with it, and tells it what it is at.

`edgeport` runs each command in a process of its own (pipeline/supervisor.py), so that native code may crash or hang in
it. Whoever is not watched tells nobody anything.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

_tell: Callable[[bytes], Any] | None = None


def report_to(pipe: int) -> None:
    """From now on this process tells the reader of the pipe what it is at."""
    global _tell
    _tell = lambda line: os.write(pipe, line)  # noqa: E731


def is_watched() -> bool:
    """Whether another process watches over this one, and outlives it."""
    return _tell is not None


def tell(what: str, *facts: Any) -> None:
    """Tells whoever watches: one line, far below what a pipe takes in one piece."""
    if _tell is not None:
        try:
            _tell(json.dumps([what, *facts]).encode() + b"\n")
        except OSError:  # nobody listens any more
            report_to_nobody()


def report_to_nobody() -> None:
    """From now on this process is not watched."""
    global _tell
    _tell = None


def die_with(parent: int) -> None:
    """Makes this process end when its parent does, even by kill -9; only Linux can."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG of linux/prctl.h
    if os.getppid() != parent:  # it was faster
        os._exit(1)


def resident_mb(pid: int) -> float:
    """The memory that a process has in use now, in MB (10^6 bytes); 0 where it is gone or the system does not tell."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, IndexError):
        pass
    if sys.platform != "darwin":
        return 0.0
    import subprocess

    told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return int(told) * 1024 / 1e6 if told.isdecimal() else 0.0


def signal_name(number: int) -> str:
    """ "SIGKILL (memory may have run out)"."""
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    return f"{name} (memory may have run out)" if name == "SIGKILL" else name
