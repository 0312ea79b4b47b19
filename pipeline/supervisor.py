"""Runs a command in a process of its own, and outlives it: whatever ends that process, the user is told in a sentence.

Model files from strangers are parsed and run by native code, which may crash, hang or take all memory. The process is
forked before anything heavy is imported, which takes a millisecond. It tells the supervisor through a pipe what it is
at (artifacts/process.py). The supervisor passes signals on, holds limits, and removes what a dead process left behind.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from ..artifacts import process
from ..artifacts.exit_codes import BAD_INPUT, BUG
from ..artifacts.staging import clean, locked_folder, remove_leftovers

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP"))
GRACE_S = 5.0  # to clean up in, after a signal; and to end in, after the command is done
AGAIN_S = 0.5  # a signal that comes so soon after the first one is the same: sent to the whole group, too
LOOK_S = 0.05  # how often the memory is looked at


class Ended(KeyboardInterrupt):
    """The supervisor asks this process to end: raised in its main thread, so that what it had begun is undone."""


@dataclass(frozen=True)
class Limits:
    """What a command may take; None for as much as there is.

    Attributes:
        seconds: from its start to its end.
        memory_mb: resident, in MB (10^6 bytes).
    """

    seconds: float | None = None
    memory_mb: float | None = None


@dataclass
class _Told:
    """What the process has told of itself."""

    files: list[str] = field(default_factory=list)
    staging: list[tuple[str, list[str]]] = field(default_factory=list)
    code: int | None = None

    def hear(self, line: bytes) -> None:
        what, *facts = json.loads(line)
        if what == "file" and facts[0] not in self.files:
            self.files.append(facts[0])
        elif what == "staging":
            self.staging.append((facts[0], facts[1]))
        elif what == "code":
            self.code = facts[0]

    def where(self) -> str:
        """ "a.tflite: " of what it was working on, the last file first."""
        return f"{', '.join(reversed(self.files[-3:]))}: " if self.files else ""


def supervise(command: Callable[[], int], limits: Limits) -> int:
    """Runs the command in a child process and returns its exit code; whatever else ends it is told on stderr.

    128 + the signal's number where a signal asked for the end; 2 where a limit was reached, or the process died.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    scratch = _scratch_folder()
    ours, its = os.pipe()
    parent, child = os.getpid(), os.fork()
    if child == 0:
        os.close(ours)
        _become_child(parent, its, scratch)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            code = command()
        except Ended:
            return 128 + signal.SIGTERM  # which nobody hears: the supervisor knows why
        except BaseException:
            process.tell("code", BUG)
            raise
        process.tell("code", code)
        return code
    os.close(its)
    try:
        with contextlib.closing(_Watch(child, ours, limits)) as watch, watch.signals():
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return watch.run()
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _scratch_folder() -> Path | None:
    """A folder for what the child and its libraries put among the temporary files; None where none can be made.

    It is locked while one of the two lives; those that a killed pair left behind are removed.
    """
    try:
        temporary = Path(tempfile.gettempdir())
        clean(temporary)
        return locked_folder(temporary)[0]
    except OSError:
        return None


def _become_child(parent: int, pipe: int, scratch: Path | None) -> None:
    process.die_with(parent)
    process.report_to(pipe)
    if scratch is not None:
        tempfile.tempdir = os.environ["TMPDIR"] = str(scratch)

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)  # once is enough; the supervisor has SIGKILL
        raise Ended

    for each in _not_ignored():
        signal.signal(each, lambda *_: None)  # the supervisor has it, too, and decides
    signal.signal(signal.SIGTERM, end)


def _not_ignored() -> list[signal.Signals]:
    """Those that do not come here anyway (nohup, a shell's background)."""
    return [each for each in ENDING if signal.getsignal(each) is not signal.SIG_IGN]


class _Watch:
    """Watches over one child to its end."""

    def __init__(self, child: int, pipe: int, limits: Limits):
        self._child, self._pipe, self._limits = child, pipe, limits
        self._start = time.monotonic()
        self._told, self._unread = _Told(), b""
        self._signals: list[tuple[int, float]] = []
        self._why: tuple[int, str] | None = None  # exit code and words, where it was asked to end
        self._kill_at = float("inf")
        self._wake, self._waker = os.pipe()
        for each in (self._wake, self._waker, self._pipe):
            os.set_blocking(each, False)

    def close(self) -> None:
        for each in (self._wake, self._waker, self._pipe):
            os.close(each)

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Within it signals are kept for the child, and the end of the child wakes us."""
        former = {each: signal.signal(each, self._keep) for each in _not_ignored()}
        former[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        wakes = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakes)
            for each, handler in former.items():
                signal.signal(each, handler)

    def _keep(self, number: int, frame: FrameType | None) -> None:
        self._signals.append((number, time.monotonic()))

    def run(self) -> int:
        """The exit code of the command, when it is at its end."""
        while True:
            ended, status = os.waitpid(self._child, os.WNOHANG)
            self._listen()
            if ended:
                return self._conclude(os.waitstatus_to_exitcode(status))
            self._obey()
            select.select([self._wake, self._pipe], [], [], self._patience())
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 4096)

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._pipe, 65536):
                *lines, self._unread = (self._unread + chunk).split(b"\n")
                for line in lines:
                    self._told.hear(line)

    def _obey(self) -> None:
        """Asks the child to end, or ends it, where there is a reason."""
        now, limits = time.monotonic(), self._limits
        if self._told.code is not None and self._why is None:  # what hangs now is a library's farewell
            self._kill_at = min(self._kill_at, now + GRACE_S)
        elif self._signals and self._why is None:
            number = self._signals[0][0]
            words = "interrupted" if number == signal.SIGINT else f"ended by {process.signal_name(number)}"
            self._ask(128 + number, words, GRACE_S)
        elif self._signals and self._signals[-1][1] > self._signals[0][1] + AGAIN_S:
            self._kill_at = now
        elif self._why is None and limits.seconds is not None and now > self._start + limits.seconds:
            words = f"{self._told.where()}not done after {limits.seconds:g} s, the limit that --time-limit sets"
            self._ask(BAD_INPUT, words, GRACE_S)
        elif self._why is None and limits.memory_mb is not None:
            used = process.resident_mb(self._child)
            if used > limits.memory_mb:
                words = (
                    f"{self._told.where()}needs more than {limits.memory_mb:g} MB, the limit that --memory-limit sets"
                )
                self._ask(BAD_INPUT, words, 0)
        if now >= self._kill_at:
            os.kill(self._child, signal.SIGKILL)

    def _ask(self, code: int, words: str, grace_s: float) -> None:
        self._why = code, words
        self._kill_at = time.monotonic() + grace_s
        os.kill(self._child, signal.SIGTERM)

    def _patience(self) -> float | None:
        """How long nothing has to be looked at, in seconds; None for as long as nothing happens."""
        times = [self._kill_at]
        if self._limits.seconds is not None and self._why is None:
            times.append(self._start + self._limits.seconds)
        if self._limits.memory_mb is not None and self._why is None:
            times.append(time.monotonic() + LOOK_S)
        soonest = min(times)
        return None if soonest == float("inf") else max(0.0, soonest - time.monotonic()) + 0.001

    def _conclude(self, status: int) -> int:
        """The exit code; what the child did not say itself is said, what it did not remove is removed."""
        told = self._told
        if told.code is not None and self._why is None:
            return told.code
        for destination, made in told.staging:
            remove_leftovers(Path(destination), [Path(each) for each in made])
        code, words = self._why or (BAD_INPUT, f"{told.where()}{_how(status)}")
        print(f"edgeport: {words}", file=sys.stderr, flush=True)
        return code


def _how(status: int) -> str:
    """How a process ended that did not come to the end of its command, in words."""
    if status >= 0:
        return f"the process ended itself with code {status} before the command was done"
    name = process.signal_name(-status)
    return f"the process was killed by {name}" if -status == signal.SIGKILL else f"native code crashed ({name})"


def standard_streams() -> bool:
    """Opens what the caller has closed of stdin, stdout and stderr, so that no other file takes its number.

    Returns whether stdout is there.
    """
    there = True
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            there = there and number != 1
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115  # for the whole run
    return there
