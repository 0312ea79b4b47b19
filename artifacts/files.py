"""Opens files that a stranger may have made: regular ones alone, and no larger than they may be."""

import errno
import os
import stat
from typing import BinaryIO


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """The file, open for reading, in binary. Raises OSError, also for a pipe, a socket or a device: these may wait."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer does not wait
    except ValueError as e:  # a name that holds a zero byte
        raise OSError(errno.EINVAL, str(e), os.fspath(path)) from e
    try:
        check_regular(os.fstat(handle).st_mode, path)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def check_regular(mode: int, path: str | os.PathLike[str]) -> None:
    """Raises OSError unless the mode is a file's."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", os.fspath(path))


def read_regular(path: str | os.PathLike[str], most: int) -> bytes:
    """The content of a file of at most so many bytes. Raises OSError."""
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most >> 20} MiB", os.fspath(path))
    return content
