"""The options and values that more than one command understands."""

import argparse
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import edgeport

from ..pipeline.options import ACCELERATORS, BUDGETS, COLORS, INTERPOLATIONS, RESIZES

if TYPE_CHECKING:
    from ..pipeline.device_runs import DeviceAccess


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def seed(text: str) -> int:
    """A whole number that PyTorch takes as a seed."""
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 2^63 - 1, not {text!r}")
    return int(text)


def shape(text: str) -> tuple[str, tuple[int, ...]]:
    """[NAME=]sizes, parted by "x" or ",": (the input's name or "", the sizes)."""
    from ..pipeline.sweep.options import parse_shape

    try:
        return parse_shape(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from e


def at_least(text: str) -> float:
    """A number of at least 0."""
    return _number(text, 0, math.inf)


def above(text: str) -> float:
    """A number above 0."""
    if _number(text, 0, math.inf) == 0:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return float(text)


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


def device(text: str) -> str:
    """What --device names."""
    from ..pipeline.device_runs import check_device

    try:
        return check_device(text)
    except edgeport.UsageError as e:
        raise argparse.ArgumentTypeError(str(e)) from e


MODEL = (
    "a name from `edgeport list`, code of your own (path/to/file.py:factory or package.module:factory), timm:NAME, "
    "torchvision:NAME, transformers:FOLDER, a torch.export program (.pt2), or an ONNX file"
)

# option -> what argparse is told of it; commands add them by name
OPTIONS: dict[str, dict[str, Any]] = {
    "weights": {
        "default": "auto",
        "metavar": "auto|pretrained|random|FILE",
        "help": "a file, public weights (also by a name from `edgeport weights list`), random ones; "
        "auto: public ones if there are any and they are cached or reachable, else random",
    },
    "weights_key": {
        "metavar": "KEY",
        "help": "under which key or prefix of the file they are, with dots (default: where they fit, EMA first)",
    },
    "seed": {"type": seed, "default": 0, "help": "of random weights and generated inputs"},
    "num_classes": {
        "type": int,
        "metavar": "N",
        "help": "classes of a zoo or timm model; a new classifier head if the weights have others; 0: no head, the "
        "output is the embedding",
    },
    "input_shape": {
        "type": shape,
        "action": "append",
        "default": [],
        "metavar": "C,H,W|NAME=1xCxHxW",
        "help": "instead of the model's own; of several inputs, once for each",
    },
    "mean": {
        "metavar": "M|R,G,B",
        "help": "how an image becomes the input, where the model does not say it itself: value = "
        "(pixel * scale - mean) / std, for each channel of the model (default: the model's, or 0)",
    },
    "std": {"metavar": "S|R,G,B", "help": "the same (default: the model's, or 1)"},
    "scale": {
        "metavar": "NUMBER|1/N",
        "help": "what pixels from 0 to 255 are multiplied by first: 1/255, 1, 1/127.5 (default: the model's, or 1/255)",
    },
    "color": {"choices": COLORS, "help": "the order of the model's channels (default: the model's, or rgb)"},
    "resize": {
        "choices": RESIZES,
        "help": "to the input's size; crop keeps the ratio and the centre, letterbox keeps the ratio and pads both "
        "sides (default: the model's, or stretch)",
    },
    "interpolation": {"choices": INTERPOLATIONS, "help": "of resizing (default: the model's, or bilinear)"},
    "crop_pct": {
        "metavar": "SHARE",
        "help": "of the resized image's side that --resize crop keeps (default: the model's, or 1)",
    },
    "pad_value": {"metavar": "PIXEL", "help": "of --resize letterbox, from 0 to 255 (default: 114)"},
    "max_drop": {
        "type": share,
        "metavar": "SHARE",
        "help": "int8: return units to float (profiles npu and micro: raise them to int16) until top-1 falls by at "
        "most so much (0.01: one point) against the float model, on --validation-data with a folder for each class",
    },
    "min_agreement": {
        "type": share,
        "metavar": "SHARE",
        "help": "the same, until top-1 is the float model's on so many of the validation inputs (0.99)",
    },
    "min_snr": {
        "type": at_least,
        "metavar": "DB",
        "help": "the same, until the outputs' SNR is so many decibels",
    },
    "min_ap": {"type": share, "metavar": "AP", "help": "the same, until the boxes' AP with float is so much (0.95)"},
    "min_miou": {"type": share, "metavar": "MIOU", "help": "the same of the mIoU of class maps"},
    "min_pck": {"type": share, "metavar": "SHARE", "help": "the same of the share of right keypoints"},
    "max_abs_rel": {"type": at_least, "metavar": "SHARE", "help": "the same of the mean relative error of depths"},
    "min_cosine": {"type": share, "metavar": "COSINE", "help": "the same of the mean cosine of embeddings"},
    "min_psnr": {"type": at_least, "metavar": "DB", "help": "the same of the PSNR of images"},
    "max_string_errors": {
        "type": share,
        "metavar": "SHARE",
        "help": "the same, until at most so many strings differ from float's (0.05)",
    },
    "budget_steps": {
        "type": positive,
        "default": 16,
        "metavar": "N",
        "help": "steps that the search may take to get there",
    },
    "keep_float": {
        "action": "append",
        "default": [],
        "metavar": "PATTERN",
        "help": "int8: keep modules or values of this name in float (* and ? as in file names; may be repeated)",
    },
    "keep_int16": {
        "action": "append",
        "default": [],
        "metavar": "PATTERN",
        "help": "int8, profiles npu and micro: give modules or values of this name int16 activations",
    },
    "task": {
        "metavar": "TASK[:HEAD][,NAME=VALUE...]",
        "help": "what the outputs mean, by which answers are compared and judged: classify, detect, segment, "
        "keypoints, depth, embed, image, text or generic; docs/guides/tasks.md has their heads and settings (default: "
        "what the model's package says, or plain outputs are)",
    },
    "annotations": {
        "metavar": "FILE|DIR",
        "help": "the true boxes of the validation images, for detectors: a COCO file of instances, or a folder of "
        "YOLO's text files (needs the extra coco)",
    },
    "validation_data": {"metavar": "DIR|NPZ", "help": "images, or preprocessed inputs, to compare on"},
    "num_validation_samples": {"type": positive, "default": 50, "metavar": "N", "help": "at most so many"},
    "feeds": {
        "metavar": "NPZ",
        "help": "inputs by name, an array for each: for calibration and validation of models that take no image",
    },
    "num_runs": {"type": positive, "default": 50, "metavar": "N", "help": "timed runs"},
    "warmup_runs": {"type": positive, "default": 5, "metavar": "N", "help": "runs before them"},
    "threads": {"type": positive, "default": 1, "metavar": "N", "help": "CPU threads of the artifact"},
    "size": {
        "metavar": "HxW",
        "help": "height and width of the images, of an artifact that `export --dynamic size` made "
        "(default: the size that it was calibrated at)",
    },
    "device": {
        "type": device,
        "metavar": "local|ssh:[USER@]HOST[:PORT]|adb[:SERIAL]|qemu:CPU[,CPU...]",
        "help": "where the artifact runs, as a job of its own (default: in this process)",
    },
    "accelerator": {
        "choices": ACCELERATORS,
        "help": "LiteRT runs the .tflite there, and on the CPU what it refuses; a machine without a GPU gets one in "
        "software by `edgeport devices setup gpu` (default: the CPU's interpreter)",
    },
    "device_python": {"metavar": "PATH", "help": "its Python (default: python3)"},
    "device_dir": {"metavar": "DIR", "help": "where edgeport keeps its files there"},
    "device_timeout": {
        "type": positive,
        "metavar": "SECONDS",
        "help": "for the whole job, and for each file on its way",
    },
    "ssh_config": {"metavar": "FILE", "help": "for ssh, instead of your own ~/.ssh/config"},
    "time_limit": {
        "type": above,
        "metavar": "SECONDS",
        "help": "end the command after so long (default: no limit)",
    },
    "memory_limit": {
        "type": above,
        "metavar": "MB",
        "help": "end the command when it has more memory in use than that (default: no limit)",
    },
    "benchmark_model": {
        "metavar": "PATH",
        "help": "the LiteRT project's program of that name, for a device without Python; only .tflite files",
    },
}

DEFAULT = " (default: %(default)s)"  # at the end of a help text

MODEL_OPTIONS = ("weights", "weights_key", "seed", "num_classes", "input_shape")
PREPROCESS_OPTIONS = ("mean", "std", "scale", "color", "resize", "interpolation", "crop_pct", "pad_value")
VALIDATION_OPTIONS = ("validation_data", "num_validation_samples", "feeds")
TIMING_OPTIONS = ("num_runs", "warmup_runs", "threads")
ACCESS_OPTIONS = ("device_python", "device_dir", "device_timeout", "ssh_config")


def add(parser: Any, names: Iterable[str], **changes: Any) -> None:
    """Adds options by their names; `changes` go before what the table says of each."""
    for name in names:
        words = OPTIONS[name] | changes
        if type(words.get("default")) in (int, str) and "(default" not in words["help"]:
            words["help"] += DEFAULT
        parser.add_argument(f"--{name.replace('_', '-')}", **words)


def add_output(parser: argparse.ArgumentParser, dest: str, **words: Any) -> None:
    """Adds where the results go, under the one name that it has everywhere, and the two others that people type."""
    parser.add_argument("-o", "--output", "--output-dir", dest=dest, **words)


def add_budget(parser: argparse.ArgumentParser) -> None:
    """What int8 may cost in accuracy."""
    add(parser.add_mutually_exclusive_group(), BUDGETS)
    add(parser, ("budget_steps", "keep_float", "keep_int16"))


def access(args: argparse.Namespace) -> "DeviceAccess":
    """How a device is used, as the command line says."""
    from ..pipeline.device_runs import DeviceAccess

    return DeviceAccess(
        python=args.device_python,
        folder=args.device_dir,
        timeout_s=args.device_timeout,
        ssh_config=args.ssh_config,
    )


def pick(args: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """{name: value} of some of the arguments."""
    return {name: getattr(args, name) for name in names}


def preprocess(args: argparse.Namespace) -> dict[str, Any] | None:
    """How an image becomes the input, as far as the command line says; None where it does not."""
    said = {name: value for name, value in pick(args, PREPROCESS_OPTIONS).items() if value is not None}
    return said or None


def one_of(args: argparse.Namespace, *names: str) -> str | None:
    """The value of --feeds, or of the option that it stands for. Raises edgeport.UsageError where both are given."""

    if args.feeds is None:
        return getattr(args, names[0])
    if any(getattr(args, name) for name in names):
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in names)
        raise edgeport.UsageError(f"--feeds stands for {flags}; give one or the other")
    if not args.feeds.endswith(".npz"):
        raise edgeport.UsageError(f"{args.feeds}: --feeds takes an .npz with an array for each input")
    return args.feeds
