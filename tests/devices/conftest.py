"""This file makes what the tests of devices need: the command, a few artifacts, and a look at what is left behind."""

import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from edgeport.cli.main import main

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "runtime")]
import tiny_tflite  # noqa: E402

PATIENCE_S = 20
ENDLESS = ("--num-runs", "100000000")  # of a job that ends when somebody ends it


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one sentence that the command failed with."""
        errors = [line for line in self.err.splitlines() if line.startswith("edgeport: ")]
        assert len(errors) == 1, self.err
        assert self.err.endswith(errors[0] + "\n")
        return errors[0]


@pytest.fixture
def edgeport(capsys, tmp_path, monkeypatch):
    """edgeport(*arguments) -> Outcome; its temporary files are in `tmp_path / "t"`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))

    def run(*arguments) -> Outcome:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as e:  # argparse
            code = int(e.code or 0)
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory) -> dict[str, Path]:
    """{name: path}: small.tflite, int8.tflite with 8-bit ends, and large.tflite of 1 MB."""
    folder = tmp_path_factory.mktemp("artifacts")
    rng = np.random.default_rng(0)
    contents = {
        "small.tflite": tiny_tflite.dense(np.eye(8) * 2, layers=3),
        "int8.tflite": tiny_tflite.int8_ends(),
        "large.tflite": tiny_tflite.dense(rng.standard_normal((512, 512)), layers=1),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


def processes(word: str) -> list[int]:
    """Those of this machine in whose command lines the word stands."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and word.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


def runner(board: Path) -> int | None:
    """The runner that works for this board, once it has its job."""
    for pid in processes(f"{board}/jobs/"):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            if words[-1].startswith(f"{board}/jobs/".encode()) and b"python" in words[0]:
                return pid
    return None


@contextlib.contextmanager
def during(board: Path, action: Callable[[int], None]) -> Iterator[None]:
    """Does `action(pid of the runner)` as soon as there is one."""

    def wait():
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if (pid := runner(board)) is not None:
                time.sleep(0.3)
                action(pid)
                return
            time.sleep(0.02)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def assert_nothing_left(board: Path, temporary: Path) -> None:
    """No job and no half file on the device, no temporary file and no process here; what dies slowly gets its time."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        left = [*board.glob("jobs/*"), *board.glob("files/*.part-*"), *temporary.iterdir(), *processes(f"{board}/")]
        if not left:
            return
        time.sleep(0.05)
    assert not left
