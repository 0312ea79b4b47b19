"""Keeps what became of each job, one line of JSON each, so that a sweep goes on where it was cut off."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...artifacts.errors import UsageError, WriteError
from ...artifacts.exit_codes import DISAGREES, DONE, NOT_EXPORTABLE, OVER_BUDGET
from ...artifacts.files import read_regular
from ...artifacts.json_reader import LARGEST, NotJson, convert, parse_json
from .jobs import artifact_of

FILE, LOCK = "results.jsonl", ".sweep.lock"
FINAL = (DONE, NOT_EXPORTABLE, DISAGREES, OVER_BUDGET)  # codes that the same job would end with again


def append(lines: Iterable[Mapping[str, Any]], results: Path) -> None:
    """Adds lines to a .jsonl file, down to the disk; a line that a dead writer left unfinished is ended first."""
    with results.open("a+b") as file:
        if file.tell() and not _ends_whole(file):
            file.write(b"\n")
        file.write("".join(f"{json.dumps(line)}\n" for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())


def _ends_whole(file) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


@dataclass(frozen=True)
class _Job:
    kind: str


@dataclass(frozen=True)
class _Line:
    """What a line has to have for it to be a job's."""

    key: str
    job: _Job
    code: int
    problem: str = ""
    seconds: float = 0.0
    result: dict[str, Any] | list[dict[str, Any]] | None = None


class Journal:
    """The results in a folder. As a context manager it keeps other sweeps out of it.

    Raises WriteError, and UsageError where another sweep is at work there.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.path = folder / FILE

    def __enter__(self) -> "Journal":
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as e:
            raise WriteError(self.folder, e) from e
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._lines = {line["key"]: line for line in read(self.path)}
        except BlockingIOError:
            os.close(self._lock)
            raise UsageError(f"{self.folder}: another sweep is at work there") from None
        return self

    def __exit__(self, *_) -> None:
        os.close(self._lock)

    def finished(self, key: str) -> dict[str, Any] | None:
        """The line of a job that would end in the same way again, where the artifact that it made is still whole."""
        line = self._lines.get(key)
        if line is None or line["code"] not in FINAL:
            return None
        return line if line["job"]["kind"] != "export" or line["code"] == NOT_EXPORTABLE or self._whole(line) else None

    def _whole(self, line: Mapping[str, Any]) -> bool:
        from ...artifacts.check import manifest_path
        from ...artifacts.manifest import Artifact, Manifest

        named = artifact_of(line)
        if not isinstance(named, str):
            return False
        artifact = self.folder / named
        try:
            return Manifest.read(manifest_path(artifact)).artifact == Artifact.of(artifact)
        except (OSError, ValueError):  # ValueError: ManifestError, and of a name that none has
            return False

    def add(self, line: dict[str, Any]) -> None:
        """Keeps what became of a job. Raises WriteError."""
        self._lines[line["key"]] = line
        try:
            append([line], self.path)
        except OSError as e:
            raise WriteError(self.path, e) from e


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of jobs; others, such as one that a dead writer left unfinished, are nothing that is done."""
    lines = []
    for text in _content(path).splitlines():
        with contextlib.suppress(NotJson):
            line = parse_json(text)
            convert(line, _Line)
            lines.append(line)
    return lines


def _content(path: Path) -> bytes:
    try:
        return read_regular(path, LARGEST)
    except FileNotFoundError:
        return b""
    except OSError as e:
        raise UsageError(f"{path}: cannot be read ({e.strerror})") from e
