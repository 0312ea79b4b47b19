"""Which devices there are, building the emulated ones and the GPU in software, and cleaning up."""

import shutil
from pathlib import Path
from typing import Any

from ..artifacts.errors import UsageError
from ..devices.folder import devices_folder
from ..targets.registry import installed_version, targets
from .device_runs import DeviceAccess, check_device, full_access
from .progress import Progress, ProgressCallback

EMULATED, GPU = "qemu", "gpu"
NOT_SET_UP = "not set up: edgeport devices setup {}"
STAMPS = {EMULATED: "qemu/STAMP", GPU: "root/STAMP"}  # what is in the folder of a finished environment


def list_devices() -> list[dict[str, str]]:
    """{"device", "state"} of each kind of device, or of each that is there."""
    from ..devices.adb import ready
    from ..devices.cpus import PROFILES
    from ..devices.software_gpu import is_ready

    rows = [{"device": "local", "state": "ready"}]
    rows += [{"device": "ssh:[user@]host[:port]", "state": "whatever ssh reaches" if shutil.which("ssh") else "no ssh"}]
    rows += [{"device": f"adb:{serial}", "state": "ready"} for serial in ready()]
    for cpu in PROFILES:
        there = (devices_folder() / EMULATED / "cpus" / cpu / "python").exists()
        rows.append({"device": f"qemu:{cpu}", "state": "ready" if there else NOT_SET_UP.format(EMULATED)})
    ready = is_ready(devices_folder() / GPU)
    rows.append({"device": "gpu (--accelerator)", "state": "ready" if ready else NOT_SET_UP.format(GPU)})
    return rows


def setup_emulated(
    folder: Path | None = None, *, extra_targets: tuple[str, ...] = (), progress: ProgressCallback | None = None
) -> dict[str, Any]:
    """Builds the environment of the emulated devices.

    Args:
        folder: where; None for where it is looked for.
        extra_targets: those whose runtimes are so large that they come only where they are asked for.
        progress: hears what is done.

    Returns:
        {"folder", "size_bytes"}.

    Raises:
        DownloadError: the network is forbidden.
        DeviceError: a step failed.
    """
    from ..devices.qemu_setup import check, setup
    from ..models.download import check_online

    where = folder.expanduser().resolve() if folder else devices_folder() / EMULATED
    check_online("the emulated environment")
    wanted = (each for each in targets().values() if not each.large_on_device or each.name in extra_targets)
    runtimes = [name for target in wanted for name in target.device_packages]
    versions = {name: installed_version(name) for name in runtimes}  # the same as here, so that only the CPU differs
    packages = [f"{name}=={own}" if own else name for name, own in versions.items()]
    setup(where, ["numpy", *packages], Progress(progress).note)
    check(where)
    return facts_of(where)


def setup_gpu(folder: Path | None = None, *, progress: ProgressCallback | None = None) -> dict[str, Any]:
    """Builds the GPU in software, on which LiteRT computes as on a phone's, in float32 and in float16.

    Args:
        folder: where; None for where it is looked for.
        progress: hears what is done.

    Returns:
        {"folder", "size_bytes"}.

    Raises:
        DownloadError: the network is forbidden.
        DeviceError: a step failed.
    """
    from ..devices.software_gpu import check, setup
    from ..models.download import check_online

    where = folder.expanduser().resolve() if folder else devices_folder() / GPU
    check_online("the GPU in software")
    setup(where, Progress(progress).note)
    check(where)
    return facts_of(where)


def facts_of(folder: Path) -> dict[str, Any]:
    """Where an environment is, and how large."""
    size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {"folder": str(folder), "size_bytes": size}


def clean_device(name: str, access: DeviceAccess | None = None, folder: Path | None = None) -> None:
    """Removes what edgeport keeps on a device, the environment of the emulated ones, or the GPU in software.

    Args:
        name: "qemu", "gpu", or a device.
        access: how the device is used.
        folder: of the environment; None for where it is looked for.

    Raises:
        UsageError: no such kind of device, or the folder is nothing of edgeport's.
        DeviceError: the device cannot be reached or cleaned.
    """
    from ..devices.address import open_boards

    if name in STAMPS:
        where = folder.expanduser() if folder else devices_folder() / name
        if where.exists() and not (where / STAMPS[name]).exists():
            raise UsageError(f"{where}: is not what `edgeport devices setup {name}` makes")
        shutil.rmtree(where, ignore_errors=True)
        return
    with open_boards(check_device(name), full_access(access or DeviceAccess())) as boards:
        for board in boards:
            board.clean()
