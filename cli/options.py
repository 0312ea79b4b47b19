"""This file holds the options and values that more than one verb understands."""

import argparse
import math


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def seed(text: str) -> int:
    """A whole number that PyTorch takes as a seed."""
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, not {text!r}")
    return int(text)


def shape(text: str) -> tuple[str, tuple[int, ...]]:
    """[NAME=]sizes, parted by "x" or ",": (the input's name or "", the sizes)."""
    name, equals, sizes = text.rpartition("=")
    parts = sizes.replace("x", ",").split(",")
    if (equals and not name) or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"must be C,H,W (such as 3,224,224) or NAME=1xCxHxW, not {text!r}")
    return name, tuple(map(int, parts))


MODEL = (
    "a name from `edgeport list`, code of your own (path/to/file.py:factory or package.module:factory), timm:NAME, "
    "a torch.export program (.pt2), or an ONNX file"
)


def add_model(parser: argparse.ArgumentParser) -> None:
    """How the model itself is made."""
    parser.add_argument(
        "--weights",
        default="auto",
        metavar="auto|pretrained|random|FILE",
        help="a file, public weights (also by a name from `edgeport weights list`), random ones; "
        "auto: public ones if there are any and they are cached or reachable, else random",
    )
    parser.add_argument("--seed", type=seed, default=0, help="of random weights and generated inputs")
    parser.add_argument(
        "--num-classes", type=int, metavar="N", help="classes of a zoo model; a new head if the weights have others"
    )
    parser.add_argument(
        "--input-shape",
        type=shape,
        action="append",
        default=[],
        metavar="C,H,W|NAME=1xCxHxW",
        help="instead of the model's own; of several inputs, once for each",
    )


def at_least(text: str) -> float:
    """A number of at least 0."""
    return _number(text, 0, math.inf)


def share(text: str) -> float:
    """A number from 0 to 1."""
    return _number(text, 0, 1)


def _number(text: str, low: float, high: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not low <= number <= high or math.isinf(number):
        limits = f"of at least {low}" if math.isinf(high) else f"from {low} to {high}"
        raise argparse.ArgumentTypeError(f"must be a number {limits}, not {text!r}")
    return number


def add_budget(parser: argparse.ArgumentParser) -> None:
    """What int8 may cost in accuracy."""
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument(
        "--max-drop",
        type=share,
        metavar="SHARE",
        help="int8: return units to float until top-1 falls by at most so much (0.01: one point) against the float "
        "model, on --validation-data with a folder for each class",
    )
    budget.add_argument(
        "--min-agreement",
        type=share,
        metavar="SHARE",
        help="the same, until top-1 is the float model's on so many of the validation inputs (0.99)",
    )
    budget.add_argument(
        "--min-snr", type=at_least, metavar="DB", help="the same, until the outputs' SNR is so many decibels"
    )
    parser.add_argument(
        "--budget-steps", type=positive, default=16, metavar="N", help="steps that the search may take to get there"
    )
    parser.add_argument(
        "--keep-float",
        action="append",
        default=[],
        metavar="PATTERN",
        help="int8: keep modules or values of this name in float (* and ? as in file names; may be repeated)",
    )


def add_validation(parser: argparse.ArgumentParser, count: int | None = 50, most: str = "at most so many") -> None:
    """What the reference and the artifact are compared on: at most `count` inputs."""
    parser.add_argument("--validation-data", metavar="DIR|NPZ", help="images, or preprocessed inputs, to compare on")
    parser.add_argument(
        "--num-validation-samples",
        type=positive,
        default=count,
        metavar="N",
        help=most,
    )
    parser.add_argument(
        "--feeds",
        metavar="NPZ",
        help="inputs by name, an array for each: for calibration and validation of models that take no image",
    )


def device(text: str) -> str:
    """What --device names."""
    from ..devices.address import check

    try:
        return check(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"{e}, not {text!r}") from e


def add_device(parser: argparse.ArgumentParser) -> None:
    """Where the artifact runs, if not in this process."""
    parser.add_argument(
        "--device",
        type=device,
        metavar="local|ssh:[USER@]HOST[:PORT]|adb[:SERIAL]|qemu:CPU[,CPU...]",
        help="where the artifact runs, as a job of its own (default: in this process)",
    )
    add_access(parser)


def add_access(parser: argparse.ArgumentParser) -> None:
    """How a device is used."""
    parser.add_argument("--device-python", metavar="PATH", help="its Python (default: python3)")
    parser.add_argument("--device-dir", metavar="DIR", help="where edgeport keeps its files there")
    parser.add_argument(
        "--device-timeout", type=positive, metavar="SECONDS", help="for the whole job, and for each file on its way"
    )
    parser.add_argument("--ssh-config", metavar="FILE", help="for ssh, instead of your own ~/.ssh/config")


def add_timing(parser: argparse.ArgumentParser) -> None:
    """How latency is measured."""
    parser.add_argument("--num-runs", type=positive, default=50, metavar="N", help="timed runs")
    parser.add_argument("--warmup-runs", type=positive, default=5, metavar="N", help="runs before them")
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="CPU threads of the artifact")
