"""Runs a real adbd, the daemon of Android devices, and an adb server, as a device for the tests.

adbd listens on all addresses, asks nobody for a key and gives a shell of its own user. So both live in a network
namespace of their own, where there is nothing but a loopback; the command under test is run in it, too.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from peers import program

SERIAL = "127.0.0.1:5555"
NOISY = "127.0.0.1:5600"  # the same device, over a link that flips a bit of the artifact
PATIENCE_S = 30
ENTRY = [sys.executable, "-c", "import sys; from edgeport.cli.main import main; sys.exit(main())"]


@dataclass(frozen=True)
class Adbd:
    """A running adbd.

    Attributes:
        folder: everything that the rig keeps.
        board: the folder for --device-dir.
        full: such a folder on a disk of 200 kB.
        process: the first one of the namespaces; what is in them dies with it.
    """

    folder: Path
    process: subprocess.Popen

    @property
    def board(self) -> Path:
        return self.folder / "board"

    @property
    def full(self) -> Path:
        return self.folder / "full"

    def run(self, command: list, **options) -> subprocess.CompletedProcess:
        """Runs a command where the device is."""
        inside = ["nsenter", "--target", str(self._inside()), "--mount", "--net"]
        if os.geteuid():
            inside[1:1] = ["--user", "--preserve-credentials"]
        environment = os.environ | {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "TMPDIR": f"{self.folder}/t"}
        words = [*inside, f"--wd={self.folder}", *map(str, command)]
        return subprocess.run(words, capture_output=True, text=True, env=environment, **options)

    def edgeport(self, *arguments) -> subprocess.CompletedProcess:
        return self.run([*ENTRY, *arguments], timeout=200)

    def unplug(self) -> None:
        """adbd dies."""
        os.kill(int((self.folder / "adbd.pid").read_text()), signal.SIGKILL)

    def _inside(self) -> int:
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Adbd]:
    """Raises FileNotFoundError or RuntimeError, saying why there can be none here."""
    adbd = program("adb", "usr/lib/android-sdk/platform-tools/adbd")
    adb = program("adb", "usr/lib/android-sdk/platform-tools/adb")
    if not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        raise FileNotFoundError("unshare, nsenter and ip are not here: the packages util-linux and iproute2 bring them")
    unshare = [
        "unshare",
        "--net",
        "--mount",
        "--fork",
        "--kill-child",
        *(["--user", "--map-root-user"] if os.geteuid() else []),
    ]
    if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL).returncode:
        raise RuntimeError("this machine allows no network namespaces (unshare --net)")
    for name in ("board", "full", "bin", "t"):
        (folder / name).mkdir()
    (folder / "bin" / "adb").write_text(f'#!/bin/sh\nexec {shlex.join(adb)} "$@"\n')
    (folder / "bin" / "adb").chmod(0o755)
    (folder / "relay.py").write_text(RELAY)
    script = SCRIPT.format(folder=folder, adbd=shlex.join(adbd), adb=shlex.join(adb), python=sys.executable)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*unshare, "sh", "-c", script], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    rig = Adbd(folder, process)
    try:
        wait_for(rig)
        yield rig
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(rig: Adbd) -> None:
    """Until adb has both its devices."""
    end, said = time.monotonic() + PATIENCE_S, ""
    while time.monotonic() < end and rig.process.poll() is None:
        with contextlib.suppress(OSError, IndexError):
            for serial in (SERIAL, NOISY):
                rig.run(["adb", "connect", serial], timeout=10)
            said = rig.run(["adb", "devices"], timeout=10).stdout
            if all(f"{serial}\tdevice" in said for serial in (SERIAL, NOISY)):
                return
        time.sleep(0.2)
    raise RuntimeError(f"adbd does not start: {said.strip()} {(rig.folder / 'log').read_text().strip()[-500:]}")


SCRIPT = """
set -e
ip link set lo up
mount -t tmpfs -o size=200k tmpfs {folder}/full
export HOME={folder}
{adbd} & echo $! > {folder}/adbd.pid
{python} {folder}/relay.py &
{adb} nodaemon server &
wait
"""

# a link to adbd that flips one bit of the word FRAGILE on its way there: adb's own protocol has no checksums any more
RELAY = """
import socket, threading

def pump(source, sink, flips):
    while data := source.recv(65536):
        at = data.find(b"FRAGILE")
        if flips and at >= 0:
            data = data[:at] + b"fRAGILE" + data[at + 7 :]
        sink.sendall(data)
    sink.close()

listener = socket.create_server(("127.0.0.1", 5600))
while True:
    here, _ = listener.accept()
    there = socket.create_connection(("127.0.0.1", 5555))
    threading.Thread(target=pump, args=(here, there, True), daemon=True).start()
    threading.Thread(target=pump, args=(there, here, False), daemon=True).start()
"""
