"""The command `validate`: an artifact is compared with its reference again."""

import argparse
from typing import TYPE_CHECKING, Any

import edgeport

from ..pipeline.options import NUM_ACCELERATED, NUM_VALIDATION, PRECISIONS
from . import options
from .console import Console

if TYPE_CHECKING:
    from ..pipeline.results import ValidationResult

NAME, HELP = "validate", "compare an artifact with its reference"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", metavar="ARTIFACT", help="what `edgeport export` made, or a foreign one")
    parser.add_argument(
        "--reference",
        metavar="MODEL|FILE",
        help="instead of the model in the manifest: a MODEL as for export, or a file",
    )
    options.add(parser, ("weights",), default=None)
    options.add(parser, options.MODEL_OPTIONS[1:])
    options.add(parser, options.PREPROCESS_OPTIONS)
    options.add(parser, ("validation_data", "feeds"))
    most = f"at most so many (default: {NUM_VALIDATION}; {NUM_ACCELERATED} on an accelerator)"
    options.add(parser, ("num_validation_samples",), default=None, help=most)
    options.add(parser, ("task", "annotations"))
    parser.add_argument("--precision", choices=PRECISIONS, help="whose limits apply (default: the manifest's)")
    options.add(parser, ("size", "threads", "accelerator", "device", *options.ACCESS_OPTIONS))


def run(args: argparse.Namespace, console: Console) -> int:
    from ..pipeline.device_runs import validate_on_device
    from ..pipeline.text_table import format_facts
    from ..pipeline.validate import validate

    names = ("reference", "num_validation_samples", "precision", "threads", "task", *options.MODEL_OPTIONS)
    arguments: dict[str, Any] = options.pick(args, names) | {"data": options.one_of(args, "validation_data")}
    arguments["preprocess"] = options.preprocess(args)
    if args.device and args.accelerator:
        raise edgeport.UsageError("--accelerator is of this machine: leave out --device")
    if args.device and args.annotations:
        raise edgeport.UsageError("--annotations is for this machine: leave out --device")
    if args.device and args.size:
        raise edgeport.UsageError("--size is for this machine: leave out --device")
    if args.device:
        arguments["num_validation_samples"] = args.num_validation_samples or NUM_VALIDATION
        access = options.access(args)
        results = validate_on_device(args.device, args.artifact, access=access, progress=console.progress, **arguments)
        values = [result.to_json() for result in results]
        console.result(values[0] if len(values) == 1 else values, describe(results))
        return max(result.exit_code for result in results)
    told = {"accelerator": args.accelerator, "annotations": args.annotations, "size": args.size}
    result = validate(args.artifact, **told, progress=console.progress, **arguments)
    console.result(result.to_json(), format_facts(result.to_rows(), 20))
    return result.exit_code


def describe(results: "list[ValidationResult]") -> str:
    """The devices side by side."""
    from ..pipeline.device_runs import describe_device
    from ..pipeline.text_table import format_facts, format_table

    values = [result.to_json() for result in results]
    first = values[0]
    about = [(key, first[key]) for key in ("artifact", "model", "weights", "precision") if first[key]]
    about += [("inputs", str(first["agreement"]["samples"]))]
    about += [(each["device"], f"{describe_device(each['facts'])}, {each['runtime']}") for each in values]
    width = max(len(key) for key, _ in about)
    here = first["here"]["agreement"]
    rows = [("this machine", *agreement_cells(here), "", "", "", first["here"]["runtime"])]
    rows += [
        (each["device"], *agreement_cells(each["agreement"]), *difference_cells(each), each["verdict"])
        for each in values
    ]
    header = ("device", "SNR dB", "max abs", "top-1", "from here", "kernels", "instructions", "verdict")
    lines = [format_facts(about, width + 1)]
    if any(each["emulated"] for each in values):
        lines.append("Emulated: how it computes and how many instructions, never how long. Latency is not reported.")
    return "\n".join((*lines, "", format_table(header, rows)))


def agreement_cells(figures: dict[str, float | None]) -> tuple[str, str, str]:
    """(SNR, largest error, top-1)."""
    top1 = figures["top1"]
    return f"{figures['snr_db']:.1f}", f"{figures['max_abs']:.3g}", "-" if top1 is None else f"{top1:.1%}"


def difference_cells(value: dict[str, Any]) -> tuple[str, str, str]:
    """(how far from what this machine gives, the kernels, instructions per inference)."""
    apart, counted = value["against_here"], value["instructions"]
    if apart["bit_exact"]:
        far = "same bits"
    elif apart["max_steps"] is not None:
        far = f"{apart['max_steps']} steps, {apart['snr_db']:.1f} dB"
    else:
        far = f"{apart['max_abs']:.2g}, {apart['snr_db']:.1f} dB"
    return far, value["kernels"] or "-", f"{counted['per_inference']:,}" if counted else "-"
