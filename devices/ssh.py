"""Reach a device by the machine's own ssh: its keys, its known hosts, its ~/.ssh/config."""

import contextlib
import re
import shlex
import subprocess
import tempfile

from ..artifacts.errors import DeviceError
from .transport import SHORT_S, Transport

CONNECT_S = 15  # a board on a slow link answers within that, or is not there
_ADDRESS = re.compile(r"(?P<host>(?:[^@:\[\]\s]+@)?(?:\[[0-9A-Fa-f:.%\w]+\]|[^@:\[\]\s]+))(?::(?P<port>\d+))?")


class Ssh(Transport):
    """[user@]host[:port], one connection for all commands.

    Args:
        address: an IPv6 address stands in brackets.
        config: instead of the user's own ssh_config file.
    """

    folder = '"${XDG_CACHE_HOME:-$HOME/.cache}/edgeport-device"'

    def __init__(self, address: str, *, python: str = "python3", folder: str | None = None, config: str | None = None):
        host, port = parse(address)
        self.name, self.python = f"ssh:{address}", python
        self.folder = shlex.quote(folder) if folder else type(self).folder
        # how later commands find the connection; the path of a socket has room for about 100 characters
        room = None if len(tempfile.gettempdir()) < 60 else "/tmp"
        self._sockets = tempfile.TemporaryDirectory(prefix="edgeport-", dir=room)
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": CONNECT_S,
            "ServerAliveInterval": 5,
            "ServerAliveCountMax": 3,
            "ControlMaster": "auto",
            "ControlPath": f"{self._sockets.name}/s",
            "ControlPersist": 60,  # should nobody say goodbye
            "LogLevel": "ERROR",
        }
        self._ssh = [
            "ssh",
            *(["-F", config] if config else []),
            *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
            *(["-p", port] if port else []),
        ]
        self._host = host

    def argv(self, command: str) -> list[str]:
        return [*self._ssh, self._host, f"exec sh -c {shlex.quote(command)}"]  # whatever shell the user has there

    def close(self) -> None:
        with contextlib.suppress(DeviceError, subprocess.SubprocessError):
            self.communicate([*self._ssh, "-O", "exit", self._host], SHORT_S)
        self._sockets.cleanup()


def parse(address: str) -> tuple[str, str]:
    """(what ssh connects to, the port or ""). Raises ValueError."""
    found = _ADDRESS.fullmatch(address)
    if found is None or address.startswith("-") or int(found["port"] or 1) not in range(1, 65536):
        raise ValueError("ssh wants [user@]host[:port]")
    return found["host"].replace("[", "").replace("]", ""), found["port"] or ""
