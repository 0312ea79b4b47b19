"""Makes the jobs of a sweep from what the caller and a YAML file say."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...artifacts.errors import UsageError
from ...artifacts.files import read_regular
from ...artifacts.json_reader import check_bounds
from ...targets.registry import get_target, targets
from ..device_runs import check_device
from ..export import check_job, make_job
from ..options import BUDGETS, PRECISIONS, STATIC
from .jobs import Job
from .options import (
    BENCHMARK,
    EXPORT,
    SWEEP,
    VALIDATE,
    access_arguments,
    benchmark_arguments,
    export_arguments,
    read_options,
    sweep_options,
    validate_arguments,
)

LOCAL = "local"
LARGEST_FILE, MOST_VALUES = 1 << 20, 100_000  # bytes of a YAML file, and values in it
INT8_ALONE = ("profile", "keep_float", "keep_int16", *BUDGETS)  # a sweep's float exports go without

Options = Mapping[str, Any]  # {name of an option: its value}


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What was asked for.

    Attributes:
        models: {model: the options of its own}.
        options: of all jobs.
    """

    models: Mapping[str, Options]
    targets: Sequence[str]
    precisions: Sequence[str] = ("fp32", "int8")
    devices: Sequence[str] = (LOCAL,)
    options: Options

    @property
    def threads(self) -> int:
        """Of the benchmarks."""
        return int(self.options.get("threads", 1))


def read_file(path: Path) -> dict[str, Any]:
    """What a YAML file says. Raises UsageError."""
    import yaml

    try:
        content = yaml.safe_load(read_regular(path, LARGEST_FILE).decode("utf-8"))
        check_bounds(content, MOST_VALUES)
    except (yaml.YAMLError, ValueError) as e:  # ValueError: of the characters, of a date that there is not, of bounds
        raise UsageError(f"{path}: is not YAML ({' '.join(str(e).split())})") from e
    except RecursionError as e:
        raise UsageError(f"{path}: is nested too deeply") from e
    except OSError as e:
        raise UsageError(f"{path}: cannot be read ({e.strerror})") from e
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise UsageError(f"{path}: must hold names with values, such as models: [mobilevit_s]")
    return {key.replace("-", "_"): value for key, value in content.items()}


def make_sweep(given: Mapping[str, Any]) -> Sweep:
    """The sweep that a file and the caller describe together. Raises UsageError."""
    options = {name: value for name, value in given.items() if name not in SWEEP}
    models: dict[str, Options] = {}
    for entry in _listed(given, "models", dict):
        own = {key.replace("-", "_"): value for key, value in entry.items()} if isinstance(entry, dict) else {}
        name = str(own.pop("model", "")) if isinstance(entry, dict) else str(entry)
        if not name or name in models:
            raise UsageError(f"models: {name!r} is there twice" if name else f"models: {entry} names no model")
        models[name] = read_options(own)
    if not models:
        raise UsageError("there is nothing to sweep over: name models, by --models or in a YAML file")
    lists = {
        name: tuple(map(str, _listed(given, name))) for name in ("targets", "precisions", "devices") if given.get(name)
    }
    for name, known in (("targets", targets()), ("precisions", PRECISIONS)):
        for value in lists.get(name, ()):
            if value not in known:
                raise UsageError(f"{name}: {value!r} is none of {', '.join(known)}")
    for name, values in lists.items():
        lists[name] = tuple(dict.fromkeys(values))
    lists.setdefault("targets", tuple(targets())[:1])
    return Sweep(models=models, options=read_options(options), **lists)


def _listed(given: Mapping[str, Any], name: str, *kinds: type) -> list:
    value = given.get(name) or []
    values = value if isinstance(value, list | tuple) else [value]
    for each in values:
        if not isinstance(each, (str, int, float, *kinds)):
            raise UsageError(f"{name}: {each!r} is no name")
    return list(values)


def absolute_model(model: str) -> tuple[str, str | None]:
    """(the model with its path absolute, the file) of a file of one's own; (the model, None) of a name."""
    path, colon, factory = model.rpartition(":") if not os.path.exists(model) else (model, "", "")
    if path and os.path.isfile(path):
        whole = str(Path(path).absolute())
        return f"{whole}{colon}{factory}", whole
    return model, None


def make_jobs(sweep: Sweep) -> list[Job]:
    """Every job, exports first. Raises UsageError for options that a job does not take."""
    exports: list[Job] = []
    others: list[Job] = []
    known = sweep_options()
    for named, own in sweep.models.items():
        model, file = absolute_model(named)
        options = {**sweep.options, **own}
        paths = sorted(name for name in options if known[name].is_path)
        reads = tuple(options[name] for name in paths if os.path.exists(options[name]))
        reads += (file,) if file else ()
        arguments = export_arguments(options)
        for target in sweep.targets:
            made = []
            for precision in sweep.precisions:
                left_out = () if precision in STATIC else _left_out(arguments.get("profile"), target, precision)
                own = {name: value for name, value in arguments.items() if name not in left_out}
                check_job(make_job((target,), {**own, "precision": precision, "benchmark": False}))
                made.append(Job(EXPORT, model, target, precision, "", own, {}, reads=reads))
            exports += made
            for device in sweep.devices:
                others += _on_device(made, device, options, reads, own_code=bool(file))
    return exports + others


def _left_out(profile: Any, target: str, precision: str) -> tuple[str, ...]:
    """The options that a float export of a sweep goes without; a profile that has the precision is not one of them."""
    kept = profile and precision in get_target(target).profile(profile).precisions
    return tuple(name for name in INT8_ALONE if not (kept and name == "profile"))


def _on_device(
    made: Sequence[Job], device: str, options: Options, reads: tuple[str, ...], *, own_code: bool
) -> Iterator[Job]:
    """What runs on a device: on this machine the exports have validated already; some targets run on no other."""
    model, target = made[0].model, made[0].target
    check_device(device)
    if device != LOCAL and get_target(target).device_runtime is None:
        return
    access = access_arguments(options)
    if device != LOCAL:
        reference = {"reference": model} if own_code and ":" in model else {}
        for job in made:
            arguments = {**validate_arguments(options), **reference}
            yield Job(VALIDATE, model, target, job.precision, device, arguments, access, reads, (job,))
    tool = {"benchmark_model": options["benchmark_model"]} if "benchmark_model" in options and device != LOCAL else {}
    arguments = {**benchmark_arguments(options), **tool}
    yield Job(BENCHMARK, model, target, "", device, arguments, access, (), tuple(made))
