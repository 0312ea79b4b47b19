"""Read the address of a device, as --device gives it, and open the device."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import qemu, ssh
from .adb import Adb
from .board import Board
from .transport import Here, Transport

KINDS = "local|ssh:[user@]host[:port]|adb[:serial]|qemu:CPU[,CPU...]"
TIMEOUT_S, EMULATED_TIMEOUT_S = 600.0, 3600.0


@dataclass(frozen=True)
class Access:
    """How a device is used.

    Attributes:
        python: its Python; None for python3, or for this one where the device is this machine.
        folder: where edgeport keeps its files there; None for the kind's own.
        timeout_s: for a job, and for a file on its way; None for what suits the kind.
        ssh_config: instead of the user's own.
        qemu: where the emulated environment is.
    """

    qemu: Path
    python: str | None = None
    folder: str | None = None
    timeout_s: float | None = None
    ssh_config: str | None = None


def check(text: str) -> str:
    """The text, where it names a device. Raises ValueError."""
    kind, _, rest = text.partition(":")
    if kind == "ssh":
        ssh.parse(rest)
    elif kind == "qemu":
        qemu.check(rest.split(","))
    elif text != "local" and kind != "adb":
        raise ValueError(f"a device is {KINDS}")
    return text


@contextlib.contextmanager
def opened(text: str, access: Access) -> Iterator[list[Board]]:
    """The devices that the text names, reached. Raises DeviceError."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(board) for board in boards(text, access)]


def boards(text: str, access: Access) -> Iterator[Board]:
    """One after the other, not yet reached. Raises DeviceError."""
    for transport in _transports(text, access):
        limit = EMULATED_TIMEOUT_S if transport.emulated else TIMEOUT_S
        yield Board(transport, timeout_s=access.timeout_s or limit)


def _transports(text: str, access: Access) -> Iterator[Transport]:
    kind, _, rest = text.partition(":")
    remote = {"python": access.python or "python3", "folder": access.folder}
    if kind == "ssh":
        yield ssh.Ssh(rest, config=access.ssh_config, **remote)
    elif kind == "adb":
        yield Adb(rest, **remote)
    elif kind == "qemu":
        yield from (qemu.Emulated(cpu, access.qemu) for cpu in rest.split(","))
    else:
        yield Here("local", access.python) if access.python else Here()
