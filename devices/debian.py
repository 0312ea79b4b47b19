"""Fetch Debian packages with all that they need into a folder: nothing is installed, nobody has to be root.

Where from is what the machine's own apt says: its mirror, its proxies and its credentials.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..artifacts.errors import DeviceError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
RELEASES = ("bullseye", "bookworm", "trixie", "forky", "oldstable", "stable", "testing", "sid", "unstable")
TIMEOUT_S = 900
_PASSED_ON = re.compile(r"Acquire::(http|https|Retries|ForceIPv[46])\b.*", re.IGNORECASE)


def fetch(packages: Sequence[str], into: Path, *, release: str, architecture: str) -> None:
    """Unpacks the packages of a Debian release, and everything that they depend on, below `into`.

    Args:
        release: "bookworm", "trixie".
        architecture: as Debian names it: "amd64", "arm64".

    Raises DeviceError: no apt-get, no Debian mirror, no network, no such package, no room.
    """
    check_tools("apt-get", "dpkg-deb")
    with tempfile.TemporaryDirectory(prefix="edgeport-apt-") as name:
        private = Path(name)
        environment = os.environ | {"APT_CONFIG": str(_configure(private, release, architecture)), "LC_ALL": "C"}
        run(["apt-get", "update", "-q"], environment)
        run(["apt-get", "install", "-q", "-y", "--download-only", "--no-install-recommends", *packages], environment)
        into.mkdir(parents=True, exist_ok=True)
        for package in sorted((private / "cache" / "archives").glob("*.deb")):
            run(["dpkg-deb", "--extract", str(package), str(into)])


def check_tools(*names: str) -> None:
    """Raises DeviceError, naming the programs that are not here."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise DeviceError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not here: packages are fetched "
            "with Debian's own tools, on Debian and what is made of it"
        )


def run(command: Sequence[str], environment: Mapping[str, str] | None = None, *, name: str = "") -> str:
    """What a program of the set-up says on stdout. Raises DeviceError with its name and its own last word."""
    name = name or " ".join(command[:2])
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as e:
        raise DeviceError(f"{name} was not done within {TIMEOUT_S} s") from e
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        errors = [line for line in said if line.startswith(("E:", "ERROR:", "dpkg-deb:"))] or said[-1:] or ["no word"]
        raise DeviceError(f"{name} failed: {errors[0].removeprefix('E:').removeprefix('ERROR:').strip().rstrip('.')}")
    return done.stdout


def mirror() -> str:
    """The address of the Debian archive that the machine's own apt reads. Raises DeviceError where it reads none."""
    for line in run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)"]).splitlines():
        site, _, rest = line.partition(" ")
        if rest.split() in [[name, "main"] for name in RELEASES]:
            return site
    raise DeviceError("apt on this machine reads no Debian archive: add one to its sources, then try again")


def _configure(private: Path, release: str, architecture: str) -> Path:
    """A configuration of apt that knows one release of one architecture, and takes nothing for installed."""
    if not KEYRING.exists():
        raise DeviceError(f"{KEYRING} is not here: the package debian-archive-keyring brings it")
    for folder in ("lists/partial", "cache/archives/partial", "etc"):
        (private / folder).mkdir(parents=True)
    (private / "status").touch()
    (private / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {release} main\n")
    passed_on = filter(_PASSED_ON.match, run(["apt-config", "dump"]).splitlines())
    options = {
        "Dir::State": f"{private}",
        "Dir::State::status": f"{private}/status",
        "Dir::State::lists": f"{private}/lists",
        "Dir::Cache": f"{private}/cache",
        "Dir::Etc::sourcelist": f"{private}/sources.list",
        "Dir::Etc::sourceparts": f"{private}/etc",
        "Dir::Etc::main": f"{private}/etc/none",
        "Dir::Etc::parts": f"{private}/etc",
        "APT::Architecture": architecture,
        "APT::Update::Error-Mode": "any",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    lines = [*passed_on, *(f'{name} "{value}";' for name, value in options.items())]
    path = private / "apt.conf"
    path.write_text("\n".join((*lines, f'APT::Architectures {{ "{architecture}"; }};')) + "\n")
    return path
