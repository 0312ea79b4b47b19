"""Builds environments of foreign programs and libraries in folders: part by part, and each part whole or not there."""

import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..artifacts.errors import DeviceError

UNFINISHED = ".unfinished-"
STAMP = "STAMP"  # in a part: what it was built from
READ_BY_PEOPLE = ("doc", "man", "locale", "bug", "lintian")


@dataclass(frozen=True)
class Part:
    """A folder of an environment.

    Attributes:
        words: what it is; a part that was built from other words is built again.
        build: fills the new folder that it is given.
    """

    words: str
    build: Callable[[Path], None]


def build_parts(name: str, folder: Path, parts: Mapping[str, Part], say: Callable[[str], None]) -> None:
    """Builds what is not there yet, so that a set-up that was interrupted goes on where it stopped.

    Args:
        name: of the environment, for messages.
        folder: where.
        parts: by the names of their folders.
        say: is told each part that is begun.

    Raises DeviceError: another machine than x86-64 Linux, a part that fails, no room.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise DeviceError(f"{name}: is set up only on x86-64 Linux, not on {platform.system()} {platform.machine()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{UNFINISHED}*"):
            shutil.rmtree(left)
        for place, part in parts.items():
            if stamp(folder / place) == part.words:
                continue
            say(f"{name}: {part.words}")
            with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder) as staging:
                new = Path(staging) / place
                new.mkdir()
                part.build(new)
                (new / STAMP).write_text(part.words)
                shutil.rmtree(folder / place, ignore_errors=True)
                new.rename(folder / place)
    except OSError as e:
        raise DeviceError(f"{e.filename or folder}: cannot be written ({e.strerror or e})") from e


def stamp(part: Path) -> str:
    """What a part was built from; "" where it is not there."""
    try:
        return (part / STAMP).read_text()
    except OSError:
        return ""


def leave_out_documents(root: Path) -> None:
    """Removes from a tree of Debian's what only people read."""
    for name in READ_BY_PEOPLE:
        shutil.rmtree(root / "usr" / "share" / name, ignore_errors=True)
