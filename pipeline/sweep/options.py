"""The options that a sweep passes on to its jobs, as a file or a command line gives them."""

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from ...artifacts.errors import UsageError
from ...models.stated_preprocess import FIELDS as PREPROCESS
from ...models.stated_preprocess import Preprocess
from ...targets.registry import target_options
from ..options import BUDGETS

EXPORT, VALIDATE, BENCHMARK = "export", "validate", "benchmark"
# what describes the sweep itself
SWEEP = ("models", "targets", "precisions", "devices", "output", "jobs", "executor", "timeout")


def _text(value: Any) -> str:
    return str(value)


def _count(value: Any) -> int:
    text = str(value)
    if not text.isdecimal():
        raise ValueError(f"must be a whole number of at least 0, not {text!r}")
    return int(text)


def _positive(value: Any) -> int:
    text = str(value)
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"must be a number, not {str(value)!r}") from None


def parse_shape(value: Any) -> tuple[str, tuple[int, ...]]:
    """[NAME=]sizes, parted by "x" or ",": (the input's name or "", the sizes). Raises ValueError."""
    text = str(value)
    name, equals, sizes = text.rpartition("=")
    parts = sizes.replace("x", ",").split(",")
    if (equals and not name) or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(f"must be C,H,W (such as 3,224,224) or NAME=1xCxHxW, not {text!r}")
    return name, tuple(map(int, parts))


def _preprocessing(name: str, value: Any) -> Any:
    """The value, which says something of how an image becomes the input; jobs are given it as it is."""
    Preprocess(**{name: value})
    return value


@dataclass(frozen=True)
class SweepOption:
    """An option that jobs are given.

    Attributes:
        name: in a file and, with dashes, on the command line.
        kinds: of the jobs that take it.
        parse: text -> the value.
        argument: of the library's functions; "" where it is `name`.
        kind: "value", "switch" or "list".
        is_path: of a file or folder, which jobs are given as it is from anywhere: they run in the folder of the sweep;
            weights may also be no path.
    """

    name: str
    kinds: tuple[str, ...]
    parse: Callable[[Any], Any] = _text
    argument: str = ""
    kind: str = "value"
    is_path: bool = False

    def read(self, value: Any) -> Any:
        """The value for a job: of text, or as a file has it. Raises UsageError."""
        if (self.kind == "switch") != isinstance(value, bool):
            raise UsageError(f"{self.name}: takes {'true' if self.kind == 'switch' else 'a value'}, not {value!r}")
        if self.kind == "switch":
            return value
        try:
            if self.kind == "list":
                return [self.parse(each) for each in (value if isinstance(value, list | tuple) else [value])]
            read = self.parse(value)
            is_path = self.is_path and (self.name != "weights" or os.path.exists(read))
            return str(Path(read).absolute()) if is_path else read
        except ValueError as e:
            raise UsageError(f"{self.name}: {e}") from e


_DEVICE = (VALIDATE, BENCHMARK)
_OPTIONS = (
    SweepOption("profile", (EXPORT,)),
    SweepOption("weights", (EXPORT,), is_path=True),
    SweepOption("weights_key", (EXPORT,)),
    SweepOption("seed", (EXPORT, BENCHMARK), _count),
    SweepOption("num_classes", (EXPORT,), _count),
    SweepOption("input_shape", (EXPORT,), parse_shape, kind="list"),
    *(SweepOption(name, (EXPORT,), partial(_preprocessing, name)) for name in PREPROCESS),
    SweepOption("task", (EXPORT,)),
    SweepOption("labels", (EXPORT,), is_path=True),
    SweepOption("input", (EXPORT,)),
    SweepOption("softmax", (EXPORT,), kind="switch"),
    SweepOption("top_k", (EXPORT,), _positive),
    SweepOption("nms", (EXPORT,), _positive),
    SweepOption("dynamic", (EXPORT,)),
    SweepOption("calibration_data", (EXPORT,), argument="calibration", is_path=True),
    SweepOption("num_calibration_samples", (EXPORT,), _positive),
    SweepOption("effort", (EXPORT,)),
    SweepOption("ranges", (EXPORT,)),
    *(SweepOption(name, (EXPORT,), _number) for name in BUDGETS),
    SweepOption("budget_steps", (EXPORT,), _positive),
    SweepOption("calibration_halves", (EXPORT,), _count),
    SweepOption("keep_float", (EXPORT,), kind="list"),
    SweepOption("keep_int16", (EXPORT,), kind="list"),
    SweepOption("validation_data", (EXPORT, VALIDATE), is_path=True),
    SweepOption("num_validation_samples", (EXPORT, VALIDATE), _positive),
    SweepOption("feeds", (EXPORT, VALIDATE), is_path=True),
    SweepOption("threads", _DEVICE, _positive),
    SweepOption("num_runs", (BENCHMARK,), _positive),
    SweepOption("warmup_runs", (BENCHMARK,), _positive),
    SweepOption("device_python", _DEVICE),
    SweepOption("device_dir", _DEVICE),
    SweepOption("device_timeout", _DEVICE, _positive),
    SweepOption("ssh_config", _DEVICE, is_path=True),
    SweepOption("benchmark_model", (BENCHMARK,), is_path=True),
)


@cache
def sweep_options() -> Mapping[str, SweepOption]:
    """{name: option} of all that a sweep passes on, the targets' own among them."""
    own = (option for option, _ in target_options().values())
    theirs = (SweepOption(each.name, (EXPORT,), kind="value" if each.choices else "switch") for each in own)
    return {option.name: option for option in (*_OPTIONS, *theirs)}


def read_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options with their values. Raises UsageError for a name that none has, naming the nearest."""
    known = sweep_options()
    values = {}
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, [*known, *SWEEP], 1)
            raise UsageError(f"{name}: is no option of a sweep{f'; did you mean {near[0]}?' if near else ''}")
        read = known[name].read(value)
        if read is not False:
            values[name] = read
    return values


def export_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `edgeport.export`."""
    from ..input_spec import read_shapes  # imports NumPy, which the command line's help does without

    data = {name: options[name] for name in ("calibration_data", "validation_data", "feeds") if name in options}
    known = sweep_options()
    arguments = {
        known[name].argument or name: value
        for name, value in options.items()
        if EXPORT in known[name].kinds and name not in data and name not in PREPROCESS
    }
    if said := {name: options[name] for name in PREPROCESS if name in options}:
        arguments["preprocess"] = said
    if "feeds" in data:
        if len(data) > 1:
            raise UsageError("--feeds stands for --calibration-data and --validation-data; give one or the other")
        data = {"calibration_data": data["feeds"], "validation_data": data["feeds"]}
    if "input_shape" in arguments:
        arguments["input_shape"] = read_shapes(arguments["input_shape"])
    return arguments | {name.removesuffix("_data"): value for name, value in data.items()}


def validate_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `edgeport.validate_on_device`, but for the device."""
    data = options.get("feeds") or options.get("validation_data")
    named = {name: options[name] for name in ("num_validation_samples", "threads") if name in options}
    return named | ({"data": data} if data else {})


def benchmark_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `edgeport.benchmark`."""
    return {name: options[name] for name in ("num_runs", "warmup_runs", "threads", "seed") if name in options}


def access_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of DeviceAccess."""
    names = {
        "device_python": "python",
        "device_dir": "folder",
        "device_timeout": "timeout_s",
        "ssh_config": "ssh_config",
    }
    return {field: options[name] for name, field in names.items() if name in options}
