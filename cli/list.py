"""The command `list`: the models of the zoo, or the profiles of int8."""

import argparse

from .console import Console

NAME, HELP = "list", "the models of the zoo, or the profiles of int8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--family", help="only this family")
    what.add_argument("--profiles", action="store_true", help="what `export --profile` knows, instead of models")


def run(args: argparse.Namespace, console: Console) -> int:
    from ..pipeline.catalog import describe_models
    from ..pipeline.text_table import format_table

    if args.profiles:
        return list_profiles(console)
    rows = describe_models(args.family)
    cells = [
        (
            row["name"],
            f"{row['params'] / 1e6:.2f} M",
            f"{row['macs'] / 1e6:.0f} M",
            "x".join(map(str, row["input_size"])),
            row["weights"],
            row["family"],
        )
        for row in rows
    ]
    console.result(rows, format_table(("model", "params", "MACs", "input", "weights", "family"), cells))
    return 0


def list_profiles(console: Console) -> int:
    """The kinds of device that `export --profile` chooses among, and with what their int8 kernels were measured."""
    from ..pipeline.catalog import describe_profiles
    from ..pipeline.text_table import format_table

    rows = describe_profiles()
    cells = [
        (
            row["name"],
            row["target"] + " (default)" * row["default"],
            row["device"],
            row["measured_with"] or "-",
            ", ".join(row["int8"] or row["precisions"]),
        )
        for row in rows
    ]
    console.result(
        rows, format_table(("profile", "target", "device", "measured with", "int8 kernels, or precisions"), cells)
    )
    return 0
