"""Do a job on a device: bring what it needs there, run it, fetch the answer, and clean up.

On the device, below the transport's folder:

    files/SHA256    artifacts and the runner, kept for the next time and checked each time; unused ones go after a month
    jobs/RANDOM     one job: links to the files, inputs, outputs; gone when it ends, however it ends
"""

import contextlib
import json
import re
import secrets
import shlex
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from ..artifacts.digest import sha256_of_file
from ..artifacts.errors import DeviceError, first_line
from ..artifacts.json_reader import NotJson, convert, parse_json
from ..runtime import profilers
from . import runner
from .job import Answer, Job, Profile, Result, load, save
from .qemu_setup import KERNELS
from .transport import SHORT_S, Done, Transport

RUNNER = Path(str(runner.__file__))
BACKENDS = RUNNER.parent / "backends"
EVENTS = Path(next(iter(profilers.__path__)))  # RUNTIME_events.py: what the runtimes' profilers tell
KEEP_DAYS = 30
STALE_MINUTES = 24 * 60  # a job this old has lost its host
_DAMAGED = 91  # the status of a copy that is not what was sent
_NO_PROGRAM = 127  # POSIX shell, 2.8.2: the command is not found
_MISSING = "ModuleNotFoundError"
_SIGNALS = {9: "killed, as when memory runs out", 11: "ended by a crash (segmentation fault)"}


@dataclass(frozen=True, kw_only=True)
class _ToldModel:
    """What runner.py answers of one artifact."""

    runtime: str
    load_ms: float
    times_ms: list[float]
    outputs_sha256: str | None
    cpu_ms: list[float] = field(default_factory=list)
    counts: list[dict[str, int]] = field(default_factory=list)
    profile: Profile | None = None


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What runner.py answers of a job."""

    schema: int
    facts: dict[str, Any]
    models: list[_ToldModel]
    copied_us: list[float] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Failed:
    error: str


class _Facts(TypedDict, total=False):
    """What is shown of a device's facts; it may tell more."""

    board: str
    cpu: str
    cpu_parts: list[str]
    cores: int
    max_mhz: list[float]
    governor: list[str]
    temperature_c: tuple[float | None, float | None]
    system: str


class Board:
    """A device with edgeport's folder on it; a context manager.

    Args:
        timeout_s: for a whole job on the device, and for each file on its way.

    Raises DeviceError from every method.
    """

    def __init__(self, transport: Transport, *, timeout_s: float):
        self._transport, self.timeout_s = transport, timeout_s
        self.name, self.emulated = transport.name, transport.emulated

    def __enter__(self) -> "Board":
        folder = self._transport.folder
        tidy = (
            f"find jobs -mindepth 1 -maxdepth 1 -mmin +{STALE_MINUTES} -exec rm -rf {{}} +; "
            f"find files -type f -mtime +{KEEP_DAYS} -exec rm -f {{}} +; "
            f"find files -name '*.part-*' -mmin +{STALE_MINUTES} -exec rm -f {{}} +"
        )
        try:
            done = self._transport.shell(
                f"umask 077; mkdir -p {folder}/files {folder}/jobs && cd {folder} || exit 1\n"
                "command -v sha256sum >/dev/null || { echo it has no sha256sum >&2; exit 1; }\n"
                f"({tidy}) >/dev/null 2>&1\npwd"
            )
        except DeviceError as e:
            self._transport.close()
            raise DeviceError(str(e).replace("went away before it answered", "cannot be reached")) from e
        if done.status:
            self._transport.close()
            raise DeviceError(f"{self.name}: {folder} cannot be made there ({done.why})")
        self._folder = done.out.strip().splitlines()[-1]
        return self

    def __exit__(self, *_) -> None:
        self._transport.close()

    def run(self, job: Job) -> Result:
        """Does the job with runner.py, which needs Python, NumPy and the artifact's runtime there."""
        transport = self._transport
        own = RUNNER
        with self.job_folder(job, own) as folder, tempfile.TemporaryDirectory(prefix="edgeport-") as name:
            here = Path(name)
            described = job.described(emulated=transport.emulated, counts=transport.counts)
            (here / "job.json").write_text(json.dumps(described))
            for i, task in enumerate(job.tasks):
                save(task.samples, here / f"inputs_{i}.npz")
                for name, content in task.beside.items() if job.profiled else ():
                    (here / name).write_bytes(content)
            for path in sorted(here.iterdir()):
                self._deliver(path, f"{folder}/{path.name}")
            command = f"{shlex.quote(transport.python)} {own.name} {shlex.quote(folder)}"
            done = self.shell(f"cd {shlex.quote(folder)} && exec {command}", self.timeout_s)
            told = self._answer(done)
            self._check_answer(told, job)
            answers = [
                Answer(
                    runtime=each.runtime,
                    load_ms=each.load_ms,
                    times_ms=each.times_ms,
                    outputs=self._outputs(folder, i, here, each.outputs_sha256) if each.outputs_sha256 else [],
                    counts=each.counts,
                    profile=each.profile,
                    cpu_ms=each.cpu_ms,
                )
                for i, each in enumerate(told.models)
            ]
            self._check_outputs(answers, job)
        return Result(self.name, told.facts, answers, kernels(done.out), told.copied_us, told.flags)

    @contextlib.contextmanager
    def job_folder(self, job: Job, program: Path) -> Iterator[str]:
        """A folder on the device with the program in it and the artifacts, task by task; gone afterwards."""
        wanted = {program.name: program} | {
            f"{i}/{file.name}": file for i, task in enumerate(job.tasks) for file in task.files
        }
        folders = " ".join(map(str, range(len(job.tasks))))
        if program == RUNNER:
            wanted |= {f"backends/{task.runtime}.py": BACKENDS / f"{task.runtime}.py" for task in job.tasks}
            folders += " backends events"
            if job.profiled:
                wanted |= {f"events/{task.runtime}.py": EVENTS / f"{task.runtime}_events.py" for task in job.tasks}
        stored = self._stored(set(wanted.values()))
        folder = f"{self._folder}/jobs/{secrets.token_hex(8)}"
        links = [f"ln -s {shlex.quote(stored[file])} {shlex.quote(name)}" for name, file in wanted.items()]
        there = shlex.quote(folder)
        try:
            done = self.shell(f"mkdir {there} && cd {there} && mkdir {folders} && {' && '.join(links)}")
            self.check(done, "a folder for the job cannot be made there")
            yield folder
        finally:
            with contextlib.suppress(DeviceError):  # a device that is gone cannot be cleaned; the next run does it
                self.shell(f"rm -rf {there}")

    def check(self, done: Done, sentence: str) -> None:
        """Raises DeviceError with the sentence and the device's reason, unless the command went well."""
        if done.status:
            raise DeviceError(f"{self.name}: {sentence} ({done.why})")

    def shell(self, command: str, timeout_s: float = SHORT_S) -> Done:
        """Runs a command line there."""
        return self._transport.shell(command, timeout_s)

    def clean(self) -> None:
        """Removes all that edgeport keeps there."""
        self.check(self.shell(f"rm -rf {shlex.quote(self._folder)}"), "cannot be cleaned")

    def _stored(self, paths: Collection[Path]) -> dict[Path, str]:
        """The places on the device of files with these contents; what is not there, or not as it was, is copied."""
        places = {path: f"{self._folder}/files/{sha256_of_file(path)}" for path in paths}
        names = " ".join(shlex.quote(place) for place in places.values())
        found = self.shell(f"sha256sum {names} 2>/dev/null; touch -c {names}", self.timeout_s).out
        whole = {
            name for digest, _, name in (line.partition("  ") for line in found.splitlines()) if name.endswith(digest)
        }
        for path, place in places.items():
            if place not in whole:
                self._deliver(path, place)
        return places

    def _deliver(self, path: Path, there: str) -> None:
        """Copies a file; it appears under its name when all of it is there."""
        part = f"{there}.part-{secrets.token_hex(4)}"
        arrived = f'test "$(sha256sum {shlex.quote(part)} | cut -c 1-64)" = {sha256_of_file(path)} || exit {_DAMAGED}'
        move = f"{arrived}\nmv -f {shlex.quote(part)} {shlex.quote(there)}"
        try:
            done = self._transport.push(path, part, move, self.timeout_s)
            if done.status == _DAMAGED:
                raise DeviceError(f"{self.name}: {path.name} was damaged on its way there; try again")
            self.check(done, f"{path.name} cannot be written there")
        except BaseException:
            with contextlib.suppress(DeviceError):
                self.shell(f"rm -f {shlex.quote(part)}")
            raise

    def _answer(self, done: Done) -> "_Told":
        """What the runner answered. Raises DeviceError where it did not, or says that it failed."""
        if done.status == _NO_PROGRAM:
            raise DeviceError(
                f"{self.name}: has no {self._transport.python}; name its Python by --device-python, or time a .tflite "
                "without one by --benchmark-model"
            )
        _, found, line = done.out.rpartition(f"\n{runner.ANSWER}")
        if not found and done.why.startswith(_MISSING):
            raise DeviceError(f"{self.name}: {_failure(done.why)}")
        if not found:
            number = done.status - 128
            how = _SIGNALS.get(number, f"ended by signal {number}" if number > 0 else f"ended with {done.why}")
            raise DeviceError(f"{self.name}: the runner was {how}, before it answered")
        try:
            answer = parse_json(line.partition("\n")[0])
            if isinstance(answer, dict) and "error" in answer:
                raise DeviceError(f"{self.name}: {_failure(convert(answer, _Failed).error)}")
            told = convert(answer, _Told)
            convert(told.facts, _Facts)
        except NotJson as e:
            raise DeviceError(f"{self.name}: its answer is not the runner's ({e})") from e
        return told

    def _check_answer(self, told: "_Told", job: Job) -> None:
        """Raises DeviceError unless the answer is to this job: so many artifacts and runs, each of some time."""
        times = job.warmup + job.runs if job.runs else 0
        wrong = (
            f"a schema {told.schema}" if told.schema != runner.SCHEMA else "",
            f"{len(told.models)} artifacts" if len(told.models) != len(job.tasks) else "",
            *(f"{len(each.times_ms)} times" for each in told.models if len(each.times_ms) != times),
            *(f"{len(each.cpu_ms)} processor times" for each in told.models if len(each.cpu_ms) not in (0, times)),
            *("a time below 0" for each in told.models if min((each.load_ms, *each.times_ms, *each.cpu_ms)) < 0),
            f"{len(told.copied_us)} copies" if len(told.copied_us) != len(job.copied) else "",
            "a copy in no time" if min(told.copied_us, default=1) <= 0 else "",
            *("no outputs" for each in told.models if job.keep and not each.outputs_sha256),
            *("counts without a sum" for each in told.models if any(count.get("all", 0) <= 0 for count in each.counts)),
        )
        if job.profiled:
            wrong += tuple(_wrong_profile(each.profile, job.profiled.runs) for each in told.models)
        if said := next(filter(None, wrong), ""):
            raise DeviceError(f"{self.name}: its answer is not to what was asked (it has {said})")

    def _check_outputs(self, answers: Sequence[Answer], job: Job) -> None:
        """Raises DeviceError unless there are outputs for each sample."""
        for answer, task in zip(answers, job.tasks, strict=True):
            if job.keep and len(answer.outputs) != len(task.samples):
                raise DeviceError(f"{self.name}: gave outputs of {len(answer.outputs)} inputs of {len(task.samples)}")

    def _outputs(self, folder: str, i: int, here: Path, digest: str):
        path = here / f"outputs_{i}.npz"
        self._transport.pull(f"{folder}/outputs_{i}.npz", path, self.timeout_s)
        if sha256_of_file(path) != digest:
            raise DeviceError(f"{self.name}: its outputs were damaged on their way back; try again")
        try:
            return load(path)
        except Exception as e:  # whatever NumPy and zipfile make of it
            raise DeviceError(f"{self.name}: its outputs are no arrays ({first_line(e)})") from e


def _wrong_profile(told: Profile | None, runs: int) -> str:
    """What is wrong with a profile of so many plain runs; "" where nothing is."""
    if told is None:
        return "no profile"
    if len(told.wall_us) != runs or len(told.cpu_us) != runs:
        return f"{len(told.wall_us)} plain runs of a profile"
    return "a time below 0" if min(told.first_ms, *told.wall_us, *told.cpu_us) < 0 else ""


def _failure(error: str) -> str:
    """What the runner says went wrong, for a sentence."""
    kind, _, words = error.partition(": ")
    if kind == _MISSING:
        module = re.search(r"'([^'.]+)", words)
        named = module[1] if module else "module that it needs"
        return f"its Python has no {named}; install it there, or name another Python by --device-python"
    return f"the job failed there: {(error.strip().splitlines() or ['it does not say why'])[0].rstrip('.')}"


def kernels(out: str) -> dict[str, int]:
    """{instruction: how often} from what the emulator's script says where it cannot count."""
    _, found, line = out.rpartition(f"\n{KERNELS}")
    words = line.partition("\n")[0].split() if found else []
    pairs = zip(words[::2], words[1::2], strict=False)
    return {name: int(count) for count, name in pairs if count.isdecimal() and len(count) < 20}
