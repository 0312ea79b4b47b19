"""This file is the verb `export`: a model becomes artifacts that are checked, timed and described."""

import argparse
import dataclasses
from typing import TYPE_CHECKING

from ..artifacts.exit_codes import BUG
from ..pipeline.options import (
    ALL,
    COREML_TARGETS,
    INPUTS,
    NUM_JUDGING,
    NUM_VALIDATION,
    PRECISIONS,
    PROFILES,
    RANGE,
    RANGES,
    TARGETS,
    Job,
)
from . import options
from .console import Console, table

if TYPE_CHECKING:
    from ..pipeline.options import Outcome, Result

NAME, HELP = "export", "make artifacts of a model, check them against PyTorch, time them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=options.MODEL)
    parser.add_argument("--target", choices=[*TARGETS, ALL], default="tflite", help="the format to write")
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="fp32",
        help="fp16: weights in half precision (for coreml also what is computed in); int8: static, W8A8; w8a32, w8a16: "
        "weights in 8 bits, computed in float (w8a16: in half precision); dynamic: linears also round what they read, "
        "by its range at run time",
    )
    precision.add_argument(
        "--int8",
        dest="precision",
        action="store_const",
        const="int8",
        default=argparse.SUPPRESS,
        help="--precision int8",
    )
    parser.add_argument(
        "--profile",
        choices=[name for profiles in PROFILES.values() for name in profiles],
        help="int8: of the device's kernels (`edgeport list --profiles`; default: the target's first)",
    )
    options.add_model(parser)
    parser.add_argument("--labels", metavar="FILE", help="names of the classes, one a line; go into the artifact")
    parser.add_argument(
        "--input",
        choices=INPUTS,
        default="float32",
        help="uint8: take RGB pixels as a camera gives them (NHWC; coreml: an image), and normalise them inside",
    )
    parser.add_argument("--softmax", action="store_true", help="classifiers: give probabilities instead of logits")
    parser.add_argument(
        "--top-k",
        type=options.positive,
        default=0,
        metavar="N",
        help="classifiers: also give the N highest scores and their classes",
    )
    parser.add_argument(
        "--input-layout",
        choices=["nhwc", "nchw"],
        default="nhwc",
        help="of a .tflite's image input; the other formats take nchw",
    )
    parser.add_argument(
        "--plain-operators",
        action="store_true",
        help="tflite: one operator for each convolution and mean, for a GPU's delegate or another; by default some are "
        "several, which the CPU's delegate computes faster or more exactly",
    )
    parser.add_argument(
        "--image-input",
        action="store_true",
        help="coreml alone: what --input uint8 is for every target",
    )
    parser.add_argument(
        "--coreml-target",
        choices=COREML_TARGETS,
        help="coreml: the oldest system that it runs on (default: iOS17, the first with int8)",
    )
    parser.add_argument("--calibration-data", metavar="DIR|NPZ", help="images, or preprocessed inputs, for int8")
    parser.add_argument(
        "--num-calibration-samples",
        type=options.positive,
        metavar="N",
        help="at most so many (default: 300 images, 32 if generated)",
    )
    parser.add_argument(
        "--effort",
        choices=["fast", "default", "high"],
        default="default",
        help="of int8: ranges only; biases corrected too; weights rounded layer by layer too (a minute or more)",
    )
    parser.add_argument(
        "--ranges",
        choices=RANGES,
        default=RANGE,
        help=f"of int8: how a value's range comes from what calibration saw of it (default: {RANGE})",
    )
    options.add_budget(parser)
    most = f"at most so many (default: {NUM_VALIDATION}; {NUM_JUDGING} where there is a budget)"
    options.add_validation(parser, None, most)
    parser.add_argument("--output-dir", default="artifacts", metavar="DIR", help="artifacts go to DIR/MODEL/")
    options.add_timing(parser)
    parser.add_argument("--no-validate", dest="validate", action="store_false", help="do not compare with PyTorch")
    parser.add_argument("--no-benchmark", dest="benchmark", action="store_false", help="do not time it")


def run(args: argparse.Namespace, console: Console) -> int:
    from ..pipeline import export

    job = Job(**{field.name: getattr(args, field.name) for field in dataclasses.fields(Job) if field.name in args})
    outcomes = export.run(job, console)
    shared = list(console.warnings)
    values = [told(outcome, shared, console) for outcome in outcomes]
    rows = [row for outcome in outcomes for row in map(cells, outcome.results)]
    tables = [table(HEADER, rows), *(outcome.spent.table for outcome in outcomes if outcome.spent)]
    console.result(values if job.target == ALL else values[0], "\n\n".join(tables))
    codes = {outcome.code for outcome in outcomes}
    return BUG if BUG in codes else max(codes)


def told(outcome: "Outcome", warnings: list[str], console: Console) -> dict:
    """A target's JSON object: the artifact that was asked for, and its float twin within."""
    asked = outcome.asked
    value = dataclasses.asdict(asked) | {"warnings": warnings}
    if asked.precision == "int8" and asked.ratio is not None and asked.ratio > 1:
        slow = f"{asked.target}: int8 is SLOWER than fp32 on this machine: {asked.ratio:.2f} of its time"
        console.warn(slow)
        value["warnings"] = [*warnings, slow]
    if outcome.spent:
        value |= {name: getattr(outcome.spent, name) for name in ("budget", "kept_float", "frontier")}
    if len(outcome.results) > 1:
        value["fp32"] = dataclasses.asdict(outcome.results[0])
    return value


HEADER = ("file", "size", "precision", "median ms", "ratio", "SNR dB", "top-1", "verdict")


def cells(result: "Result") -> tuple[str, ...]:
    """A row of the table at the end."""
    agreement, latency = result.agreement or {}, result.latency or {}
    return (
        result.artifact or result.target,
        "-" if result.size_bytes is None else f"{result.size_bytes / 1e6:.2f} MB",
        result.precision,
        "emulated" if result.emulated else number(latency.get("median_ms"), ".2f"),
        number(result.ratio, ".2f"),
        number(agreement.get("snr_db"), ".1f"),
        number(agreement.get("top1"), ".1%"),
        result.verdict,
    )


def number(value: float | None, form: str) -> str:
    return "-" if value is None or value != value else format(value, form)
