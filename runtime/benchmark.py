"""Time sessions side by side in one process."""

import gc
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .cpu import cpu_name
from .session import Session, TimesItself


@dataclass(frozen=True)
class Latency:
    """The wall-clock time of single runs of one session, from array to array.

    Attributes:
        median_ms, p90_ms, mean_ms, std_ms, min_ms: over the timed runs.
        first_ms: the very first run, which is not among them.
        load_ms: from the file to ready to run.
        runs: how many were timed.
        warmup: how many ran before them, the first one included.
        threads: of the session.
        runtime: name and version of what ran it.
        cpu: the name of what it ran on, "" where that is not known.
    """

    median_ms: float
    p90_ms: float
    mean_ms: float
    std_ms: float
    min_ms: float
    first_ms: float
    load_ms: float
    runs: int
    warmup: int
    threads: int
    runtime: str
    cpu: str = ""


def benchmark(
    sessions: Mapping[str, Session],
    feeds: Sequence[Mapping[str, np.ndarray]] | Mapping[str, Sequence[Mapping[str, np.ndarray]]],
    *,
    runs: int = 50,
    warmup: int = 5,
) -> dict[str, Latency]:
    """Time every session `runs` times, interleaved: each round runs each session once, starting at another one.

    So a machine that slows down or speeds up does so for all of them, and nobody always runs behind the same neighbour.

    Args:
        sessions: {label: session}.
        feeds: inputs, taken in turn; or {label: inputs} where the sessions do not share their input names.
        runs: timed rounds, at least 1.
        warmup: untimed rounds before them, at least 1 (the first is `first_ms`).

    Returns:
        {label: latency}, in milliseconds, in the order of `sessions`.

    Raises:
        ValueError: no sessions, no feeds, or fewer than one run or warm-up.
        FeedError: feeds that do not fit a session.

    Example:
        An int8 artifact beside its float twin::

            sessions = {name: open_session(f"mobilevit_s_{name}.tflite") for name in ("fp32", "int8")}
            times = benchmark(sessions, [{"image": np.zeros((1, 3, 256, 256), np.float32)}])
            print(times["fp32"].median_ms / times["int8"].median_ms)
    """
    own = feeds if isinstance(feeds, Mapping) else dict.fromkeys(sessions, feeds)
    if not sessions or not all(own.get(label) for label in sessions):
        raise ValueError("benchmark needs at least one session and one input for each")
    if runs < 1 or warmup < 1:
        raise ValueError(f"benchmark needs at least one run and one warm-up run, not {runs} and {warmup}")
    labels = list(sessions)
    times_ms: dict[str, list[float]] = {label: [] for label in labels}
    collects = gc.isenabled()
    gc.disable()
    try:
        for round_ in range(warmup + runs):
            turn = round_ % len(labels)
            for label in labels[turn:] + labels[:turn]:
                feed = own[label][round_ % len(own[label])]
                times_ms[label].append(run_timed(sessions[label], feed) / 1e6)
    finally:
        if collects:
            gc.enable()
    return {
        label: latency(
            *(times_ms[label], warmup),
            load_ms=session.load_ms,
            threads=session.threads,
            runtime=session.runtime,
            cpu=cpu_name(),
        )
        for label, session in sessions.items()
    }


def run_timed(session: Session, feed: Mapping[str, np.ndarray]) -> int:
    """The nanoseconds that a run takes."""
    if isinstance(session, TimesItself):
        return session.run_timed(feed)
    start = time.perf_counter_ns()
    session.run(feed)
    return time.perf_counter_ns() - start


def peak_rss_mb() -> float:
    """Read the largest resident memory that this process ever had, in MB (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6  # macOS counts bytes, Linux kibibytes


def latency(
    times_ms: Sequence[float], warmup: int, *, load_ms: float, threads: int, runtime: str, cpu: str = ""
) -> Latency:
    """Sum up single runs.

    Args:
        times_ms: of each run, in their order, the warm-up first.
        warmup: how many runs at the start are not counted, at least 1.
        load_ms: from the file to ready to run.
        threads: of the session.
        runtime: name and version of what ran it.
        cpu: the name of what it ran on.

    Returns:
        The figures of the timed runs.
    """
    timed = np.array(times_ms[warmup:])
    return Latency(
        median_ms=float(np.median(timed)),
        p90_ms=float(np.percentile(timed, 90)),
        mean_ms=float(timed.mean()),
        std_ms=float(timed.std()),
        min_ms=float(timed.min()),
        first_ms=times_ms[0],
        load_ms=load_ms,
        runs=len(timed),
        warmup=warmup,
        threads=threads,
        runtime=runtime,
        cpu=cpu,
    )
