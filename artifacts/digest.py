"""SHA-256 digests of files and folders, kept as long as the files stay as they are."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path


def sha256_of(content: bytes) -> str:
    """The digest of bytes, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path) -> str:
    """The digest of a file's content, hexadecimal; read again only where size or time of the file have changed."""
    state = path.stat()
    return _sha256(path.absolute(), state.st_size, state.st_mtime_ns, state.st_ino)


@lru_cache(maxsize=4096)
def _sha256(path: Path, size: int, time_ns: int, inode: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def data_file(path: Path) -> Path:
    """Where the constants of an artifact lie that are too large for its file: beside it, as NAME.data."""
    return path.with_name(path.name + ".data")


def files_of(path: Path) -> list[Path]:
    """An artifact's files: itself and its data file, where it has one, or all in the folder that it is, sorted."""
    if path.is_file():
        return [path, *filter(os.path.isfile, [data_file(path)])]
    return sorted(file for file in path.rglob("*") if file.is_file())


def sha256_of_artifact(path: Path) -> str:
    """Of a file alone its digest; of several, or a folder, that of a listing of their digests and names."""
    files = files_of(path)
    if files == [path]:
        return sha256_of_file(path)
    top = path.parent if path.is_file() else path
    listing = "".join(f"{sha256_of_file(file)} {file.relative_to(top).as_posix()}\n" for file in files)
    return sha256_of(listing.encode())


def size_of_artifact(path: Path) -> int:
    """In bytes, of all its files."""
    return sum(file.stat().st_size for file in files_of(path))
