"""Progress of a job: stages, notes and warnings, told to a callback and to the logger "edgeport"."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..artifacts.printable import printable

LOG = logging.getLogger("edgeport")
LOG.addHandler(logging.NullHandler())  # a library prints nothing of its own accord


@dataclass(frozen=True)
class Event:
    """What a progress callback is given.

    Attributes:
        kind: "note": something good to know; "warning": something that makes the result less than it seems; "begin",
            "advance" and "end" of a stage.
        text: a sentence, or the name of the stage.
        done: how much of the stage is done, of `total`.
        total: None where it is not known.
        seconds: what the stage took, at its end; 0 where an error ended it.
    """

    kind: Literal["note", "warning", "begin", "advance", "end"]
    text: str
    done: int = 0
    total: int | None = None
    seconds: float = 0.0


ProgressCallback: TypeAlias = Callable[[Event], None]
"""What is called with every `Event` of a job."""


@dataclass
class Progress:
    """Where a job reports to; one for each job.

    Attributes:
        callback: hears every event; None for nobody.
        warnings: those of this job, each once, in order.
    """

    callback: ProgressCallback | None = None
    warnings: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Reports something good to know."""
        LOG.info("%s", printable(text))
        self._tell(Event("note", text))

    def warn(self, text: str) -> None:
        """Reports something that makes the result less than it seems; it is kept for the result, too."""
        if text not in self.warnings:
            self.warnings.append(text)
            LOG.warning("%s", printable(text))
            self._tell(Event("warning", text))

    @contextlib.contextmanager
    def stage(
        self, text: str, seconds: dict[str, float], key: str, total: int | None = None
    ) -> Iterator[Callable[[int], None]]:
        """Adds the time of a stage to `seconds[key]`; yields a function that takes how much of `total` is done."""
        start = time.perf_counter()
        self._tell(Event("begin", text, total=total))
        try:
            yield lambda done: self._tell(Event("advance", text, done, total))
        except BaseException:
            self._tell(Event("end", text, total=total))
            raise
        took = time.perf_counter() - start
        seconds[key] = seconds.get(key, 0.0) + took
        LOG.debug("%s: %.2f s", printable(text), took)
        self._tell(Event("end", text, total or 0, total, took))

    def _tell(self, event: Event) -> None:
        if self.callback is not None:
            self.callback(event)
