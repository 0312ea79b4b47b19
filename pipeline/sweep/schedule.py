"""Runs the jobs of a sweep: what may run beside what, what is done already, what comes of each."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...artifacts.errors import first_line
from ...artifacts.exit_codes import BAD_INPUT, DEVICE
from ...targets.registry import get_target, tool_versions
from .cores import divide
from .jobs import Job, artifact_of, outcome
from .journal import Journal
from .options import BENCHMARK, EXPORT
from .plan import LOCAL
from .process import Ended
from .work import Work


class Executor(Protocol):
    """What runs jobs. `room`: how many at a time beside a benchmark; None for as many as there are."""

    @property
    def room(self) -> int | None: ...

    def submit(self, job: Job, work: Work) -> "Future[Ended]": ...

    def stop(self) -> None:
        """Ends what runs."""
        ...


Report = Callable[[Job, dict[str, Any] | None, bool], None]  # (job, its line, whether it was done before)


@dataclass
class Schedule:
    """The jobs of a sweep on their way. `lines`: what became of those that ended, None for one that had no artifact."""

    journal: Journal
    executor: Executor
    machine: dict[str, Any]
    threads: int
    timeout_s: float
    report: Report
    lines: dict[Job, dict[str, Any] | None] = field(default_factory=dict)
    _running: dict["Future[Ended]", Job] = field(default_factory=dict)
    _keys: dict[Job, str] = field(default_factory=dict)
    _made: dict[str, Job] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job]) -> None:
        """Does all that is not done yet. Raises WriteError; KeyboardInterrupt, after what runs has been ended."""
        self._shared = divide(self.threads).shared
        waiting = list(jobs)
        try:
            while waiting or self._running:
                ready = [job for job in waiting if all(need in self.lines for need in job.needs)]
                for job in ready:
                    if self._settled(job) or (self._may_start(job) and self._start(job)):
                        waiting.remove(job)
                if self._running:
                    done, _ = wait(self._running, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._ended(self._running.pop(future), future)
        except BaseException:
            self.executor.stop()
            raise

    def _artifacts(self, job: Job) -> list[str]:
        lines = [self.lines[need] for need in job.needs]
        return [artifact for line in lines if line and (artifact := artifact_of(line))]

    def _settled(self, job: Job) -> bool:
        """Whether there is nothing to do: it is done, or nothing of what it needs was made."""
        if job.needs and not self._artifacts(job):
            self.lines[job] = None
            self.report(job, None, False)
            return True
        if job not in self._keys:
            made = [need for need in job.needs if (line := self.lines[need]) and artifact_of(line)]
            versions = tool_versions(get_target(job.target))
            self._keys[job] = job.key([self._keys[need] for need in made], versions, self.machine)
        line = self.journal.finished(self._keys[job])
        if line is not None:
            if artifact := artifact_of(line) if job.kind == EXPORT else None:
                self._made.setdefault(artifact, job)
            self.lines[job] = line
            self.report(job, line, True)
        return line is not None

    def _may_start(self, job: Job) -> bool:
        """Whether there is room: one benchmark here at a time, on cores of its own or alone; one job on a device."""
        running = list(self._running.values())
        benchmarking = any(_is_local_benchmark(other) for other in running)
        if _is_local_benchmark(job):
            return not benchmarking and not (self._shared and running)
        if (self._shared and benchmarking) or (job.device and any(other.device == job.device for other in running)):
            return False
        room = self.executor.room
        return room is None or len(running) - benchmarking < room

    def _start(self, job: Job) -> bool:
        call = job.call(self._artifacts(job))
        work = Work(call, self.threads, _is_local_benchmark(job), self.timeout_s)
        self._running[self.executor.submit(job, work)] = job
        return True

    def _ended(self, job: Job, future: "Future[Ended]") -> None:
        error = future.exception()
        if error is None:
            ended = future.result()
            facts = outcome(ended, self.timeout_s) | {"seconds": round(ended.seconds, 2)}
        else:
            facts = {
                "code": DEVICE,
                "problem": f"its worker failed: {first_line(error)}",
                "result": None,
                "seconds": 0.0,
            }
        line = {
            "key": self._keys[job],
            "job": job.describe(self._artifacts(job)),
            **facts,
            **self._twice(job, facts),
            **({"machine": self.machine} if _is_local_benchmark(job) else {}),
        }
        self.journal.add(line)
        self.lines[job] = line
        self.report(job, line, False)

    def _twice(self, job: Job, facts: dict[str, Any]) -> dict[str, Any]:
        """What is wrong where two models of one name make the same file."""
        artifact = artifact_of(facts) if job.kind == EXPORT else None
        first = self._made.setdefault(artifact, job) if artifact else job
        if first == job:
            return {}
        return {"code": BAD_INPUT, "problem": f"wrote over what {first.name} had made, {artifact}", "result": None}


def _is_local_benchmark(job: Job) -> bool:
    return job.kind == BENCHMARK and job.device == LOCAL
