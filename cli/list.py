"""This file is the verb `list`: the models of the zoo."""

import argparse

from .console import Console, table

NAME, HELP = "list", "the models of the zoo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--family", help="only this family")


def run(args: argparse.Namespace, console: Console) -> int:
    from ..models import get_variant, list_checkpoints, list_models

    public = {checkpoint.model for checkpoint in list_checkpoints()}
    rows = [
        {
            "name": variant.name,
            "family": variant.family,
            "params": variant.params,
            "macs": variant.macs,
            "input_size": [*variant.input_size],
            "weights": "pretrained" if variant.name in public else "random",  # what `--weights auto` gives
        }
        for variant in map(get_variant, list_models(args.family))
    ]
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
    text = table(("model", "params", "MACs", "input", "weights", "family"), cells)
    console.result(rows, text)
    return 0
