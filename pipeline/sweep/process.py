"""Runs one command in a process of its own, and ends it with everything that it started."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, minus the signal that killed it, or None where it took too long."""

    code: int | None
    out: str
    err: str
    seconds: float = 0.0

    @property
    def last_words(self) -> str:
        """The last line on stderr."""
        return (self.err.strip().splitlines() or [""])[-1]


@dataclass
class Processes:
    """The processes that run now, each in a session of its own, so that `kill` reaches all that they started."""

    _running: set[subprocess.Popen] = field(default_factory=set)
    _stopped: bool = False

    def run(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        timeout_s: float,
        environment: Mapping[str, str] | None = None,
    ) -> Ended:
        """Runs a command to its end, or until `timeout_s` or `kill`."""
        with subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            self._running.add(process)
            start = time.monotonic()
            try:
                if self._stopped:
                    _kill(process)
                out, err = process.communicate(timeout=timeout_s)
                return Ended(process.returncode, out, err, time.monotonic() - start)
            except subprocess.TimeoutExpired:
                _kill(process)
                out, err = process.communicate()
                return Ended(None, out, err, time.monotonic() - start)
            finally:
                self._running.discard(process)

    def kill(self) -> None:
        """Ends those that run, and whatever is started after."""
        self._stopped = True
        for process in list(self._running):
            _kill(process)


def _kill(process: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
