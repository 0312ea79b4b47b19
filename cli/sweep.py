"""The command `sweep`: models times targets times precisions times devices, resumable, in one table."""

import argparse
from typing import Any

from ..pipeline.catalog import target_names
from ..pipeline.options import PRECISIONS
from ..pipeline.text_table import printable
from . import options
from .console import Console

NAME, HELP = "sweep", "export, validate and time many models, and go on where it was interrupted"
PREFIX = "option_"  # of what is passed on, in the namespace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ..pipeline.sweep.options import sweep_options
    from . import benchmark, export, validate

    parser.add_argument("file", nargs="?", metavar="YAML", help="what to sweep over; the command line goes before it")
    parser.add_argument("--models", nargs="+", metavar="MODEL", help=options.MODEL)
    names = target_names()
    parser.add_argument("--targets", nargs="+", metavar="TARGET", help=f"of {', '.join(names)} (default: {names[0]})")
    precisions = f"of {', '.join(PRECISIONS)} (default: fp32 int8)"
    parser.add_argument("--precisions", nargs="+", metavar="PRECISION", help=precisions)
    parser.add_argument("--devices", nargs="+", metavar="DEVICE", help="where to validate and time (default: local)")
    options.add_output(parser, "output", metavar="DIR", help="artifacts and results (default: sweep)")
    parser.add_argument("--jobs", type=options.positive, metavar="N", help="processes at a time (default: 1)")
    parser.add_argument(
        "--executor", metavar="local|ray[:ADDRESS]", help="where exports run (default: local); ray: a cluster's workers"
    )
    parser.add_argument("--timeout", type=options.positive, metavar="S", help="of one job (default: 3600)")
    known: dict[str, dict[str, Any]] = {}
    for command in (export, validate, benchmark):
        known |= {name: words for name, words in recorded(command).items() if name not in known}
    group = parser.add_argument_group("passed on to export, validate and benchmark")
    for name, option in sweep_options().items():
        words = known[name].get("help", "").replace(options.DEFAULT, "")  # a sweep's own default is to say nothing
        shown: dict[str, Any] = {"dest": PREFIX + name, "default": argparse.SUPPRESS, "help": words}
        if option.kind == "switch":
            shown["action"] = "store_true"
        else:
            shown |= {"metavar": known[name].get("metavar") or name.upper()}
            shown["action"] = "append" if option.kind == "list" else "store"
        group.add_argument(f"--{name.replace('_', '-')}", **shown)


class Recorder:
    """Takes what a command tells a parser of its options, and keeps it."""

    def __init__(self) -> None:
        self.told: dict[str, dict[str, Any]] = {}

    def add_argument(self, *flags: str, **words: Any) -> None:
        self.told.setdefault(words.get("dest", flags[-1].lstrip("-").replace("-", "_")), words)

    def add_mutually_exclusive_group(self) -> "Recorder":
        return self


def recorded(command: Any) -> dict[str, dict[str, Any]]:
    """{option: what `add_argument` is told of it} of a command."""
    recorder = Recorder()
    command.add_arguments(recorder)
    return recorder.told


def run(args: argparse.Namespace, console: Console) -> int:
    from ..pipeline.sweep.run import sweep
    from ..pipeline.text_table import format_table

    names = ("models", "targets", "precisions", "devices", "output", "jobs", "executor", "timeout")
    passed = {name.removeprefix(PREFIX): value for name, value in vars(args).items() if name.startswith(PREFIX)}
    result = sweep(args.file, progress=console.progress, **options.pick(args, names), **passed)
    table = format_table(*result.table())
    ended = f"{len(result.jobs)} jobs, {len(result.failed())} failed"
    again = printable(f"`edgeport report {result.folder}` makes a page of it")
    console.result(result.to_json(), f"{table}\n{ended}; {again}")
    return result.exit_code
