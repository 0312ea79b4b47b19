"""SHA-256 digests of files and folders, kept as long as the files stay as they are."""

import hashlib
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


def files_of(path: Path) -> list[Path]:
    """An artifact's files: itself, or all that is in the folder that it is, sorted."""
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def sha256_of_artifact(path: Path) -> str:
    """Of a file its digest; of a folder that of a listing of its files' digests and names."""
    if path.is_file():
        return sha256_of_file(path)
    listing = "".join(f"{sha256_of_file(file)} {file.relative_to(path).as_posix()}\n" for file in files_of(path))
    return sha256_of(listing.encode())


def size_of_artifact(path: Path) -> int:
    """In bytes, of all its files."""
    return sum(file.stat().st_size for file in files_of(path))
