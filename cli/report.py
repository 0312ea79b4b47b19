"""The command `report`: manifests and results in a folder become one page, and are held to a baseline."""

import argparse

import edgeport

from ..pipeline.text_table import printable
from . import options
from .console import Console

NAME, HELP = "report", "make one HTML page of a folder's manifests and results, and compare it with another run"
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
    options.add_output(parser, "output", metavar="FILE", help="the page (default: DIR/report.html)")
    parser.add_argument("--markdown", action="store_true", help="print the report as Markdown, too")
    parser.add_argument("--baseline", metavar="DIR", help="a former run: mark what is worse, and exit with its code")
    limits = parser.add_argument_group("what counts as worse than the baseline")
    for name, kind, default, unit, what in LIMITS:
        limits.add_argument(name, type=kind, default=default, metavar=unit, help=f"{what} (default: {default:g})")


def run(args: argparse.Namespace, console: Console) -> int:
    names = ("output", "baseline", "max_slowdown", "max_snr_drop", "max_top1_drop", "max_growth")
    result = edgeport.report(args.folder, **options.pick(args, names))
    for sentence in result.problems:
        console.warn(sentence)
    for sentence in result.findings.notes:
        console.note(sentence)
    console.result(result.to_json(), (result.to_markdown() if args.markdown else describe(result)).rstrip("\n"))
    return result.exit_code


def describe(result: "edgeport.ReportResult") -> str:
    """The table, what is worse, and where the page is."""
    from ..pipeline.text_table import format_table

    lines = [format_table(*result.table())]
    lines += [random] if (random := result.about_random()) else []
    if result.comparison:
        worse = result.regressions()
        lines.append(printable(f"against {result.comparison.baseline}: {len(worse)} worse"))
        lines += [printable(f"  worse: {row}: {text}") for row, text in worse]
    return "\n".join((*lines, printable(result.page)))
