"""A session that is profiled: what an artifact takes to load, to run and in memory, and its kernels' times.

It lives in a process of its own (../child_session.py), whose memory is the artifact's alone, and which a damaged file
may crash. What goes between the two processes are arrays; the facts are JSON in one.
"""

import gc
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ...artifacts.process import resident_mb
from ..benchmark import peak_rss_mb
from ..session import Portable
from .kernel import Events, Kernel

BLOCK = 4  # runs in a row of one kind, so that caches are what they are in use; the first of them is not counted


class ProfilingSession:
    """A plain session beside the same artifact in its runtime's profiler.

    Args:
        open_plain: opens the artifact as it is always opened.
        open_events: opens it with its runtime's profiler, given the plain session.
        describe: tells the kernels of what that has said.
    """

    def __init__(
        self,
        open_plain: Callable[[], Portable],
        open_events: Callable[[Portable], Events],
        describe: Callable[[Mapping[str, Any]], tuple[list[Kernel], np.ndarray]],
    ):
        self._before_mb = resident_mb(os.getpid())
        self._plain = session = open_plain()
        self._loaded_mb = resident_mb(os.getpid())
        self._open_events, self._describe = open_events, describe
        self._events: Events | None = None
        self._arrays: list[np.ndarray] = []
        self.inputs, self.outputs, self.threads = session.inputs, session.outputs, session.threads
        self.load_ms, self.runtime, self.emulated = session.load_ms, session.runtime, session.emulated
        self._wall_us: list[float] = []
        self._cpu_us: list[float] = []
        self._around_us: list[float] = []

    def start(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs it for the first time, then `warmup` times; what that took, and the memory that it has needed.

        Returns:
            "first_ms"; "before_mb", "loaded_mb" and "peak_mb": resident, in MB (10^6 bytes), with the runtime but not
            yet the artifact, with the artifact, and the most while it ran.
        """
        begin = time.perf_counter_ns()
        self._plain.run(feeds)
        first = (time.perf_counter_ns() - begin) / 1e6
        for _ in range(2):
            self._plain.run(feeds)
        peak = peak_rss_mb()
        self._arrays = self._plain.inward(feeds)
        figures = {"first_ms": first, "before_mb": self._before_mb, "loaded_mb": self._loaded_mb, "peak_mb": peak}
        return {name: np.array(value) for name, value in figures.items()}

    def prepare(self, _: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Opens the profiler, which would have spoilt the figures of `start`."""
        self._events = self._open_events(self._plain)
        return {}

    def measure(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs it `runs` times plainly and as often with the profiler, in turns."""
        assert self._events is not None
        gc.disable()
        for _ in range(max(1, round(int(given["runs"]) / BLOCK))):
            raw: list[np.ndarray] = []
            for run in range(BLOCK + 1):
                start, cpu = time.perf_counter_ns(), time.process_time_ns()
                raw = self._plain.raw(self._arrays)
                taken, used = time.perf_counter_ns() - start, time.process_time_ns() - cpu
                if run:
                    self._wall_us.append(taken / 1e3)
                    self._cpu_us.append(used / 1e3)
            for run in range(BLOCK + 1):
                self._events.run(self._arrays, counted=run > 0)
            start = time.perf_counter_ns()
            self._plain.outward(raw)
            self._around_us.append((time.perf_counter_ns() - start) / 1e3)
        gc.enable()
        return {}

    def finish(self, _: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The kernels with their times.

        Returns:
            "kernels": JSON of a list of them, as uint8; "us": float64 of (kernels, profiled runs); "wall_us", "cpu_us":
            of each plain run, from the runtime's arrays to the runtime's arrays; "outward_us": what edgeport makes of
            the results.
        """
        assert self._events is not None
        kernels, us = self._describe(self._events.finish())
        return {
            "kernels": np.frombuffer(json.dumps([asdict(kernel) for kernel in kernels]).encode(), np.uint8),
            "us": us,
            "wall_us": np.array(self._wall_us),
            "cpu_us": np.array(self._cpu_us),
            "outward_us": np.array(self._around_us),
        }

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self._plain.run(feeds)

    def close(self) -> None:
        if self._events is not None:
            self._events.close()
        self._plain.close()
