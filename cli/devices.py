"""This file is the verb `devices`: which devices there are, setting up the emulated ones, and cleaning up."""

import argparse
import shutil
from pathlib import Path

from ..artifacts.errors import UsageError
from ..artifacts.exit_codes import DONE
from ..pipeline.device_access import access, folder
from . import options
from .console import Console, table

NAME, HELP = "devices", "list the devices that artifacts can run on, set up the emulated ones, clean up"
EMULATED = "qemu"
# what the emulated environment gets of the runtimes; OpenVINO's wheel is as large as all the others together
RUNTIMES = ("ai-edge-litert", "onnxruntime")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=["list", "setup", "clean"],
        metavar="list|setup|clean",
        help="show them; build the environment of the emulated ones; remove what edgeport keeps on one",
    )
    parser.add_argument("name", nargs="?", metavar="qemu|DEVICE", help="which: `setup qemu`, `clean ssh:pi@board`")
    parser.add_argument("--dir", metavar="DIR", help="setup and clean: where the emulated environment is")
    parser.add_argument("--openvino", action="store_true", help="setup: OpenVINO, too")
    options.add_access(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    if args.action == "list":
        return listed(console)
    if args.action == "setup":
        if args.name != EMULATED:
            raise UsageError("devices setup: what is set up is qemu; other devices are reached as they are")
        return set_up(args, console)
    if args.name is None:
        raise UsageError("devices clean: which? Give qemu, ssh:[user@]host[:port] or adb[:serial]")
    return cleaned(args, console)


def listed(console: Console) -> int:
    from ..devices.adb import ready
    from ..devices.cpus import PROFILES

    rows = [{"device": "local", "state": "ready"}]
    rows += [{"device": "ssh:[user@]host[:port]", "state": "whatever ssh reaches" if shutil.which("ssh") else "no ssh"}]
    rows += [{"device": f"adb:{serial}", "state": "ready"} for serial in ready()]
    for cpu in PROFILES:
        there = (folder() / EMULATED / "cpus" / cpu / "python").exists()
        rows.append({"device": f"qemu:{cpu}", "state": "ready" if there else "not set up: edgeport devices setup qemu"})
    console.result(rows, table(("device", "state"), [(row["device"], row["state"]) for row in rows]))
    return DONE


def set_up(args: argparse.Namespace, console: Console) -> int:
    from ..devices.qemu_setup import check, setup
    from ..models.download import check_online
    from ..targets.registry import installed

    where = Path(args.dir).expanduser().resolve() if args.dir else folder() / EMULATED
    check_online("the emulated environment")
    runtimes = (*RUNTIMES, "openvino") if args.openvino else RUNTIMES
    versions = {name: installed(name) for name in runtimes}  # the same as here, so that only the CPU differs
    setup(where, ["numpy", *(f"{name}=={own}" if own else name for name, own in versions.items())], console.note)
    check(where)
    size = sum(path.lstat().st_size for path in where.rglob("*") if path.is_file() and not path.is_symlink())
    told = f"{where} is ready, {size / 1e6:.0f} MB: try --device qemu:cortex-a55"
    if args.dir and where != folder() / EMULATED:
        told += f" with EDGEPORT_DEVICES={where.parent}" if where.name == EMULATED else ""
    console.result({"folder": str(where), "size_bytes": size}, told)
    return DONE


def cleaned(args: argparse.Namespace, console: Console) -> int:
    from ..devices.address import opened

    if args.name == EMULATED:
        where = Path(args.dir).expanduser() if args.dir else folder() / EMULATED
        if where.exists() and not (where / "qemu" / "STAMP").exists():
            raise UsageError(f"{where}: is not what `edgeport devices setup qemu` makes")
        shutil.rmtree(where, ignore_errors=True)
        console.result({"removed": str(where)}, f"{where} is gone")
        return DONE
    try:
        name = options.device(args.name)
    except argparse.ArgumentTypeError as e:
        raise UsageError(str(e)) from e
    with opened(name, access(args)) as boards:
        for board in boards:
            board.clean()
    console.result({"removed": name}, f"{name}: nothing of edgeport's is left there")
    return DONE
