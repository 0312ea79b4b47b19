"""The command `debug`: float against what runs in an artifact, layer by layer."""

import argparse
from typing import TYPE_CHECKING, Any

from ..pipeline.options import ARITHMETICS
from ..pipeline.text_table import printable
from . import options
from .console import Console

if TYPE_CHECKING:
    from ..pipeline.debug import DebugResult

NAME, HELP = "debug", "compare an artifact with the float model layer by layer"
ACCELERATION = ("accelerator", "accelerator_precision")
SHOWN = 20  # layers on the terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", metavar="ARTIFACT", help="what `edgeport export` made, with its manifest beside it")
    parser.add_argument("--reference", metavar="MODEL", help="the model of the manifest, where that is your own code")
    options.add(parser, ("weights",), default=None)
    options.add(parser, options.MODEL_OPTIONS[1:])
    options.add(parser, options.PREPROCESS_OPTIONS)
    options.add(parser, options.VALIDATION_OPTIONS)
    options.add_output(
        parser,
        "output_dir",
        metavar="DIR",
        help="where layers.json, layers.png, layers.html go (default: ARTIFACT.debug, beside it)",
    )
    options.add(parser, ("accelerator",))
    parser.add_argument(
        "--accelerator-precision",
        choices=ARITHMETICS,
        default="fp16",
        help="of a GPU's arithmetic (default: %(default)s, as phones compute)",
    )
    parser.add_argument("--all", action="store_true", help=f"show all layers, not only the {SHOWN} worst")


def run(args: argparse.Namespace, console: Console) -> int:
    from ..pipeline.debug import debug

    arguments: dict[str, Any] = options.pick(
        args, ("reference", "num_validation_samples", "output_dir", *ACCELERATION, *options.MODEL_OPTIONS)
    )
    arguments |= {"data": options.one_of(args, "validation_data"), "preprocess": options.preprocess(args)}
    result = debug(args.artifact, progress=console.progress, **arguments)
    console.result(result.to_json(), describe(result, args.all))
    return 0


def describe(result: "DebugResult", everything: bool) -> str:
    """The result for people: the worst layers first."""
    from ..pipeline.text_table import format_table

    layers = result.worst()
    header = (
        *("module", "value", "kind", "runs"),
        *("isolated", "channel", "accum.", "range", "clipped", "weight", "why float"),
    )
    rows = [
        (
            layer.module or "-",
            layer.value,
            layer.kind,
            layer.precision,
            decibels(layer.alone and layer.alone.snr_db),
            decibels(layer.alone and layer.alone.typical_channel_db),
            decibels(layer.accumulated and layer.accumulated.snr_db),
            percent(layer.range_use, 0),
            percent(layer.clipped, 2),
            decibels(layer.weight_snr_db),
            layer.why,
        )
        for layer in layers[: None if everything else SHOWN]
    ]
    left = len(layers) - len(rows)
    lines = [
        format_table(header, rows),
        *([f"... and {left} better ones (--all shows them)"] if left else []),
        "SNR in dB against the float model: isolated (on float inputs; its typical channel), accumulated; range: steps "
        "of 256 reached; weight: the worst channel",
        *map(describe_output, result.outputs),
        *map(printable, result.files),
    ]
    return "\n".join(lines)


def describe_output(output: dict[str, Any]) -> str:
    """An output as `export` found it, on a line."""
    figures = [
        f"{output[name]:{form}}{unit}"
        for name, form, unit in (("snr_db", ".1f", " dB"), ("top1", ".1%", " top-1"), ("equal", ".1%", " equal"))
        if output.get(name) is not None
    ]
    return f"output {output['name']}: {', '.join([str(output['kind']), *figures])}"


def decibels(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.1f}"


def percent(share: float | None, digits: int) -> str:
    return "-" if share is None else f"{share:.{digits}%}"
