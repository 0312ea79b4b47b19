"""Runs a real sshd on this machine's loopback, with keys of its own, as a device for the tests.

As root it lives in a mount namespace of its own, where the user that it wants and a disk that is full are made; as
anybody else it runs as it is, and there is no full disk.
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from peers import program

INSTALLED = "/usr/sbin/sshd"
PATIENCE_S = 10


@dataclass(frozen=True)
class Sshd:
    """A running sshd.

    Attributes:
        config: for ssh -F. Its hosts: board; wrong_key, whose key sshd does not know; down, where nobody listens;
            noisy, whose link flips a bit after 300 kB.
        board: the folder for --device-dir.
        full: such a folder on a disk of 200 kB, or None.
        bin: programs there come first on the device's PATH.
    """

    config: Path
    board: Path
    full: Path | None
    bin: Path
    process: subprocess.Popen

    def unplug(self) -> None:
        """Everything of it dies at once, the connections too."""
        kill_group(self.process)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Sshd]:
    """Raises FileNotFoundError or RuntimeError, saying why there can be none here."""
    command = sshd_command()
    if not all(map(shutil.which, ("ssh", "ssh-keygen"))):
        raise FileNotFoundError("ssh and ssh-keygen are not here: the package openssh-client brings them")
    for name in ("board", "full", "bin"):
        (folder / name).mkdir()
    for name in ("host", "key", "other"):
        generate = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(generate, check=True)
    shutil.copy(folder / "key.pub", folder / "authorized")
    port = free_port()
    (folder / "sshd_config").write_text(SSHD_CONFIG.format(folder=folder, port=port, path=os.environ["PATH"]))
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "relay.py").write_text(RELAY)
    (folder / "ssh_config").write_text(
        SSH_CONFIG.format(folder=folder, port=port, user=getpass.getuser(), down=free_port())
    )
    process, full = start([*command, "-r", "-D", "-e", "-f", str(folder / "sshd_config")], folder)
    try:
        wait_for(port, process, folder / "log")
        probe = ["ssh", "-F", str(folder / "ssh_config"), "-o", "BatchMode=yes", "board", "true"]
        if (done := subprocess.run(probe, capture_output=True, text=True)).returncode:
            raise RuntimeError(f"sshd lets nobody in here: {done.stderr.strip()}")
        yield Sshd(folder / "ssh_config", folder / "board", full, folder / "bin", process)
    finally:
        kill_group(process)


def sshd_command() -> list[str]:
    return [INSTALLED] if Path(INSTALLED).exists() else program("ssh", "usr/sbin/sshd")


def start(command: list[str], folder: Path) -> tuple[subprocess.Popen, Path | None]:
    """(the daemon, the folder on the full disk or None)."""
    full = None
    if os.geteuid() == 0:
        if not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"]).returncode:
            raise RuntimeError("root needs mount namespaces (unshare -m) for a daemon of its own")
        users = Path("/etc/passwd").read_text()
        (folder / "passwd").write_text(
            users + "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n" * ("\nsshd:" not in users)
        )
        full = folder / "full"
        prepare = (
            f"mount --bind {folder}/passwd /etc/passwd && mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && "
            f'mount -t tmpfs -o size=200k tmpfs {full} && exec "$@"'
        )
        command = ["unshare", "-m", "sh", "-c", prepare, "sh", *command]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True), full


def kill_group(process: subprocess.Popen) -> None:
    """Kills what `process` has started, sessions of their own included."""
    for pid in [*descendants(process.pid), process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def descendants(pid: int) -> list[int]:
    """The daemons below a process: sshd itself for each connection, not what a user runs by it."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        own = [int(each) for each in children.read_text().split()]
        daemons = [each for each in own if b"sshd" in Path(f"/proc/{each}/cmdline").read_bytes()]
    except OSError:
        return []
    return daemons + [below for each in daemons for below in descendants(each)]


def free_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return reserved.getsockname()[1]


def wait_for(port: int, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"sshd does not start: {log.read_text().strip()}")


SSHD_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv PATH={folder}/bin:{path}
"""

# ssh takes the first value that fits
SSH_CONFIG = """
Host wrong_key
  IdentityFile {folder}/other
Host down
  Port {down}
Host noisy
  HostKeyAlias [127.0.0.1]:{port}
  ProxyCommand python3 {folder}/relay.py {port} 300000
Host * !wrong_key
  IdentityFile {folder}/key
Host *
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  StrictHostKeyChecking yes
"""

# a link that flips one bit on its way to the device
RELAY = """
import os, socket, sys, threading
port, after = map(int, sys.argv[1:])
link = socket.create_connection(("127.0.0.1", port))

def back():
    while data := link.recv(65536):
        os.write(1, data)
    os._exit(0)

threading.Thread(target=back, daemon=True).start()
sent = 0
while data := os.read(0, 65536):
    if sent < after <= sent + len(data):
        at = after - sent - 1
        data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    sent += len(data)
    link.sendall(data)
"""
