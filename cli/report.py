"""This file is the verb `report`: manifests and results in a folder become one page, and are held to a baseline."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.errors import UsageError
from ..artifacts.exit_codes import BAD_INPUT, DONE, REGRESSED
from . import options
from .console import Console, table

if TYPE_CHECKING:
    from ..reporting.comparison import Comparison
    from ..reporting.folder import Findings

NAME, HELP = "report", "make one HTML page of a folder's manifests and results, and compare it with another run"
PAGE = "report.html"
LIMITS = (  # what counts as worse than the baseline: option, type, default, unit, what it says
    (
        "--max-slowdown",
        options.at_least,
        0.1,
        "SHARE",
        "slower by more of the time, in the median and in the fastest run",
    ),
    ("--max-snr-drop", options.at_least, 1.0, "DB", "an SNR below 80 dB that is lower by more"),
    ("--max-top1-drop", options.share, 0.01, "SHARE", "a top-1 agreement that is lower by more"),
    ("--max-growth", options.at_least, 0.02, "SHARE", "larger by more of the size"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="where manifests and results (.json, .jsonl) lie, at any depth")
    parser.add_argument("-o", "--output", metavar="FILE", help=f"the page (default: DIR/{PAGE})")
    parser.add_argument("--markdown", action="store_true", help="print the report as Markdown, too")
    parser.add_argument("--baseline", metavar="DIR", help="a former run: mark what is worse, and exit with its code")
    limits = parser.add_argument_group("what counts as worse than the baseline")
    for name, kind, default, unit, what in LIMITS:
        limits.add_argument(name, type=kind, default=default, metavar=unit, help=f"{what} (default: {default:g})")


def run(args: argparse.Namespace, console: Console) -> int:
    from ..reporting.comparison import Limits, compare
    from ..reporting.folder import findings
    from ..reporting.markdown import markdown
    from ..reporting.page import page

    folder = Path(args.folder)
    output = Path(args.output) if args.output else folder / PAGE
    if output.is_dir():
        raise UsageError(f"{output}: is a folder; --output takes the name of the page")
    found = findings(folder)
    comparison, problems = None, list(found.problems)
    if args.baseline:
        before = findings(Path(args.baseline), artifacts=False)
        problems += before.problems
        limits = Limits(args.max_slowdown, args.max_snr_drop, args.max_top1_drop, args.max_growth)
        comparison = compare(found.rows, before.rows, args.baseline, limits)
    for sentence in problems:
        console.warn(sentence)
    for sentence in found.notes:
        console.note(sentence)
    heading = folder.resolve().name or str(folder)
    write(output, page(heading, dataclasses.replace(found, problems=tuple(problems)), comparison))
    text = markdown(heading, found, comparison) if args.markdown else shown(found, comparison, output)
    console.result(told(found, comparison, problems, output), text.rstrip("\n"))
    worse = bool(comparison and comparison.regressions)
    return max(REGRESSED if worse else DONE, BAD_INPUT if problems else DONE)


def write(path: Path, content: bytes) -> None:
    """The file appears whole or not at all. Raises WriteError."""
    from ..artifacts.staging import Staging

    with Staging(path.parent) as staging:
        staging.write(path.name, content)
        staging.publish([path.name])


def told(found: "Findings", comparison: "Comparison | None", problems: list[str], output: Path) -> dict[str, Any]:
    """The JSON object."""
    value: dict[str, Any] = {
        "rows": [dataclasses.asdict(row) | {"state": row.state} for row in found.rows],
        "layers": [each.artifact for each in found.layers],
        "problems": problems,
        "page": str(output),
    }
    if comparison:
        from ..reporting.comparison import name

        value["baseline"] = {
            "folder": comparison.baseline,
            "limits": dataclasses.asdict(comparison.limits),
            "compared": comparison.compared,
            "worse": [{"row": name(each.row), "text": each.text} for each in comparison.regressions],
            "better": [{"row": name(each.row), "text": each.text} for each in comparison.improvements],
            "new": [name(row) for row in comparison.new],
            "not_compared": list(comparison.apart),
        }
    return value


def shown(found: "Findings", comparison: "Comparison | None", output: Path) -> str:
    """The result for people: the table, what is worse, where the page is."""
    from ..reporting.columns import Twins, cell, shown_columns
    from ..reporting.comparison import name

    twins = Twins(found.rows)
    columns = shown_columns(found.rows, twins)
    rows = [[cell(column, row, twins) or "-" for column in columns] for row in found.rows]
    lines = [table([column.head for column in columns], rows)]
    if comparison:
        lines.append(f"against {comparison.baseline}: {len(comparison.regressions)} worse")
        lines += [f"  worse: {name(each.row)}: {each.text}" for each in comparison.regressions]
    return "\n".join((*lines, str(output)))
