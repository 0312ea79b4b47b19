"""Run shell commands on a device, and move files there and back.

What differs between kinds of devices is a subclass. No exit status is believed that the device itself did not print:
`adb shell` returns 0 when the device goes away in the middle of a command.
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..artifacts.errors import DeviceError

STATUS = "EDGEPORT_STATUS "  # begins the last line of every command
UNWRITTEN = 92  # the status of a command that could not take in a file
_CHATTER = re.compile(rf"INFO|WARNING|[IW]\d{{4}}|{STATUS}")  # lines that explain no failure
SHORT_S = 60.0  # for commands that do next to nothing


@dataclass(frozen=True)
class Done:
    """A command that came to its end on the device."""

    status: int
    out: str
    err: str

    @property
    def why(self) -> str:
        """The last thing it said, for a sentence."""
        return last_words(self.err) or last_words(self.out) or f"status {self.status}"


class Transport:
    """A device that runs POSIX shell commands.

    Attributes:
        name: as the user named it.
        folder: where edgeport keeps its files there; shell words, expanded on the device.
        python: its Python.
        emulated: whether times mean nothing there.
        counts: whether it counts instructions.
    """

    name = "local"
    folder = ""
    python = "python3"
    emulated = False
    counts = False

    def argv(self, command: str) -> list[str]:
        """How a shell command line is run there."""
        raise NotImplementedError

    def push(self, local: Path, part: str, then: str, timeout_s: float) -> Done:
        """Copies a file there, as `part`; then runs a command, whose end it returns. Raises DeviceError."""
        with local.open("rb") as file:
            done = self.shell(f"cat > {shlex.quote(part)} || exit {UNWRITTEN}\n{then}", timeout_s, stdin=file)
        if done.status == UNWRITTEN:
            raise DeviceError(f"{self.name}: {local.name} cannot be written there ({done.why})")
        return done

    def pull(self, remote: str, local: Path, timeout_s: float) -> None:
        """Copies a file from there; whoever asked checks what has arrived."""
        with local.open("wb") as file:
            status, _, err = self.communicate(self.argv(f"cat {shlex.quote(remote)}"), timeout_s, stdout=file)
        if status:
            raise DeviceError(f"{self.name}: {remote} cannot be read there ({last_words(err) or f'status {status}'})")

    def close(self) -> None:
        """Ends what the transport itself holds open."""

    def shell(self, command: str, timeout_s: float = SHORT_S, *, stdin: IO[bytes] | None = None) -> Done:
        """Runs a command line there. Raises DeviceError where it did not come to its end, whatever its status."""
        whole = f"({command}\n); printf '\\n{STATUS}%d\\n' $?"
        _, out, err = self.communicate(self.argv(whole), timeout_s, stdin=stdin)
        text, found, last = out.replace("\r\n", "\n").rpartition(f"\n{STATUS}")
        if not found or not last.strip().isdecimal():
            why = last_words(err) or "the connection broke"
            raise DeviceError(f"{self.name}: went away before it answered ({why})")
        return Done(int(last), text, err)

    def communicate(
        self,
        argv: Sequence[str],
        timeout_s: float,
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
    ) -> tuple[int, str, str]:
        """(exit status, stdout, stderr) of a program of this machine, which is gone afterwards, come what may.

        Without `stdin` it is given a pipe that stays open until the end: runner.py stops when it closes.
        """
        with _open_pipe() as held:
            try:
                process = subprocess.Popen(
                    argv,
                    stdin=stdin or held,
                    stdout=stdout or subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
            except FileNotFoundError as e:
                raise DeviceError(f"{self.name}: needs the program {argv[0]}, which is not here") from e
            try:
                out, err = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired as e:
                raise DeviceError(f"{self.name}: gave no answer within {timeout_s:g} s") from e
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.communicate()
        return process.returncode, (out or b"").decode("utf-8", "replace"), err.decode("utf-8", "replace")


class Here(Transport):
    """This machine, with a folder of its own that is gone afterwards."""

    def __init__(self, name: str = "local", python: str = sys.executable):
        self.name, self.python = name, python
        self._own = tempfile.TemporaryDirectory(prefix="edgeport-")
        self.folder = shlex.quote(self._own.name)

    def argv(self, command: str) -> list[str]:
        return ["sh", "-c", command]

    def close(self) -> None:
        self._own.cleanup()


def last_words(text: str) -> str:
    """The line of a program's output that says what is wrong: the first that calls itself an error, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not _CHATTER.match(line)]
    errors = [line for line in lines if line.lower().startswith(("error:", "adb: error:", "adb:"))]
    return (errors or lines[-1:] or [""])[0].rstrip(".")


@contextlib.contextmanager
def _open_pipe() -> Iterator[int]:
    """The end to read of a pipe whose other end nobody writes to and nobody closes meanwhile."""
    reads, writes = os.pipe()  # not inherited: whoever is started gets `reads` alone, as its stdin
    try:
        yield reads
    finally:
        os.close(reads)
        os.close(writes)
