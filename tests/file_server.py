"""A server on this machine for the tests of downloads: a hub, the host of its large files, and a plain web server."""

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB_PATH = re.compile(r"/([\w.-]+/[\w.-]+)/resolve/main/(.+)")


@dataclass
class FileServer:
    """What it serves, how it misbehaves, and what it was asked.

    Attributes:
        files: path -> content; a file of the hub has the path "owner/name/file".
        lies: path -> the sha256 that the hub states instead of the right one.
        break_off: bytes of a body after which the connection closes, or None.
        stall: bytes of a body after which nothing more comes; -1: not even an answer.
        status: this instead of any answer.
        portal: a login page instead of any answer.
        ranges: whether Range is understood.
        requests: (method, path, headers) of each.
    """

    port: int
    files: dict[str, bytes] = field(default_factory=dict)
    lies: dict[str, str] = field(default_factory=dict)
    break_off: int | None = None
    stall: int | None = None
    status: int | None = None
    portal: bool = False
    ranges: bool = True
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def hub(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def web(self) -> str:  # another host by its name
        return f"http://localhost:{self.port}"

    def bodies(self, path: str) -> list[str | None]:
        """The Range header of each GET of a path."""
        return [headers.get("Range") for method, its, headers in self.requests if (method, its) == ("GET", path)]


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request, client_address) -> None:
        """A client that hangs up early is what some tests are about."""


@contextlib.contextmanager
def serve() -> Iterator[FileServer]:
    httpd = _Quiet(("127.0.0.1", 0), _Handler)
    httpd.daemon_threads = True
    state = httpd.state = FileServer(httpd.server_address[1])  # type: ignore[attr-defined]
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
        httpd.shutdown()
        httpd.server_close()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        state: FileServer = self.server.state  # type: ignore[attr-defined]
        path = self.path.lstrip("/")
        state.requests.append((self.command, path, dict(self.headers)))
        if state.stall == -1:
            state.closing.wait()
            return
        if state.status is not None:
            self._head(state.status, {"Content-Length": "0"})
        elif state.portal:
            self._head(200, {"Content-Type": "text/html", "Content-Length": "0"})
        elif found := HUB_PATH.fullmatch(self.path):
            self._redirect(state, "/".join(found.groups()))
        elif path not in state.files:
            self._head(404, {"Content-Length": "0"})
        else:
            self._send(state, state.files[path])

    def _redirect(self, state: FileServer, path: str) -> None:
        """As the hub answers for a large file: its sha256 and size, and where its bytes are."""
        if path not in state.files:
            self._head(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT, "Content-Length": "0"})
            return
        content = state.files[path]
        self._head(
            302,
            {
                "X-Repo-Commit": COMMIT,
                "X-Linked-Etag": f'"{state.lies.get(path, hashlib.sha256(content).hexdigest())}"',
                "X-Linked-Size": str(len(content)),
                "Location": f"{state.web}/{path}",
                "Content-Length": "0",
            },
        )

    def _send(self, state: FileServer, content: bytes) -> None:
        first = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and state.ranges:
            first = int(asked[1])
            if first >= len(content):
                self._head(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
                return
        body = content[first:]
        headers = {"Content-Length": str(len(body))}
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        self._head(206 if first else 200, headers)
        if self.command == "HEAD":
            return
        limit = state.break_off if state.break_off is not None else state.stall
        self.wfile.write(body[:limit])
        self.wfile.flush()
        if state.stall is not None:
            state.closing.wait()

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
