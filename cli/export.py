"""The command `export`: a model becomes artifacts that are checked, timed and described."""

import argparse
from typing import TYPE_CHECKING, Any

from ..pipeline.catalog import default_precisions, profile_names, target_names, target_options
from ..pipeline.options import (
    BUDGETS,
    EFFORTS,
    HALVES,
    INPUTS,
    MAX_DETECTIONS,
    NUM_JUDGING,
    NUM_VALIDATION,
    PRECISIONS,
    RANGE,
    RANGES,
)
from . import options
from .console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..pipeline.results import ExportFailure, ExportResult

NAME, HELP = "export", "make artifacts of a model, check them against PyTorch, time them"
ALL = "all"
# arguments of edgeport.export with the same names on the command line
SAME = (
    *(
        "precision",
        "profile",
        "task",
        "labels",
        "input",
        "softmax",
        "top_k",
        "nms",
        "dynamic",
        "num_calibration_samples",
        "effort",
        "ranges",
    ),
    *(
        *BUDGETS,
        "budget_steps",
        "calibration_halves",
        "keep_float",
        "keep_int16",
        "num_validation_samples",
        "output_dir",
        "annotations",
    ),
    *("validate", "benchmark", *options.MODEL_OPTIONS, *options.TIMING_OPTIONS),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    known = target_names()
    parser.add_argument("model", metavar="MODEL", help=options.MODEL)
    parser.add_argument(
        "--target", choices=[*known, ALL], default=known[0], help="the format to write (default: %(default)s)"
    )
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="fp16: weights in half precision (for Apple's formats also what is computed in); int8: static, W8A8; "
        "int16x8: static, int16 activations and int8 weights (tflite); w8a32, w8a16: weights in 8 bits, computed in "
        "float (w8a16: in half precision); dynamic: linears also round "
        f"what they read, by its range at run time (default: {default_precisions()})",
    )
    precision.add_argument(
        "--int8",
        dest="precision",
        action="store_const",
        const="int8",
        default=argparse.SUPPRESS,
        help="--precision int8",
    )
    precision.add_argument(
        "--int16x8",
        dest="precision",
        action="store_const",
        const="int16x8",
        default=argparse.SUPPRESS,
        help="--precision int16x8",
    )
    parser.add_argument(
        "--profile",
        choices=profile_names(),
        help="the kind of device (`edgeport list --profiles`; default: the target's first)",
    )
    options.add(parser, options.MODEL_OPTIONS)
    options.add(parser, options.PREPROCESS_OPTIONS)
    options.add(parser, ("task",))
    parser.add_argument("--labels", metavar="FILE", help="names of the classes, one a line; go into the artifact")
    parser.add_argument(
        "--input",
        choices=INPUTS,
        default="float32",
        help="uint8: take RGB pixels as a camera gives them (NHWC; coreml: an image), and normalise them inside"
        f"{options.DEFAULT}",
    )
    parser.add_argument("--softmax", action="store_true", help="classifiers: give probabilities instead of logits")
    parser.add_argument(
        "--top-k",
        type=options.positive,
        default=0,
        metavar="N",
        help=f"classifiers: also give the N highest scores and their classes{options.DEFAULT}",
    )
    parser.add_argument(
        "--nms",
        type=options.positive,
        nargs="?",
        const=MAX_DETECTIONS,
        default=0,
        metavar="N",
        help="detectors: non-maximum suppression in the artifact, which then gives the N boxes of the highest scores, "
        f"their scores and classes, and how many they are (without N: {MAX_DETECTIONS})",
    )
    parser.add_argument(
        "--dynamic",
        action="append",
        metavar="WHAT",
        help="batch: take any number of images at once (onnx, openvino); size=256:640:32: images whose height and "
        "width are each from 256 to 640 in steps of 32, size=256,320,640: each one of these, size=48x160:640:32: a "
        "height of 48 and such widths (all targets but coreai); both may be given; proven by running the artifact with "
        "several",
    )
    for option in target_options():
        kind: dict[str, Any] = {"choices": option.choices} if option.choices else {"action": "store_true"}
        parser.add_argument(option.flag, default=argparse.SUPPRESS, help=option.help, **kind)
    parser.add_argument("--calibration-data", metavar="DIR|NPZ", help="images, or preprocessed inputs, for int8")
    parser.add_argument(
        "--num-calibration-samples",
        type=options.positive,
        metavar="N",
        help="at most so many (default: 300 images, 32 if generated)",
    )
    parser.add_argument(
        "--effort",
        choices=EFFORTS,
        default="default",
        help="of int8: ranges only; biases corrected too; weights rounded layer by layer too (a minute or more)"
        f"{options.DEFAULT}",
    )
    parser.add_argument(
        "--ranges",
        choices=RANGES,
        default=RANGE,
        help=f"of int8: how a value's range comes from what calibration saw of it (default: {RANGE})",
    )
    parser.add_argument(
        "--calibration-halves",
        type=int,
        choices=HALVES,
        default=0,
        help="of int8: also quantise from so many halves of the calibration inputs, and tell how far the result "
        f"depends on which of them calibrate{options.DEFAULT}",
    )
    options.add_budget(parser)
    most = f"at most so many (default: {NUM_VALIDATION}; {NUM_JUDGING} where there is a budget)"
    options.add(parser, ("validation_data", "annotations"))
    options.add(parser, ("num_validation_samples",), default=None, help=most)
    options.add(parser, ("feeds",))
    words = "artifacts go to DIR/MODEL/ (default: %(default)s)"
    options.add_output(parser, "output_dir", default="artifacts", metavar="DIR", help=words)
    options.add(parser, options.TIMING_OPTIONS)
    parser.add_argument("--no-validate", dest="validate", action="store_false", help="do not compare with PyTorch")
    parser.add_argument("--no-benchmark", dest="benchmark", action="store_false", help="do not time it")


def run(args: argparse.Namespace, console: Console) -> int:
    from ..pipeline.export import export, export_all
    from ..pipeline.results import ExportFailure, ExportResult, total_exit_code
    from ..pipeline.text_table import format_table

    both = options.one_of(args, "calibration_data", "validation_data")
    arguments = options.pick(args, SAME)
    arguments["preprocess"] = options.preprocess(args)
    arguments["calibration"] = args.calibration_data if args.feeds is None else both
    arguments["validation"] = args.validation_data if args.feeds is None else both
    own = [option.name for option in target_options() if option.name in args]
    arguments |= options.pick(args, own)
    if args.target == ALL:
        results = export_all(args.model, progress=console.progress, **arguments)
        for result in results:
            if isinstance(result, ExportFailure):
                console.error(result.error)
    else:
        results = [export(args.model, args.target, progress=console.progress, **arguments)]
    rows, searches = [], []
    for result in results:
        if isinstance(result, ExportResult):
            rows += [row for each in (result.float_twin, result) if each for row in (cells(each), *output_cells(each))]
            searches += [result.search.table] if result.search else []
        else:
            rows.append((result.target, "-", result.precision, *["-"] * 6, result.verdict))
    tables = [format_table(*without_empty(HEADER, rows)) + timed_on(results), *searches]
    values = [result.to_json() for result in results]
    console.result(values if args.target == ALL else values[0], "\n\n".join(tables))
    return total_exit_code(results)


HEADER = ("file", "size", "precision", "median ms", "ratio", "SNR dB", "top-1", "task", "equal", "verdict")
SELDOM = ("task", "equal")  # columns that are left out where no row has them


def cells(result: "ExportResult") -> tuple[str, ...]:
    """A row of the table at the end."""
    from ..pipeline.results import format_number

    agreement, latency = result.agreement, result.latency
    return (
        str(result.path),
        f"{result.size_bytes / 1e6:.2f} MB",
        result.precision,
        "emulated" if result.emulated else format_number(latency and latency.median_ms, ".2f"),
        format_number(result.ratio, ".2f"),
        format_number(agreement and agreement.snr_db, ".1f"),
        format_number(agreement and agreement.top1, ".1%"),
        answers(result),
        format_number(agreement and agreement.equal, ".1%"),
        result.verdict,
    )


def answers(result: "ExportResult") -> str:
    """The main figure of the task, where that is not the top-1 agreement."""
    main = result.task.main if result.task else None
    return str(main) if main and main.name != "top1" else "-"


def output_cells(result: "ExportResult") -> list[tuple[str, ...]]:
    """A row for each of several outputs, where they do not agree equally well."""
    from ..pipeline.results import describe_outputs

    described = describe_outputs(result.agreement)
    return [(f"  {name}", *[""] * 4, snr, top1, "", equal, kind) for name, kind, snr, top1, equal in described]


def timed_on(results: "Sequence[ExportResult | ExportFailure]") -> str:
    """On what the latencies were taken, as a line of its own; "" where there are none."""
    latencies = (getattr(result, "latency", None) for result in results)
    told = {f"timed on {each.cpu}, {each.threads} thread(s)" for each in latencies if each}
    return "".join(f"\n{line}" for line in sorted(told))


def without_empty(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> tuple[list[str], list[tuple[str, ...]]]:
    """The table without the columns of SELDOM that say nothing, and without top-1 where a task takes its place."""
    says = {name: any(row[i] not in ("", "-") for row in rows) for i, name in enumerate(header)}
    seldom = (*SELDOM, "top-1") if says["task"] else SELDOM
    kept = [i for i, name in enumerate(header) if name not in seldom or says[name]]
    return [header[i] for i in kept], [tuple(row[i] for i in kept) for row in rows]
