"""This file is what the command says: notes, warnings and progress on stderr, the result on stdout."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..artifacts.manifest import finite

PATIENCE_S = 2.0  # a stage that takes longer leaves a line


class Console:
    """Where a verb's words go. `quiet` leaves out notes and progress; `json` makes the result one JSON object."""

    def __init__(self, *, quiet: bool = False, json: bool = False):
        self.quiet, self.json = quiet, json
        self.warnings: list[str] = []

    def note(self, text: str) -> None:
        """Something good to know."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def warn(self, text: str) -> None:
        """Something that makes the result less than it seems; kept for the result, too."""
        if text not in self.warnings:
            self.warnings.append(text)
            print(f"WARNING: {text}", file=sys.stderr)

    @contextlib.contextmanager
    def stage(
        self, text: str, seconds: dict[str, float], key: str, total: int | None = None
    ) -> Iterator[Callable[[int], None]]:
        """Adds the time of a stage to `seconds[key]`; yields a function that takes how much of `total` is done.

        On a terminal a bar moves on stderr; a stage that took over PATIENCE_S leaves one line.
        """
        start = time.perf_counter()
        with self._bar(text, total) as advance:
            yield advance
        took = time.perf_counter() - start
        seconds[key] = seconds.get(key, 0.0) + took
        if took > PATIENCE_S:
            self.note(f"{text}: {took:.1f} s")

    def result(self, value: Any, text: str) -> None:
        """The result: `value` as JSON, or `text`."""
        print(json.dumps(finite(value), allow_nan=False) if self.json else text)

    @contextlib.contextmanager
    def _bar(self, text: str, total: int | None) -> Iterator[Callable[[int], None]]:
        if self.quiet or not sys.stderr.isatty():
            yield lambda done: None
            return
        from rich import progress
        from rich.console import Console as Terminal

        columns = (
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TimeElapsedColumn(),
        )
        with progress.Progress(*columns, console=Terminal(stderr=True), transient=True) as bar:
            task = bar.add_task(text, total=total)
            yield lambda done: bar.update(task, completed=done)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text columns: numbers in the middle right-aligned, the first and the last column left-aligned."""
    cells = [header, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    ends = (0, len(header) - 1)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in ends else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )
