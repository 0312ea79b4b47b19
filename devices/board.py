"""This file does a job on a device: brings what it needs there, runs it, fetches the answer, and cleans up.

On the device, below the transport's folder:

    files/SHA256    artifacts and the runner, kept for the next time and checked each time; unused ones go after a month
    jobs/RANDOM     one job: links to the files, inputs, outputs; gone when it ends, however it ends
"""

import contextlib
import hashlib
import json
import secrets
import shlex
import tempfile
from pathlib import Path
from typing import Any

from . import runner
from .errors import DeviceError
from .job import Answer, Job, Result, load, save
from .qemu_setup import KERNELS
from .transport import SHORT_S, Done, Transport

KEEP_DAYS = 30
STALE_MINUTES = 24 * 60  # a job this old has lost its host
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
        try:
            done = self._transport.shell(f"umask 077; mkdir -p {folder}/files {folder}/jobs && cd {folder} && pwd")
        except DeviceError as e:
            self._transport.close()
            raise DeviceError(str(e).replace("went away before it answered", "cannot be reached")) from e
        if done.status:
            self._transport.close()
            raise DeviceError(f"{self.name}: {folder} cannot be made there ({done.why})")
        self._folder = done.out.strip().splitlines()[-1]
        self.shell(
            f"find {self._path('jobs')} -mindepth 1 -maxdepth 1 -mmin +{STALE_MINUTES} -exec rm -rf {{}} +; "
            f"find {self._path('files')} -type f -mtime +{KEEP_DAYS} -exec rm -f {{}} +; "
            f"find {self._path('files')} -name '*.part-*' -mmin +{STALE_MINUTES} -exec rm -f {{}} +"
        )
        return self

    def __exit__(self, *_) -> None:
        self._transport.close()

    def run(self, job: Job) -> Result:
        """Does the job with runner.py, which needs Python, NumPy and the artifact's runtime there."""
        transport = self._transport
        python = shlex.quote(transport.python)
        if self.shell(f"command -v {python}").status:
            raise DeviceError(
                f"{self.name}: has no {transport.python}; name its Python by --device-python, or time a .tflite "
                "without one by --benchmark-model"
            )
        with self.job_folder(job) as folder, tempfile.TemporaryDirectory(prefix="edgeport-") as name:
            here = Path(name)
            for i, task in enumerate(job.tasks):
                save(task.samples, here / f"inputs_{i}.npz")
                self._deliver(here / f"inputs_{i}.npz", f"{folder}/inputs_{i}.npz")
            (here / "job.json").write_text(
                json.dumps(job.described(emulated=transport.emulated, counts=transport.counts))
            )
            self._deliver(here / "job.json", f"{folder}/job.json")
            program = self.store(Path(str(runner.__file__)))
            command = f"{python} {shlex.quote(program)} {shlex.quote(folder)}"
            done = self.shell(f"cd {shlex.quote(folder)} && exec {command}", self.timeout_s)
            answer = self._answer(done, job)
            answers = []
            for i, each in enumerate(answer["models"]):
                digest = each.pop("outputs_sha256")
                answers.append(Answer(outputs=self._outputs(folder, i, here, digest) if digest else [], **each))
        return Result(self.name, answer["facts"], answers, kernels(done.out))

    @contextlib.contextmanager
    def job_folder(self, job: Job):
        """A folder on the device with the artifacts of the job in it, task by task; gone afterwards."""
        folder = f"{self._folder}/jobs/{secrets.token_hex(8)}"
        try:
            for i, task in enumerate(job.tasks):
                self.check(self.shell(f"mkdir -p {shlex.quote(f'{folder}/{i}')}"), "a folder cannot be made there")
                for file in task.files:
                    link = f"ln -s {shlex.quote(self.store(file))} {shlex.quote(f'{folder}/{i}/{file.name}')}"
                    self.check(self.shell(link), f"{file.name} cannot be linked there")
            yield folder
        finally:
            with contextlib.suppress(DeviceError):  # a device that is gone cannot be cleaned; the next run does it
                self.shell(f"rm -rf {shlex.quote(folder)}")

    def store(self, path: Path) -> str:
        """The path on the device of a file with this content; it is copied where it is not there yet."""
        digest = sha256(path)
        there = f"{self._folder}/files/{digest}"
        if self._sha256(there) == digest:
            self.shell(f"touch {shlex.quote(there)}")
        else:
            self._deliver(path, there)
        return there

    def check(self, done: Done, sentence: str) -> None:
        """Raises DeviceError with the sentence and the device's reason, unless the command went well."""
        if done.status:
            raise DeviceError(f"{self.name}: {sentence} ({done.why})")

    def clean(self) -> None:
        """Removes all that edgeport keeps there."""
        self.check(self.shell(f"rm -rf {shlex.quote(self._folder)}"), "cannot be cleaned")

    def _deliver(self, path: Path, there: str) -> None:
        """Copies a file; it appears under its name when all of it is there."""
        part, digest = f"{there}.part-{secrets.token_hex(4)}", sha256(path)
        try:
            self._transport.push(path, part, self.timeout_s)
            arrived = self._sha256(part)
            if arrived != digest:
                raise DeviceError(f"{self.name}: {path.name} was damaged on its way there; try again")
            move = self.shell(f"mv -f {shlex.quote(part)} {shlex.quote(there)}")
            self.check(move, f"{path.name} cannot be written there")
        except BaseException:
            with contextlib.suppress(DeviceError):
                self.shell(f"rm -f {shlex.quote(part)}")
            raise

    def _sha256(self, there: str) -> str:
        """Of a file on the device; "" where there is none."""
        quoted = shlex.quote(there)
        done = self.shell(f"test ! -e {quoted} || sha256sum {quoted}", self.timeout_s)
        self.check(done, "cannot tell what has arrived there, for want of sha256sum")
        return done.out.strip().partition(" ")[0].lstrip("\\")

    def _answer(self, done: Done, job: Job) -> dict[str, Any]:
        """What the runner answered. Raises DeviceError where it did not, or says that it failed."""
        _, found, line = done.out.rpartition(f"\n{runner.ANSWER}")
        if not found:
            number = done.status - 128
            how = _SIGNALS.get(number, f"ended by signal {number}" if number > 0 else f"ended with {done.why}")
            raise DeviceError(f"{self.name}: the runner was {how}, before it answered")
        answer = json.loads(line.partition("\n")[0])
        if "error" in answer:
            raise DeviceError(f"{self.name}: {self._failed(answer['error'], job)}")
        return answer

    def _failed(self, error: str, job: Job) -> str:
        kind, _, words = error.partition(": ")
        if kind == "ModuleNotFoundError":
            module = words.split("'")[1]
            return f"its Python has no {module}; install it there, or name another Python by --device-python"
        return f"the job failed there: {error.strip().splitlines()[0].rstrip('.')}"

    def _outputs(self, folder: str, i: int, here: Path, digest: str):
        path = here / f"outputs_{i}.npz"
        self._transport.pull(f"{folder}/outputs_{i}.npz", path, self.timeout_s)
        if sha256(path) != digest:
            raise DeviceError(f"{self.name}: its outputs were damaged on their way back; try again")
        return load(path)

    def _path(self, name: str) -> str:
        return shlex.quote(f"{self._folder}/{name}")

    def shell(self, command: str, timeout_s: float = SHORT_S) -> Done:
        """Runs a command line there."""
        return self._transport.shell(command, timeout_s)


def kernels(out: str) -> dict[str, int]:
    """{instruction: how often} from what the emulator's script says where it cannot count."""
    _, found, line = out.rpartition(f"\n{KERNELS}")
    words = line.partition("\n")[0].split() if found else []
    return {name: int(count) for count, name in zip(words[::2], words[1::2], strict=True)}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
