"""The command `weights`: which public weights there are, and downloading them beforehand."""

import argparse

import edgeport

from .console import Console

NAME, HELP = "weights", "the public weights of the zoo: list them, or fetch some into the cache"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["list", "fetch"], metavar="list|fetch", help="show them, or download some")
    parser.add_argument(
        "name",
        nargs="?",
        metavar="MODEL[.TAG]",
        help="a model: list its weights (the first are what `--weights pretrained` takes), or fetch the first; "
        "with a tag: fetch these",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    from ..pipeline.catalog import describe_weights, fetch_weights
    from ..pipeline.text_table import format_table

    if args.action == "list":
        rows = describe_weights(args.name)
        cells = [(each["name"], each["licence"], "yes" if each["cached"] else "-", each["source"]) for each in rows]
        console.result(rows, format_table(("weights", "licence", "cached", "source"), cells))
        return 0
    if args.name is None:
        raise edgeport.UsageError("weights fetch: which? Give a model, or a name from `edgeport weights list`")
    facts = fetch_weights(args.name, console.progress)
    console.result(facts, facts["path"])
    return 0
