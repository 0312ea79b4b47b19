"""The command `devices`: which devices there are, setting up the emulated ones, and cleaning up."""

import argparse
from pathlib import Path

import edgeport

from ..pipeline.catalog import large_device_targets
from . import options
from .console import Console

NAME, HELP = "devices", "list the devices that artifacts can run on, set up the emulated ones, clean up"
TRY_QEMU, TRY_GPU = "--device qemu:cortex-a55", "edgeport validate ARTIFACT --accelerator gpu"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=["list", "setup", "clean"],
        metavar="list|setup|clean",
        help="show them; build emulated ones, or a GPU in software; remove what edgeport keeps on one",
    )
    parser.add_argument("name", nargs="?", metavar="qemu|gpu|DEVICE", help="which: `setup qemu`, `clean ssh:pi@board`")
    parser.add_argument("--dir", metavar="DIR", help="setup and clean: where the environment is")
    for name in large_device_targets():
        also = f"setup: what runs {name} artifacts, too"
        parser.add_argument(f"--{name}", dest="extra", action="append_const", const=name, help=also)
    options.add(parser, options.ACCESS_OPTIONS)


def run(args: argparse.Namespace, console: Console) -> int:
    from ..pipeline.device_setup import clean_device, list_devices
    from ..pipeline.text_table import format_table

    folder = Path(args.dir) if args.dir else None
    if args.action == "list":
        rows = list_devices()
        table = format_table(("device", "state"), [(row["device"], row["state"]) for row in rows])
        console.result(rows, table)
    elif args.action == "setup":
        set_up(args, folder, console)
    elif args.name is None:
        raise edgeport.UsageError("devices clean: which? Give qemu, gpu, ssh:[user@]host[:port] or adb[:serial]")
    else:
        clean_device(args.name, options.access(args), folder)
        console.result({"removed": args.name}, f"{args.name}: nothing of edgeport's is left there")
    return 0


def set_up(args: argparse.Namespace, folder: Path | None, console: Console) -> None:
    """Builds the emulated environment, or the GPU in software."""
    from ..pipeline.device_setup import EMULATED, GPU, devices_folder, setup_emulated, setup_gpu

    if args.name == EMULATED:
        made, use = setup_emulated(folder, extra_targets=tuple(args.extra or ()), progress=console.progress), TRY_QEMU
    elif args.name == GPU:
        made, use = setup_gpu(folder, progress=console.progress), TRY_GPU
    else:
        raise edgeport.UsageError(
            f"devices setup: what is set up is {EMULATED} or {GPU}; other devices are reached as they are"
        )
    where = Path(made["folder"])
    ready = f"{where} is ready, {made['size_bytes'] / 1e6:.0f} MB: try {use}"
    if folder and where != devices_folder() / args.name and where.name == args.name:
        ready += f" with EDGEPORT_DEVICES={where.parent}"
    console.result(made, ready)
