"""This file is the verb `export`: a model becomes artifacts that are checked, timed and described."""

import argparse
import dataclasses

from . import options
from .console import Console, table
from .exit_codes import DISAGREES, DONE

NAME, HELP = "export", "make an artifact of a model, check it against PyTorch, time it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a name from `edgeport list`, or path/to/file.py:factory")
    parser.add_argument("--target", choices=["tflite"], default="tflite", help="the format to write")
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument("--precision", choices=["fp32", "int8"], default="fp32", help="int8 is static, W8A8")
    precision.add_argument(
        "--int8",
        dest="precision",
        action="store_const",
        const="int8",
        default=argparse.SUPPRESS,
        help="--precision int8",
    )
    options.add_model(parser)
    parser.add_argument(
        "--input-layout",
        choices=["nhwc", "nchw"],
        default="nhwc",
        help="of the artifact's image input",
    )
    parser.add_argument("--calibration-data", metavar="DIR|NPZ", help="images, or preprocessed inputs, for int8")
    parser.add_argument(
        "--num-calibration-samples",
        type=options.positive,
        metavar="N",
        help="at most so many (default: 300 images, 32 if generated)",
    )
    options.add_validation(parser)
    parser.add_argument("--output-dir", default="artifacts", metavar="DIR", help="artifacts go to DIR/MODEL/")
    options.add_timing(parser)
    parser.add_argument("--no-validate", dest="validate", action="store_false", help="do not compare with PyTorch")
    parser.add_argument("--no-benchmark", dest="benchmark", action="store_false", help="do not time it")


def run(args: argparse.Namespace, console: Console) -> int:
    from . import pipeline
    from .job import Job

    fields = (field.name for field in dataclasses.fields(Job))
    results = pipeline.run(Job(**{name: getattr(args, name) for name in fields}), console)
    asked = results[-1]
    if asked.precision == "int8" and asked.ratio is not None and asked.ratio > 1:
        console.warn(f"int8 is SLOWER than fp32 on this machine: {asked.ratio:.2f} of its time")
    value = dataclasses.asdict(asked) | {"warnings": console.warnings}
    if len(results) > 1:
        value["fp32"] = dataclasses.asdict(results[0])
    console.result(value, summary(results))
    return DISAGREES if any(result.verdict.startswith("fail") for result in results) else DONE


def summary(results: list) -> str:
    """The table at the end."""
    header = ("file", "size", "precision", "median ms", "ratio", "SNR dB", "top-1", "verdict")
    rows = []
    for result in results:
        agreement, latency = result.agreement or {}, result.latency or {}
        rows.append(
            (
                result.artifact,
                f"{result.size_bytes / 1e6:.2f} MB",
                result.precision,
                number(latency.get("median_ms"), ".2f"),
                number(result.ratio, ".2f"),
                number(agreement.get("snr_db"), ".1f"),
                number(agreement.get("top1"), ".1%"),
                result.verdict,
            )
        )
    return table(header, rows)


def number(value: float | None, form: str) -> str:
    return "-" if value is None or value != value else format(value, form)
