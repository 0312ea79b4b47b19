"""A session in a process of its own: the same arrays, and whatever ends that process is one sentence here."""

import shutil
import subprocess
import time
from pathlib import Path

import edgeport
import numpy as np
import pytest
from edgeport.artifacts.errors import ArtifactError, FeedError
from edgeport.runtime.benchmark import benchmark
from edgeport.runtime.child_session import ChildSession, PortableChildSession
from edgeport.runtime.session import Portable, Session, TimesItself

TESTS = Path(__file__).parents[1]


@pytest.fixture
def open_fake(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    opened = []

    def open_(crash=False, **limits):
        session = ChildSession("hostile_opener:open_fake", {"crash": crash}, where="a.tflite", **limits)
        opened.append(session)
        return session

    yield open_
    for session in opened:
        session.close()


def x(number: float) -> dict[str, np.ndarray]:
    return {"x": np.full((1, 4), number, np.float32)}


def test_it_is_a_session(open_fake):
    session = open_fake()
    assert isinstance(session, Session)
    assert isinstance(session, TimesItself)
    assert not isinstance(session, Portable)
    assert (session.inputs[0].shape, session.load_ms, session.runtime) == ((1, None), 2.5, "fake 1")
    got = session.run(x(7.5))
    assert {name: (array.dtype.name, array.shape) for name, array in got.items()} == {
        "y": ("float32", (1, 4)),
        "whole": ("int64", (1, 4)),
        "none": ("bool", (0, 3)),
    }
    assert (got["y"] == 15).all()
    got["y"][:] = 0  # an array of the caller's own
    with pytest.raises(FeedError, match="it does not like that"):
        session.run(x(4))
    assert session.run(x(8))["y"][0, 0] == 16  # and it goes on


@pytest.mark.parametrize(
    ("number", "limits", "words"),
    [
        (1, {}, "a.tflite: native code crashed (SIGSEGV)"),
        (2, {"time_limit_s": 0.3}, "a.tflite: not done after 0.3 s, the limit that was set"),
        (3, {}, "a.tflite: what runs it ended itself with code 0"),
        (5, {}, "a.tflite: cannot be run (ZeroDivisionError: nobody expected this)"),
        (6, {"memory_limit_mb": 250}, "a.tflite: needs more than 250 MB, the limit that was set"),
    ],
)
def test_how_a_run_can_end(open_fake, number, limits, words):
    session = open_fake()
    session._time_limit_s, session._memory_limit_mb = limits.get("time_limit_s"), limits.get("memory_limit_mb")
    with pytest.raises(ArtifactError) as caught:
        session.run(x(number))
    assert str(caught.value) == words


def test_a_crash_while_it_is_opened(open_fake):
    with pytest.raises(ArtifactError, match=r"native code crashed \(SIGSEGV\)"):
        open_fake(crash=True)


def test_closing_ends_the_process(open_fake):
    session = open_fake()
    process: subprocess.Popen = session._process
    session.close()
    assert process.poll() is not None
    session.close()


def test_latency_is_measured_there(open_fake):
    """The way to and fro is not in it."""
    session = open_fake()
    feed = {"x": np.full((1, 5_000_000), 9, np.float32)}
    start = time.perf_counter()
    figures = benchmark({"a": session}, [feed], runs=3, warmup=1)["a"]
    outside_ms = (time.perf_counter() - start) * 1e3 / 4
    assert figures.median_ms < outside_ms
    assert figures.runtime == "fake 1"


def test_a_foreign_artifact_and_our_own(tmp_path):
    result = edgeport.export("lenet5", "tflite", weights="random", output_dir=tmp_path, benchmark=False)
    assert not isinstance(edgeport.open_session(result.path), ChildSession)
    foreign = tmp_path / "foreign.tflite"
    shutil.copy(result.path, foreign)
    session = edgeport.open_session(foreign)
    assert isinstance(session, PortableChildSession)
    feed = {"image": np.random.default_rng(0).standard_normal((1, 1, 32, 32)).astype(np.float32)}
    assert session.delegate_partitions() == 1
    (wanted,), (got,) = edgeport.open_session(result.path).run(feed).values(), session.run(feed).values()
    assert (wanted == got).all()
    portable = session.outward(session.raw(session.inward(feed)))
    assert (next(iter(portable.values())) == wanted).all()
    assert edgeport.validate(foreign, reference=result.path).verdict == "ok"
    foreign.write_bytes(foreign.read_bytes()[:1000])
    with pytest.raises(edgeport.ArtifactError, match=r"foreign\.tflite: is not a whole TFLite model"):
        edgeport.open_session(foreign)
