"""A GPU in software: Mesa's lavapipe, a Vulkan driver that computes on the CPU, also in float16 as phones do.

    FOLDER/root        the driver with all of its libraries, of a Debian release that is newer than this machine may be
    FOLDER/icd.json    what tells Vulkan's loader where the driver is
    FOLDER/shaders     what the driver has compiled, kept for the next process

Its libraries need a newer C library than many machines have, so the Python that uses it is started by that release's
own loader of programs. Nothing is installed, nobody has to be root.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..artifacts.errors import DeviceError
from ..runtime.child_session import Launcher
from .debian import fetch
from .folder import devices_folder

NAME = "gpu"  # of its folder among the devices
RELEASE = "trixie"  # its Mesa 25 has float16 in lavapipe; Mesa 22 of the release before is too old for LiteRT
PACKAGES = ("mesa-vulkan-drivers", "libvulkan1")
STAMP = f"{' '.join(PACKAGES)} of {RELEASE}"
LIBRARIES = Path("usr/lib/x86_64-linux-gnu")
LOADER = Path("usr/lib64/ld-linux-x86-64.so.2")
DRIVER = LIBRARIES / "libvulkan_lvp.so"
HOST_LIBRARIES = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64")
_UNFINISHED = ".unfinished-"


def setup(folder: Path, say: Callable[[str], None]) -> None:
    """Builds what is not there yet.

    Raises DeviceError: another machine than x86-64 Linux, no apt-get, no network, no room.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise DeviceError(f"gpu: is set up only on x86-64 Linux, not on {platform.system()} {platform.machine()}")
    if is_ready(folder):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left)
        say("gpu: Mesa's software Vulkan")
        with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=folder) as staging:
            root = Path(staging) / "root"
            fetch(PACKAGES, root, release=RELEASE, architecture="amd64")
            _trim(root)
            shutil.rmtree(folder / "root", ignore_errors=True)
            root.rename(folder / "root")
        driver = {"library_path": str(folder / "root" / DRIVER), "api_version": "1.4.305"}
        (folder / "icd.json").write_text(json.dumps({"file_format_version": "1.0.1", "ICD": driver}))
        (folder / "shaders").mkdir(exist_ok=True)
        (folder / "STAMP").write_text(STAMP)
    except OSError as e:
        raise DeviceError(f"{e.filename or folder}: cannot be written ({e.strerror or e})") from e


def is_ready(folder: Path) -> bool:
    """Whether `setup` has built it there."""
    try:
        return (folder / "STAMP").read_text() == STAMP
    except OSError:
        return False


def installed() -> Launcher | None:
    """What starts a process that uses it, where it has been built; None where it has not."""
    folder = devices_folder() / NAME
    return launch(folder) if is_ready(folder) else None


def check(folder: Path) -> None:
    """Raises DeviceError where a Python does not start with its libraries."""
    launcher = launch(folder)
    command = [*launcher.python, "-c", "import numpy"]
    done = subprocess.run(command, env=os.environ | launcher.environment, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise DeviceError(f"gpu: Python does not run with the libraries of Debian {RELEASE}: {said}")


def launch(folder: Path) -> Launcher:
    """What a process that shall use the driver is started with: this Python, in this environment."""
    root = folder / "root"
    python = os.path.realpath(sys.executable)
    paths = (str(root / LIBRARIES), str(root / LOADER.parent), *HOST_LIBRARIES)
    command = (str(root / LOADER), "--argv0", sys.executable, "--library-path", ":".join(paths), python)
    return Launcher(
        command,
        {
            "VK_DRIVER_FILES": str(folder / "icd.json"),
            "VK_LOADER_LAYERS_DISABLE": "~all~",
            "MESA_SHADER_CACHE_DIR": str(folder / "shaders"),
            "GALLIVM_PERF": "nopt",  # to compile the shaders takes longer than to run a few images
        },
        quiet=True,
    )


def _trim(root: Path) -> None:
    """Leaves out the drivers of real GPUs, and what only people read."""
    for name in ("doc", "man", "locale", "bug", "lintian"):
        shutil.rmtree(root / "usr" / "share" / name, ignore_errors=True)
    for other in (root / LIBRARIES).glob("libvulkan_*.so"):
        if other.name != DRIVER.name:
            other.unlink()
