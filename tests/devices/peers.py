"""Finds the daemons that the tests of ssh and adb talk to, or fetches them: nothing is installed.

They are looked for in EDGEPORT_DEVICES/peers, or in the default cache of devices. Fetch them, once, by

    python tests/devices/peers.py
"""

import shutil
import tempfile
from pathlib import Path

from edgeport.devices.folder import devices_folder

HOW = "fetch it by `python tests/devices/peers.py`"
PEERS = devices_folder() / "peers"  # at import: the tests' own caches are elsewhere
# name -> (packages, the Debian release that has them); adbd is in none before trixie
PACKAGES = {
    "ssh": (["openssh-server"], "bookworm"),
    "adb": (["adbd", "adb"], "trixie"),
}


def program(peer: str, path: str) -> list[str]:
    """The command of a program among a peer's packages, which runs with their libraries, not with the machine's.

    Raises FileNotFoundError where the packages are not there.
    """
    root = PEERS / peer
    if not (root / path).exists():
        raise FileNotFoundError(f"{root / path} is not there: {HOW}")
    loader = next(each for each in (root / "lib64", root / "usr/lib64") if each.is_dir()) / "ld-linux-x86-64.so.2"
    below = ("usr/lib/x86_64-linux-gnu/android", "usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")
    return [str(loader), "--library-path", ":".join(str(root / each) for each in below), str(root / path)]


def fetch_all() -> None:
    from edgeport.devices.debian import fetch

    PEERS.mkdir(parents=True, exist_ok=True)
    for name, (packages, release) in PACKAGES.items():
        if (PEERS / name).exists():
            continue
        with tempfile.TemporaryDirectory(dir=PEERS) as staging:
            print(f"fetching {', '.join(packages)} of Debian {release}")
            fetch(packages, Path(staging) / name, release=release, architecture="amd64")
            shutil.move(Path(staging) / name, PEERS / name)


if __name__ == "__main__":
    fetch_all()
