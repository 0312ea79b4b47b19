"""Reach a device by adb, the Android Debug Bridge."""

import shlex
import shutil
from pathlib import Path

from ..artifacts.errors import DeviceError
from .transport import SHORT_S, Done, Transport, last_words


class Adb(Transport):
    """A device by its serial number; without one the only device that is there.

    The serial is always told to adb: a device that is connected over the network may show up twice.
    """

    folder = "/data/local/tmp/edgeport"

    def __init__(self, serial: str, *, python: str = "python3", folder: str | None = None):
        self.name, self.python = f"adb:{serial}" if serial else "adb", python
        self.folder = shlex.quote(folder) if folder else type(self).folder
        self._serial = serial or self._only()
        self.name = f"adb:{self._serial}"

    def argv(self, command: str) -> list[str]:
        return ["adb", "-s", self._serial, "shell", command]

    def push(self, local: Path, part: str, then: str, timeout_s: float) -> Done:
        self._copy("push", str(local), part, timeout_s, f"{local.name} cannot be written there")
        return self.shell(then, timeout_s)

    def pull(self, remote: str, local: Path, timeout_s: float) -> None:
        self._copy("pull", remote, str(local), timeout_s, f"{remote} cannot be read there")

    def _copy(self, verb: str, source: str, destination: str, timeout_s: float, sentence: str) -> None:
        argv = ["adb", "-s", self._serial, verb, source, destination]
        status, out, err = self.communicate(argv, timeout_s)
        if status:
            raise DeviceError(f"{self.name}: {sentence} ({last_words(err) or last_words(out)})")

    def _only(self) -> str:
        there = _listed(self)
        if len(there) != 1:
            listed = f"{len(there)} devices are ready: {', '.join(there)}" if there else "no device is ready"
            raise DeviceError(f"adb: {listed}; name one by adb:SERIAL, as `adb devices` shows it")
        return there[0]


def ready() -> list[str]:
    """The serial numbers of the devices that adb has; none where adb is not here."""
    return _listed(Transport()) if shutil.which("adb") else []


def _listed(transport: Transport) -> list[str]:
    status, out, err = transport.communicate(["adb", "devices"], SHORT_S)
    if status:
        raise DeviceError(f"adb: {last_words(err) or last_words(out)}")
    return [line.split("\t")[0] for line in out.splitlines() if line.endswith("\tdevice")]
