"""Drives a real browser without a window, as far as the tests of our pages need it.

It speaks the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/) through a pipe: JSON messages that
end with a zero byte, read from file descriptor 3 and written to 4. No package and no port are needed.
"""

import base64
import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VARIABLE = "EDGEPORT_BROWSER"
NAMES = ("chromium-headless-shell", "chrome-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE_S = 60.0


def find() -> str | None:
    """The browser that the environment variable names, or the first on the PATH that speaks the protocol."""
    named = os.environ.get(VARIABLE)
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


AT_3_AND_4 = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page of a browser. `events` is everything that the page said since it was last opened."""

    def __init__(self, process: subprocess.Popen, to: int, back: int):
        self._process, self._to, self._back = process, to, back
        self._selector = selectors.DefaultSelector()
        self._selector.register(back, selectors.EVENT_READ)
        self._buffer, self._count, self._session = b"", 0, None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters) -> dict[str, Any]:
        """One command and its answer. Raises RuntimeError for an error, TimeoutError and EOFError for none."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _message(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE_S
        while b"\0" not in self._buffer:
            if not self._selector.select(end - time.monotonic()):
                raise TimeoutError("the browser does not answer")
            read = os.read(self._back, 1 << 16)
            if not read:
                raise EOFError("the browser is gone")
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(line)
        if "method" in message:
            self.events.append(message)
        return message

    def open(
        self, page: Path | str, *, width: int = 1280, height: int = 900, dark: bool = False, script: bool = True
    ) -> None:
        """Shows a file or an address, in a window of that many pixels, and waits until it is there."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.events.clear()
        self.call("Page.navigate", url=page if isinstance(page, str) else page.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._message()
        self.call("Page.getLayoutMetrics")

    def value(self, expression: str) -> Any:
        """What JavaScript gives, in the end where that is a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, expression: str, *, seconds: float = PATIENCE_S) -> Any:
        """What JavaScript gives, once that is true. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while not (found := self.value(expression)):
            if time.monotonic() > end:
                raise TimeoutError(f"{expression} does not become true")
            time.sleep(0.05)
        return found

    def choose(self, selector: str, file: Path) -> None:
        """Gives a file to an <input type=file>."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file.resolve())])

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """The whole page as a PNG, or what the window shows of it."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def errors(self) -> list[str]:
        """What went wrong on the page: exceptions, the console's errors and warnings, refused requests."""
        found = []
        for event in self.events:
            said = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(said["exceptionDetails"]))
            elif event["method"] == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
                found.append(str(said["args"]))
            elif event["method"] == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
                found.append(said["entry"]["text"])
        return found

    def requests(self) -> list[str]:
        """Every address that the page asked for, itself first."""
        return [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]


@contextmanager
def browser(path: str, *more: str, gpu: bool = False) -> Iterator[Browser]:
    """A browser with an empty profile, with more options of its command line; it is gone at the end."""
    (own_read, to), (back, own_write) = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--remote-debugging-pipe", *more]
        options += [] if gpu else ["--disable-gpu"]
        command = [sys.executable, "-c", AT_3_AND_4, str(own_read), str(own_write), path, *options]
        command += [f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(
            command, pass_fds=(own_read, own_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(own_read)
        os.close(own_write)
        try:
            yield Browser(process, to, back)
        finally:
            process.terminate()
            process.wait(20)
            os.close(to)
            os.close(back)
