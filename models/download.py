"""Download one file: resumed where it broke off, checked, and at its place whole or not at all."""

import contextlib
import fcntl
import hashlib
import http.client
import os
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from io import BufferedRandom
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from ..artifacts.errors import DownloadError

PATIENCE_S = 5.0  # without a sign of life from the other side
_CHUNK = 1 << 18  # bytes
_PARTIAL, _WRONG_RANGE = 206, 416  # HTTP status codes

T = TypeVar("T")


class _WrongBytes(DownloadError):
    """What arrived is not the file."""


def cache_folder() -> Path:
    """Where downloaded weights are kept: EDGEPORT_CACHE, or `edgeport` where the platform keeps caches."""
    if own := os.environ.get("EDGEPORT_CACHE"):
        return Path(own).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "edgeport"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "edgeport" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgeport"


def check_online(what: str) -> None:
    """Raises DownloadError where EDGEPORT_OFFLINE or HF_HUB_OFFLINE forbids the network."""
    for name in ("EDGEPORT_OFFLINE", "HF_HUB_OFFLINE"):
        if os.environ.get(name, "").lower() in ("1", "true", "yes", "on"):
            raise DownloadError(f"{what} is not in the cache, and {name} is set")


def socket_timeout_s() -> float:
    """How long one operation of a socket may take: it says more than `watch` does, so it speaks first."""
    return 0.9 * PATIENCE_S


def download(
    url: str,
    path: Path,
    *,
    sha256: str = "",
    size: int | None = None,
    headers: Mapping[str, str] | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> None:
    """Downloads `url` to `path`, whose folder is made.

    What arrives waits in `path`.part. A download that broke off goes on from there where the checksum is known, so
    that two halves of different files cannot pass for one. Two processes that want the same file wait for each other.

    Args:
        sha256: of the file, in hexadecimal, or its first digits; "" if unknown.
        size: in bytes, if known.
        progress: called with (bytes so far, bytes in all or None).

    Raises:
        DownloadError: offline, no answer within PATIENCE_S, refused, broken off, other bytes than `sha256` says, or
            no room; `path` is then as it was.
    """
    host = urlsplit(url).netloc
    check_online(f"{path.name} of {host}")

    def receive(part: BufferedRandom) -> None:
        watch(lambda beat: _receive(url, part, headers or {}, host, beat, progress), host)
        _verify(part, sha256, size, url)

    with _writing(path), _partial(path) as part:
        if path.exists():  # another process was faster
            return
        if not sha256:
            part.truncate(0)
        _check_room(path, (size or 0) - _end(part))
        resumed = _end(part) > 0
        try:
            receive(part)
        except _WrongBytes:
            part.truncate(0)
            if not resumed:
                raise
            receive(part)  # once more, from the start
        part.flush()
        os.fsync(part.fileno())
        os.replace(part.name, path)


def watch(work: Callable[[Callable[[], None]], T], host: str) -> T:
    """The result of work(beat), which calls `beat` whenever `host` has shown life.

    It runs on a thread of its own, for a name server that does not answer cannot be interrupted; where PATIENCE_S pass
    without a beat it is left alone and ends at its next one. Raises DownloadError then.
    """
    last, abandoned, done = time.monotonic(), threading.Event(), threading.Event()
    results: list[T] = []
    errors: list[BaseException] = []

    def beat() -> None:
        nonlocal last
        last = time.monotonic()
        if abandoned.is_set():
            raise DownloadError(f"{host}: abandoned")

    def run() -> None:
        try:
            results.append(work(beat))
        except BaseException as e:  # goes on in the thread that waits
            errors.append(e)
        done.set()

    threading.Thread(target=run, daemon=True).start()
    try:
        while not done.wait(max(last + PATIENCE_S - time.monotonic(), 0.01)):
            if time.monotonic() - last >= PATIENCE_S:
                raise DownloadError(f"{host} does not answer: nothing came for {PATIENCE_S:g} s")
    finally:
        abandoned.set()
    if errors:
        raise errors[0]
    return results[0]


@contextlib.contextmanager
def _partial(path: Path) -> Iterator[BufferedRandom]:
    """The file beside `path` where a download waits, open at its end and ours alone: waits for others to be done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(f"{path}.part", "ab+") as part:
            try:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # another process downloads it
                time.sleep(0.1)
                continue
            if Path(part.name).exists():  # it was not renamed between our opening and locking it
                yield part
                if path.exists():
                    Path(part.name).unlink(missing_ok=True)
                return


def _receive(
    url: str,
    part: BufferedRandom,
    headers: Mapping[str, str],
    host: str,
    beat: Callable[[], None],
    progress: Callable[[int, int | None], None] | None,
) -> None:
    """Appends to `part` what it lacks of the file at `url`, or all of it where the server sends nothing less."""
    had = _end(part)
    asked = {**headers, "Accept-Encoding": "identity"} | ({"Range": f"bytes={had}-"} if had else {})
    done, total = had, None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=asked), timeout=socket_timeout_s()) as answer:
            if answer.headers.get_content_type() == "text/html":  # so that no login page gets into the cache
                raise DownloadError(f"{host} answers with a web page instead of {url}")
            if had and answer.status != _PARTIAL:
                part.truncate(0)
                had = 0
            length = answer.headers.get("Content-Length")
            total = had + int(length) if length else None
            done = had
            _check_room(Path(part.name), (total or 0) - done)
            while chunk := answer.read1(_CHUNK):
                part.write(chunk)
                done += len(chunk)
                beat()
                if progress is not None:
                    progress(done, total)
            part.flush()
    except urllib.error.HTTPError as e:
        if had and e.code == _WRONG_RANGE:  # we have at least all of it: the checksum decides
            return
        known = {404: "there is no", 401: "a token is needed for", 403: "access is refused to"}
        raise DownloadError(f"{known.get(e.code, f'HTTP {e.code} for')} {url}") from e
    except urllib.error.URLError as e:
        raise DownloadError(f"{host} cannot be reached ({e.reason})") from e
    except (http.client.HTTPException, TimeoutError, ConnectionError) as e:
        if done == had:
            raise DownloadError(f"{host} does not answer ({e or type(e).__name__})") from e
        raise _broken_off(url, done, total) from e
    if total is not None and done < total:
        raise _broken_off(url, done, total)


def _broken_off(url: str, done: int, total: int | None) -> DownloadError:
    of = f" of {total}" if total else ""
    return DownloadError(f"{url} broke off after {done}{of} bytes; the next attempt goes on from there")


def _verify(part: BufferedRandom, sha256: str, size: int | None, url: str) -> None:
    """Raises _WrongBytes unless the file has that size and that digest."""
    if size is not None and _end(part) != size:
        raise _WrongBytes(f"{url} has {_end(part)} bytes, not {size}")
    part.seek(0)
    digest = hashlib.file_digest(part, "sha256").hexdigest()
    if not digest.startswith(sha256.lower()):
        raise _WrongBytes(f"{url} has the checksum {digest[: len(sha256)]}, not {sha256}: the file was changed")


def _check_room(path: Path, wanted: int) -> None:
    """Raises DownloadError unless so many bytes fit where `path` is going to be."""
    free = shutil.disk_usage(path.parent).free
    if wanted > free:
        raise DownloadError(f"{path.parent} has room for {free / 1e6:.0f} MB, {wanted / 1e6:.0f} MB are needed")


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """An OSError of the disk as one sentence."""
    try:
        yield
    except OSError as e:
        raise DownloadError(f"{path} cannot be written ({e.strerror or e})") from e


def _end(file: BufferedRandom) -> int:
    return file.seek(0, os.SEEK_END)
