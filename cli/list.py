"""This file is the verb `list`: the models of the zoo."""

import argparse

from .console import Console, table

NAME, HELP = "list", "the models of the zoo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--family", help="only this family")


def run(args: argparse.Namespace, console: Console) -> int:
    from ..models import get_variant, list_models

    rows = [
        {
            "name": variant.name,
            "family": variant.family,
            "params": variant.params,
            "input_size": [*variant.input_size],
            "weights": "random",  # what `--weights auto` gives without a file
        }
        for variant in map(get_variant, list_models(args.family))
    ]
    text = table(
        ("model", "params", "input", "family"),
        [(r["name"], f"{r['params'] / 1e6:.2f} M", "x".join(map(str, r["input_size"])), r["family"]) for r in rows],
    )
    console.result(rows, text)
    return 0
