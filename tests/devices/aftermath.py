"""Looks at processes and folders while a device works, and at what is left afterwards."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PATIENCE_S = 20
ENDLESS = ("--num-runs", "100000000")  # of a job that ends when somebody ends it


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


@contextlib.contextmanager
def started(daemon: ModuleType, folder: Path) -> Iterator[Any]:
    """What `daemon.running(folder)` starts, for a while; skips the test where it cannot be started here."""
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(daemon.running(folder))
        except (FileNotFoundError, RuntimeError) as e:
            pytest.skip(str(e))
        yield running


def assert_nothing_left(board: Path, temporary: Path) -> None:
    """No job and no half file on the device, no temporary file and no process here; what dies slowly gets its time."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        left = [*board.glob("jobs/*"), *board.glob("files/*.part-*"), *temporary.iterdir(), *processes(f"{board}/")]
        if not left:
            return
        time.sleep(0.05)
    assert not left
