"""The command `doctor`: what this machine has, and what is missing for which target."""

import argparse
from typing import TYPE_CHECKING

from .console import Console

if TYPE_CHECKING:
    from ..pipeline.doctor import Diagnosis

NAME, HELP = "doctor", "what is installed, and what is missing for which target"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(args: argparse.Namespace, console: Console) -> int:
    from ..pipeline.doctor import doctor

    found = doctor()
    console.result(found.to_json(), describe(found))
    return 0


def describe(found: "Diagnosis") -> str:
    """The facts for people."""
    from ..pipeline.text_table import format_table

    rows = [(name, found.backends[name] or "MISSING", purpose) for name, purpose in found.purposes.items()]
    targets = [(name, "ready" if each["ready"] else "-", missing(each)) for name, each in found.targets.items()]
    cpu = found.cpu
    return "\n".join(
        (
            f"edgeport {found.backends['edgeport']}, Python {found.python}, {found.platform}",
            f"CPU: {cpu['model']}, {cpu['cores']} cores; {' '.join(cpu['features']) or 'unknown'}",
            "",
            format_table(("backend", "version", "for"), rows),
            "",
            format_table(("target", "state", "missing"), targets),
            *(f"\n{each}" for each in found.notes),
        )
    )


def missing(target: dict) -> str:
    """What a target needs, and how to get it."""
    return "" if target["ready"] else f"{', '.join(target['missing'])}: pip install '{target['extra']}'"
