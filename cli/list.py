"""This file is the verb `list`: the models of the zoo, or the profiles of int8."""

import argparse
import dataclasses

from ..pipeline.options import PROFILES as DEFAULTS
from .console import Console, table

NAME, HELP = "list", "the models of the zoo, or the profiles of int8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--family", help="only this family")
    what.add_argument("--profiles", action="store_true", help="what `export --profile` knows, instead of models")


def run(args: argparse.Namespace, console: Console) -> int:
    if args.profiles:
        return profiles(console)
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


def profiles(console: Console) -> int:
    """The sets of int8 kernels that `export --profile` chooses among, and with what they were measured."""
    from benchmarks.kernel_probes.probes import PROFILES

    from ..targets.measured import MEASURED

    rows = []
    for profile in PROFILES.values():
        measured, probes = MEASURED.get(profile.name, (None, {}))
        rows.append(
            {
                "name": profile.name,
                "target": profile.target,
                "default": next(iter(DEFAULTS[profile.target])) == profile.name,
                "device": profile.words,
                "int8": sorted(profile.scheme.kernels),
                "measured_with": measured,
                "probes": {name: dataclasses.asdict(made) for name, made in probes.items()},
            }
        )
    cells = [
        (
            row["name"],
            row["target"] + " (default)" * row["default"],
            row["device"],
            row["measured_with"] or "-",
            ", ".join(row["int8"]),
        )
        for row in rows
    ]
    console.result(rows, table(("profile", "target", "device", "measured with", "int8 kernels"), cells))
    return 0
