"""The command `info`: all that is known of a model, or of an artifact."""

import argparse
import json
from typing import Any

from ..pipeline.text_table import printable
from .console import Console

NAME, HELP = "info", "all that is known of a model or an artifact"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="MODEL|ARTIFACT", help="a name from `edgeport list`, or a file")


def run(args: argparse.Namespace, console: Console) -> int:
    from ..pipeline.info import info

    facts = info(args.what)
    console.result(facts, "\n".join(f"{key:15} {SHOWN.get(key, text)(value)}" for key, value in facts.items()))
    return 0


def millions(count: int) -> str:
    return f"{count / 1e6:.2f} M"


def licences(weights: list[dict]) -> str:
    """The public weights with their licences."""
    return ", ".join(f"{each['name']} ({each['licence']})" for each in weights) or "none are public"


def exports(passed: dict[str, tuple[str, ...]] | None) -> str:
    """What passed, by target."""
    if passed is None:
        return "not run"
    return "; ".join(f"{target} {' '.join(precisions) or 'nothing'}" for target, precisions in passed.items())


def microcontroller(need: dict[str, Any] | None) -> str:
    """What it takes to run there, or why it does not."""
    if need is None or "refused" in need:
        return "no" if need is None else printable(f"no: {need['refused']}")
    operators = ", ".join(f"{name} ({count})" for name, count in need["operators"].items())
    return (
        f"{need['runtime']}: arena {need['arena_bytes']:,} bytes ({need['arena_source']}); flash "
        f"{need['flash_bytes']:,} bytes and {len(need['operators'])} operators: {operators}"
    )


SHOWN = {
    "microcontroller": microcontroller,
    "params": millions,
    "macs": millions,
    "weights": licences,
    "passed": exports,
}


def text(value: Any) -> str:
    """A value for people."""
    if isinstance(value, dict):
        return json.dumps(value, indent=2, ensure_ascii=False)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return printable("; ".join(f"{each['name']} {each['shape']} {each['dtype']}" for each in value))
    return printable(value)
