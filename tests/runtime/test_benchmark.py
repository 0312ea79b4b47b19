"""Timing: interleaved rounds, the figures of known times, sessions for real, and what is refused."""

import time

import numpy as np
import pytest
from edgeport.runtime.benchmark import benchmark, peak_rss_mb
from edgeport.targets.registry import open_session


class Sleeper:
    threads, load_ms, runtime = 3, 7.0, "sleeper 1"

    def __init__(self, seconds, log, label):
        self.seconds, self.log, self.label, self.ran = seconds, log, label, 0

    def run(self, feeds):
        self.ran += 1
        self.log.append((self.label, feeds["x"]))
        time.sleep(self.seconds * (10 if self.ran == 1 else 1))


def test_interleaved_and_rotated():
    log = []
    sessions = {label: Sleeper(0, log, label) for label in "abc"}
    benchmark(sessions, [{"x": 0}, {"x": 1}], runs=4, warmup=2)
    assert "".join(label for label, _ in log) == "abcbcacababcbcacab"
    assert [x for _, x in log][::3] == [0, 1, 0, 1, 0, 1]


def test_figures():
    fast, slow = (Sleeper(seconds, [], "") for seconds in (0.001, 0.004))
    got = benchmark({"fast": fast, "slow": slow}, [{"x": 0}], runs=10, warmup=2)
    assert (got["fast"].runs, got["fast"].warmup, got["fast"].threads, got["fast"].load_ms) == (10, 2, 3, 7.0)
    assert 1 <= got["fast"].min_ms <= got["fast"].median_ms <= got["fast"].p90_ms
    assert got["slow"].min_ms >= 4
    assert got["slow"].first_ms >= 40  # the first run is told apart, and is not among the timed ones
    assert got["slow"].mean_ms < 20


def test_own_feeds_and_real_sessions(artifacts):
    labels = ("linear.onnx", "nhwc.tflite")
    sessions = {label: open_session(artifacts[label]) for label in labels}
    feeds = {
        label: [{spec.name: np.zeros(spec.shape, np.float32) for spec in session.inputs}]
        for label, session in sessions.items()
    }
    got = benchmark(sessions, feeds, runs=3, warmup=1)
    assert [got[label].runtime.split()[0] for label in labels] == ["onnxruntime", "ai-edge-litert"]


@pytest.mark.parametrize(
    ("labels", "feeds", "counts"),
    [("", [{"x": 0}], {}), ("a", [], {}), ("a", [{"x": 0}], {"runs": 0}), ("a", [{"x": 0}], {"warmup": 0})],
)
def test_nothing_to_time(labels, feeds, counts):
    with pytest.raises(ValueError, match="at least one"):
        benchmark({label: Sleeper(0, [], label) for label in labels}, feeds, **counts)


def test_peak_rss():
    before = peak_rss_mb()
    block = np.ones(60_000_000, np.uint8)
    assert peak_rss_mb() >= before
    assert 20 < before < 20_000
    del block
