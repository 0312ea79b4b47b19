"""Runs the jobs of a sweep as processes on this machine."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .jobs import Job
from .process import Ended, Processes
from .work import Work, perform


class Local:
    """At most `room` processes at a time, and a benchmark beside them where it has cores of its own."""

    def __init__(self, folder: Path, room: int):
        self.folder, self.room = folder, room
        self._processes = Processes()
        self._pool = ThreadPoolExecutor(room + 1)

    def submit(self, job: Job, work: Work) -> "Future[Ended]":
        return self._pool.submit(perform, work, self.folder, self._processes)

    def stop(self) -> None:
        self._processes.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
