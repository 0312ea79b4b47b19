"""What the command says: notes, warnings, errors and progress on stderr, the result on stdout.

All of it goes through `printable` here: names come from models, files and devices, and a terminal obeys what it gets.
"""

import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import Any, TextIO

import edgeport

from ..pipeline.progress import Event
from ..pipeline.text_table import printable, to_json

PATIENCE_S = 2.0  # a stage that takes longer leaves a line


class Console:
    """Where a command's words go: the result to `out` (None: stdout is closed), all else to stderr.

    `quiet` leaves out notes and progress; `json` makes the result one JSON object.
    """

    def __init__(self, *, quiet: bool = False, json: bool = False, out: TextIO | None = None):
        self.quiet, self.json, self._out = quiet, json, out
        self._bar: Any = None

    def progress(self, event: Event) -> None:
        """Shows an event of the library: a bar on a terminal, a line for what took long, notes and warnings."""
        match event.kind:
            case "note":
                self.note(event.text)
            case "warning":
                self.warn(event.text)
            case "begin":
                self._begin(event)
            case "advance":
                if self._bar is not None:
                    bar, task = self._bar
                    bar.update(task, completed=event.done)
            case "end":
                self._end()
                if event.seconds > PATIENCE_S:
                    self.note(f"{event.text}: {event.seconds:.1f} s")

    def note(self, text: str) -> None:
        """Something good to know."""
        if not self.quiet:
            _say(printable(text))

    def warn(self, text: str) -> None:
        """Something that makes the result less than it seems."""
        _say(f"WARNING: {printable(text)}")

    @staticmethod
    def error(error: object) -> None:
        """Why it ends, or what of it failed."""
        _say(f"edgeport: {printable(error)}")

    def result(self, value: Any, text: str) -> None:
        """The result: `value` as JSON, or `text`, whose line breaks are ours.

        Raises edgeport.WriteError, BrokenPipeError.
        """
        shown = to_json(value) if self.json else printable(text, keep="\n")
        try:
            if self._out is None:
                raise OSError(errno.EBADF, "it is closed")
            encoding = self._out.encoding or "utf-8"
            print(shown.encode(encoding, "backslashreplace").decode(encoding), file=self._out, flush=True)
        except OSError as e:
            if self._out is not None:
                _discard(self._out)
            if isinstance(e, BrokenPipeError):
                raise
            raise edgeport.WriteError(Path("stdout"), e) from e

    def _begin(self, event: Event) -> None:
        if self.quiet or not sys.stderr.isatty() or self._bar is not None:
            return
        from rich import progress
        from rich.console import Console as Terminal

        columns = (
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.TimeElapsedColumn(),
        )
        bar = progress.Progress(*columns, console=Terminal(stderr=True), transient=True)
        bar.start()
        self._bar = bar, bar.add_task(printable(event.text), total=event.total)

    def _end(self) -> None:
        if self._bar is not None:
            self._bar[0].stop()
            self._bar = None


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # a stderr that is full, or that the model's code has closed
        print(text, file=sys.stderr, flush=True)


def _discard(out: TextIO) -> None:
    """What is still on its way to `out` goes nowhere, so that Python does not fail once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
