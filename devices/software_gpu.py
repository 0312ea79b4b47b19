"""A GPU in software: Mesa's lavapipe, a Vulkan driver that computes on the CPU, also in float16 as phones do.

    FOLDER/root        the driver with all of its libraries, of a Debian release that is newer than this machine may be,
                       and icd.json, which tells Vulkan's loader where it is
    FOLDER/shaders     what the driver has compiled, kept for the next process

Its libraries need a newer C library than many machines have, so the Python that uses it is started by that release's
own loader of programs. Nothing is installed, nobody has to be root.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ..artifacts.errors import DeviceError
from ..runtime.child_session import Launcher
from .debian import fetch
from .environment import Part, build_parts, leave_out_documents, stamp
from .folder import devices_folder

NAME = "gpu"  # of its folder among the devices
RELEASE = "trixie"  # its Mesa 25 has float16 in lavapipe; Mesa 22 of the release before is too old for LiteRT
PACKAGES = ("mesa-vulkan-drivers", "libvulkan1")
WORDS = f"Mesa's software Vulkan ({', '.join(PACKAGES)}) of Debian {RELEASE}"
LIBRARIES = Path("usr/lib/x86_64-linux-gnu")
LOADER = Path("usr/lib64/ld-linux-x86-64.so.2")
ICD = "icd.json"
DRIVER = LIBRARIES / "libvulkan_lvp.so"
HOST_LIBRARIES = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64")


def setup(folder: Path, say: Callable[[str], None]) -> None:
    """Builds what is not there yet.

    Raises DeviceError: another machine than x86-64 Linux, no apt-get, no network, no room.
    """
    build_parts(NAME, folder, {"root": Part(WORDS, lambda new: _root(new, folder))}, say)


def _root(new: Path, folder: Path) -> None:
    fetch(PACKAGES, new, release=RELEASE, architecture="amd64")
    leave_out_documents(new)
    for other in (new / LIBRARIES).glob("libvulkan_*.so"):  # the drivers of real GPUs
        if other.name != DRIVER.name:
            other.unlink()
    driver = {"library_path": str(folder / "root" / DRIVER), "api_version": "1.4.305"}
    (new / ICD).write_text(json.dumps({"file_format_version": "1.0.1", "ICD": driver}))


def is_ready(folder: Path) -> bool:
    """Whether `setup` has built it there."""
    return stamp(folder / "root") == WORDS


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
            "VK_DRIVER_FILES": str(root / ICD),
            "VK_LOADER_LAYERS_DISABLE": "~all~",
            "MESA_SHADER_CACHE_DIR": str(folder / "shaders"),
            "GALLIVM_PERF": "nopt",  # to compile the shaders takes longer than to run a few images
        },
        quiet=True,
    )
