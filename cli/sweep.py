"""This file is the verb `sweep`: models times targets times precisions times devices, resumable, in one table."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.errors import UsageError
from ..artifacts.exit_codes import BUG, DONE
from ..pipeline.options import PRECISIONS, TARGETS
from . import options
from .console import Console, table

if TYPE_CHECKING:
    from ..pipeline.sweep.jobs import Job
    from ..pipeline.sweep.schedule import Executor

NAME, HELP = "sweep", "export, validate and time many models, and go on where it was interrupted"
OUTPUT = "sweep"
PREFIX = "option_"  # of what is passed on, in the namespace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ..pipeline.sweep.plan import passed_on

    parser.add_argument("file", nargs="?", metavar="YAML", help="what to sweep over; the command line goes before it")
    parser.add_argument("--models", nargs="+", metavar="MODEL", help=options.MODEL)
    parser.add_argument("--targets", nargs="+", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: tflite)")
    precisions = f"of {', '.join(PRECISIONS)} (default: fp32 int8)"
    parser.add_argument("--precisions", nargs="+", metavar="PRECISION", help=precisions)
    parser.add_argument("--devices", nargs="+", metavar="DEVICE", help="where to validate and time (default: local)")
    parser.add_argument("-o", "--output", metavar="DIR", help=f"artifacts and results (default: {OUTPUT})")
    parser.add_argument("--jobs", type=options.positive, metavar="N", help="processes at a time (default: 1)")
    parser.add_argument(
        "--executor", metavar="local|ray[:ADDRESS]", help="where exports run (default: local); ray: a cluster's workers"
    )
    parser.add_argument("--timeout", type=options.positive, metavar="S", help="of one job (default: 3600)")
    group = parser.add_argument_group("passed on to export, validate and benchmark")
    for name, (action, _) in passed_on().items():
        shown: dict[str, Any] = {"dest": PREFIX + name, "default": argparse.SUPPRESS, "help": action.help}
        if action.nargs == 0:
            shown["action"] = "store_true"
        else:
            listed = isinstance(action.default, list)
            shown |= {"metavar": action.metavar or name.upper(), "action": "append" if listed else "store"}
        group.add_argument(*action.option_strings, **shown)


def run(args: argparse.Namespace, console: Console) -> int:
    from ..pipeline.sweep.journal import Journal
    from ..pipeline.sweep.plan import jobs, sweep_of
    from ..pipeline.sweep.schedule import Schedule
    from .doctor import cpu

    said = asked(args)
    sweep, folder = sweep_of(said), Path(said.get("output") or OUTPUT)
    todo = jobs(sweep)
    timeout_s, machine = number(said, "timeout", 3600), cpu()
    with Journal(folder) as journal:
        executor = executor_of(str(said.get("executor") or "local"), folder, number(said, "jobs", 1))
        progress = Progress(len(todo), console)
        facts = {"cpu": machine["model"], "cores": machine["cores"], "features": machine["features"]}
        schedule = Schedule(journal, executor, facts, sweep.threads, timeout_s, progress.said)
        try:
            schedule.run(todo)
        except KeyboardInterrupt:
            console.note(f"{progress.count} of {len(todo)} jobs are done; the same command goes on from there")
            raise
        executor.stop()
    lines = [line for line in schedule.lines.values() if line is not None]
    console.result({"folder": str(folder), "jobs": lines, "done_before": progress.before}, shown(folder, lines))
    codes = {line["code"] for line in lines}
    return BUG if BUG in codes else max(codes, default=DONE)


def asked(args: argparse.Namespace) -> dict[str, Any]:
    """What the file and the command line say; the latter goes before."""
    from ..pipeline.sweep.plan import SWEEP, from_file

    said = from_file(Path(args.file)) if args.file else {}
    given = {name: getattr(args, name) for name in SWEEP if getattr(args, name) is not None}
    passed = {name.removeprefix(PREFIX): value for name, value in vars(args).items() if name.startswith(PREFIX)}
    return said | given | passed


def number(said: dict[str, Any], name: str, default: int) -> int:
    """A whole number of at least 1, which a file may also give."""
    try:
        return options.positive(str(said.get(name, default)))
    except argparse.ArgumentTypeError as e:
        raise UsageError(f"{name}: {e}") from e


def executor_of(text: str, folder: Path, room: int) -> "Executor":
    kind, _, address = text.partition(":")
    if kind == "ray":
        from ..pipeline.sweep.ray_cluster import RayCluster

        return RayCluster(folder, address)
    if text != "local":
        raise UsageError(f"--executor: must be local or ray[:ADDRESS], not {text!r}")
    from ..pipeline.sweep.local import Local

    return Local(folder, room)


class Progress:
    """A line on stderr for each job that ends."""

    def __init__(self, total: int, console: Console):
        self.total, self.console = total, console
        self.count = self.before = 0

    def said(self, job: "Job", line: dict[str, Any] | None, before: bool) -> None:
        self.count += 1
        self.before += before
        if not before:
            told = f"{verdict(line)}, {line['seconds']:.1f} s" if line else "left out, because there is no artifact"
            self.console.note(f"[{self.count}/{self.total}] {job.name}: {told}")


def verdict(line: dict[str, Any]) -> str:
    """What became of a job, in a sentence."""
    results = line["result"] if isinstance(line["result"], list) else [line["result"] or {}]
    verdicts = [result.get("verdict", "ok") for result in results]
    return line["problem"] or next((each for each in verdicts if each != "ok"), "ok")


def shown(folder: Path, lines: list[dict[str, Any]]) -> str:
    """The table of the folder, and the jobs that failed."""
    from ..reporting.columns import Twins, cell, shown_columns
    from ..reporting.folder import findings

    failed = [f"{line['job']['kind']} {line['job']['model']}: {line['problem']}" for line in lines if line["problem"]]
    ended = f"{len(lines)} jobs, {len(failed)} failed; `edgeport report {folder}` makes a page of it"
    rows = findings(folder).rows
    twins = Twins(rows)
    columns = shown_columns(rows, twins)
    cells = [[cell(column, row, twins) or "-" for column in columns] for row in rows]
    return f"{table([column.head for column in columns], cells)}\n{ended}"
