"""This file turns the options of --device into how a device is used, and its facts into words."""

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cli.console import Console

if TYPE_CHECKING:
    from ..devices.address import Access
    from ..devices.board import Board


def folder() -> Path:
    """Where what devices need is kept on this machine: EDGEPORT_DEVICES, or `devices` in edgeport's cache."""
    from ..models.download import cache_folder

    own = os.environ.get("EDGEPORT_DEVICES")
    return Path(own).expanduser() if own else cache_folder() / "devices"


def access(args: argparse.Namespace) -> "Access":
    """As the command line says."""
    from ..devices.address import Access

    return Access(
        qemu=folder() / "qemu",
        python=args.device_python,
        folder=args.device_dir,
        timeout_s=args.device_timeout,
        ssh_config=args.ssh_config,
    )


@contextlib.contextmanager
def working(text: str, board: "Board", seconds: dict[str, float], key: str, console: Console) -> Iterator[None]:
    """A stage on a device; how long an emulated one takes is told nobody."""
    if board.emulated:
        console.note(text)
        yield
    else:
        with console.stage(text, seconds, key):
            yield


def described(facts: dict[str, Any]) -> str:
    """What a device says of itself, in a line."""
    from ..devices.cpus import PARTS

    parts = [PARTS.get(part, f"CPU part {part}") for part in facts.get("cpu_parts", ())]
    said = [facts.get("board", ""), facts.get("cpu", ""), " + ".join(parts)]
    if "cores" in facts:
        said.append(f"{facts['cores']} core{'s' * (facts['cores'] != 1)}")
    if facts.get("max_mhz"):
        said.append(f"up to {max(facts['max_mhz'])} MHz")
    if facts.get("governor"):
        said.append(f"governor {'/'.join(facts['governor'])}")
    degrees = facts.get("temperature_c", (None, None))
    if None not in degrees:
        said.append(f"{degrees[0]:.1f} to {degrees[1]:.1f} °C")
    return ", ".join(each for each in (*said, facts.get("system", "")) if each)
