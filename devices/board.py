"""Do a job on a device: bring what it needs there, run it, fetch the answer, and clean up.

On the device, below the transport's folder:

    files/SHA256    artifacts and the runner, kept for the next time and checked each time; unused ones go after a month
    jobs/RANDOM     one job: links to the files, inputs, outputs; gone when it ends, however it ends
"""

import contextlib
import json
import secrets
import shlex
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ..artifacts.digest import sha256_of_file
from ..artifacts.errors import DeviceError
from . import runner
from .job import Answer, Job, Result, load, save
from .qemu_setup import KERNELS
from .transport import SHORT_S, Done, Transport

RUNNER = Path(str(runner.__file__))
BACKENDS = RUNNER.parent / "backends"
KEEP_DAYS = 30
STALE_MINUTES = 24 * 60  # a job this old has lost its host
_DAMAGED = 91  # the status of a copy that is not what was sent
_NO_PROGRAM = 127  # POSIX shell, 2.8.2: the command is not found
_MISSING = "ModuleNotFoundError"
_SIGNALS = {9: "killed, as when memory runs out", 11: "ended by a crash (segmentation fault)"}


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
            for path in sorted(here.iterdir()):
                self._deliver(path, f"{folder}/{path.name}")
            command = f"{shlex.quote(transport.python)} {own.name} {shlex.quote(folder)}"
            done = self.shell(f"cd {shlex.quote(folder)} && exec {command}", self.timeout_s)
            answer = self._answer(done)
            answers = []
            for i, each in enumerate(answer["models"]):
                digest = each.pop("outputs_sha256")
                answers.append(Answer(outputs=self._outputs(folder, i, here, digest) if digest else [], **each))
        return Result(self.name, answer["facts"], answers, kernels(done.out))

    @contextlib.contextmanager
    def job_folder(self, job: Job, program: Path) -> Iterator[str]:
        """A folder on the device with the program in it and the artifacts, task by task; gone afterwards."""
        wanted = {program.name: program} | {
            f"{i}/{file.name}": file for i, task in enumerate(job.tasks) for file in task.files
        }
        folders = " ".join(map(str, range(len(job.tasks))))
        if program == RUNNER:
            wanted |= {f"backends/{task.runtime}.py": BACKENDS / f"{task.runtime}.py" for task in job.tasks}
            folders += " backends"
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

    def _answer(self, done: Done) -> dict[str, Any]:
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
        answer = json.loads(line.partition("\n")[0])
        if "error" in answer:
            raise DeviceError(f"{self.name}: {_failure(answer['error'])}")
        return answer

    def _outputs(self, folder: str, i: int, here: Path, digest: str):
        path = here / f"outputs_{i}.npz"
        self._transport.pull(f"{folder}/outputs_{i}.npz", path, self.timeout_s)
        if sha256_of_file(path) != digest:
            raise DeviceError(f"{self.name}: its outputs were damaged on their way back; try again")
        return load(path)


def _failure(error: str) -> str:
    """What the runner says went wrong, for a sentence."""
    kind, _, words = error.partition(": ")
    if kind == _MISSING:
        module = words.split("'")[1].partition(".")[0]
        return f"its Python has no {module}; install it there, or name another Python by --device-python"
    return f"the job failed there: {error.strip().splitlines()[0].rstrip('.')}"


def kernels(out: str) -> dict[str, int]:
    """{instruction: how often} from what the emulator's script says where it cannot count."""
    _, found, line = out.rpartition(f"\n{KERNELS}")
    words = line.partition("\n")[0].split() if found else []
    return {name: int(count) for count, name in zip(words[::2], words[1::2], strict=True)}
