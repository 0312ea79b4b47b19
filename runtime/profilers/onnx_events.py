"""The times of ONNX Runtime's nodes, from the JSON file that its profiler writes.

It is also copied to devices: it imports nothing of edgeport, and keeps to Python 3.10.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

END = "_kernel_time"  # of the name of an event: NODE_kernel_time
OWN_NUMBERS, OWN_RUNS = 2**18, 20
OWN_NODE = "Sin"


class Unsuitable(Exception):
    """ONNX Runtime has no profiler here; the message says so."""


class Events:
    """The nodes of a file with the times of each run.

    Args:
        model: the file.
        own: a graph that takes OWN_NUMBERS float32, in which each OWN_NODE computes one number: what the profiler tells
            of those is the time that it takes itself.
        threads: of the file; the other graph has one.
        open_session: (a model, threads, prefix of the profiler's file) -> a session with raw(arrays), close() and
            end_profiling(), which gives the path of that file.
        folder: in which the profiler's files are written; None for the system's own.
    """

    def __init__(
        self,
        model: Any,
        own: Any,
        threads: int,
        open_session: Callable[[Any, int, str], Any],
        *,
        folder: str | None = None,
    ):
        self._folder = tempfile.TemporaryDirectory(prefix="edgeport-", dir=folder)
        self._open, self._own = open_session, own
        self._session = open_session(model, threads, str(Path(self._folder.name, "profile")))
        self._counted: list[bool] = []

    def run(self, arrays: Sequence[np.ndarray], *, counted: bool = True) -> None:
        self._session.raw(arrays)
        self._counted.append(counted)

    def finish(self) -> dict[str, Any]:
        """The nodes of a run, all times one after another, and which runs count.

        Returns:
            {"nodes": [{"name", "args": what the profiler says of it}], "us": of nodes times runs, "counted": of each
            run, "own_us": [what the profiler takes itself, several times]}.
        """
        timed = _timed(self._session)
        nodes = [
            {"name": each["name"][: -len(END)], "args": each["args"]}
            for each in timed[: len(timed) // max(1, len(self._counted))]
        ]
        own = self._open(self._own, 1, str(Path(self._folder.name, "own")))
        for _ in range(OWN_RUNS):
            own.raw([np.ones(OWN_NUMBERS, np.float32)])
        own_us = [each["dur"] for each in _timed(own) if each["args"]["op_name"] == OWN_NODE]
        own.close()
        return {
            "nodes": nodes,
            "us": [each["dur"] for each in timed],
            "counted": self._counted,
            "own_us": own_us,
        }

    def close(self) -> None:
        self._session.close()
        self._folder.cleanup()


def _timed(session: Any) -> list[dict[str, Any]]:
    """The events that are times of nodes."""
    events = json.loads(Path(session.end_profiling()).read_text())
    return [each for each in events if each.get("cat") == "Node" and each["name"].endswith(END)]
