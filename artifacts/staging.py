"""Makes artifacts appear whole or not at all, whatever happens while they are written.

Files are written into a hidden folder beside their destination, synced, and renamed. The folder is locked for as long
as its process lives, so that the next writer can tell what a dead one left behind.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from .errors import WriteError
from .process import tell

PREFIX = ".edgeport-"
_REPLACED = ".replaced"  # in a staging folder: where a folder that is being replaced waits
_ROOM = 1 << 28  # bytes; with fewer left, what fails while it writes fails for that
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


class Staging:
    """A hidden folder beside the destination; as a context manager it is gone at the end, published or not.

        with Staging(Path("artifacts/lenet5")) as staging:
            staging.write("lenet5_fp32.tflite", data)
            staging.publish(["lenet5_fp32.tflite"])

    Raises WriteError from every method, and on entry where the destination cannot be made or written to.
    """

    def __init__(self, destination: Path):
        self.destination = destination

    def __enter__(self) -> "Staging":
        with _one_sentence(self.destination):
            self._made = [folder for folder in (self.destination, *self.destination.parents) if not folder.exists()]
            tell("staging", os.fspath(self.destination.absolute()), [os.fspath(each.absolute()) for each in self._made])
            self.destination.mkdir(parents=True, exist_ok=True)
            clean(self.destination)
            self.folder, self._lock = locked_folder(self.destination)
        return self

    def __exit__(self, *_) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)
        _remove_empty(self._made)

    def path(self, name: str) -> Path:
        """Where a file or folder called `name` waits to be published."""
        return self.folder / name

    def write(self, name: str, content: bytes) -> Path:
        """Writes `content` to `path(name)`, down to the disk; returns the path."""
        path = self.path(name)
        with _one_sentence(self.destination / name):
            path.write_bytes(content)
            _sync(path)
        return path

    @contextlib.contextmanager
    def making(self, name: str) -> Iterator[Path]:
        """`path(name)`, where a file or folder is made meanwhile."""
        with _one_sentence(self.destination / name):
            try:
                yield self.path(name)
            except RuntimeError as e:  # what a library in C++ makes of a full disk, and of a file that may not grow
                if shutil.disk_usage(self.folder).free < _ROOM:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from e
                limited = resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY
                if limited and any(word in str(e) for word in ("iostream", "writing data")):
                    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG)) from e
                raise

    def sync(self, name: str) -> Path:
        """Puts a file, or a folder with all that it holds, on the disk; returns its path."""
        with _one_sentence(self.destination / name):
            for path in (self.path(name), *self.path(name).rglob("*")):
                _sync(path)
        return self.path(name)

    def publish(self, names: Sequence[str], *, first_remove: Sequence[str] = ()) -> None:
        """Moves files and folders to the destination, in this order, each in one step.

        `first_remove` names files that describe a former version of what is published: gone before it is replaced.
        """
        for name in names:
            self.sync(name)
        for name in first_remove:
            with _one_sentence(self.destination / name):
                (self.destination / name).unlink(missing_ok=True)
        for name in names:
            with _one_sentence(self.destination / name):
                self._replace(self.path(name), self.destination / name)
        with _one_sentence(self.destination):
            _sync(self.destination)

    def _replace(self, source: Path, target: Path) -> None:
        if not target.is_dir():
            os.replace(source, target)
        elif not _exchanged(source, target):
            replaced = self.folder / _REPLACED  # should we die between the two renames, `clean` puts it back
            replaced.mkdir(exist_ok=True)
            target.rename(replaced / target.name)
            source.rename(target)


def clean(destination: Path) -> None:
    """Removes the staging folders of processes that are dead, and puts back a folder they were just replacing."""
    for folder in destination.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError where its process lives
                for replaced in folder.glob(f"{_REPLACED}/*"):
                    if not (destination / replaced.name).exists():
                        replaced.rename(destination / replaced.name)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


def remove_leftovers(destination: Path, made: Sequence[Path]) -> None:
    """Removes what a process that is dead left behind in a destination, and those of the folders it made there."""
    clean(destination)
    _remove_empty(made)


def _remove_empty(folders: Sequence[Path]) -> None:
    """Removes those that nothing was published into, from the innermost on."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def locked_folder(destination: Path) -> tuple[Path, int]:
    """A new folder in `destination` and an open handle that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=destination))
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.exists():
                return folder, handle
            os.close(handle)
        except (FileNotFoundError, BlockingIOError):
            pass  # another process took it for a dead one's before it was locked; try again


def _exchanged(a: Path, b: Path) -> bool:
    """Swaps two paths in one step; False where the system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS):  # a file system, a kernel without it
        return False
    raise OSError(code, os.strerror(code))


def _sync(path: Path) -> None:
    """Puts a file's bytes, or a folder's list of names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise WriteError(path, e) from e
