"""This file makes the jobs of a sweep from what the command line and a YAML file say."""

import argparse
import contextlib
import difflib
import functools
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...artifacts.errors import UsageError
from ...cli import benchmark, export, validate
from ..options import PRECISIONS, TARGETS
from .jobs import BENCHMARK, EXPORT, VALIDATE, Job

LOCAL = "local"
VERBS = {EXPORT: export, VALIDATE: validate, BENCHMARK: benchmark}
SWEEP = ("models", "targets", "precisions", "devices", "output", "jobs", "executor", "timeout")
# options that the sweep sets itself, or that an artifact's manifest answers
OWN = {
    EXPORT: {"target", "precision", "output_dir", "validate", "benchmark", "num_runs", "warmup_runs", "threads"},
    VALIDATE: {"reference", "precision", "device", "weights", "seed", "num_classes", "input_shape"},
    BENCHMARK: {"device"},
}
PATHS = {"calibration_data", "validation_data", "feeds", "labels", "weights", "ssh_config", "benchmark_model"}

Options = Mapping[str, Any]  # {name of an option, as argparse stores it: text, list of texts, or True}


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What was asked for.

    Attributes:
        models: {model: the options of its own}.
        options: of all jobs.
    """

    models: Mapping[str, Options]
    targets: Sequence[str] = ("tflite",)
    precisions: Sequence[str] = ("fp32", "int8")
    devices: Sequence[str] = (LOCAL,)
    options: Options

    @property
    def threads(self) -> int:
        """Of the benchmarks."""
        return int(self.options.get("threads", 1))


@functools.cache
def passed_on() -> dict[str, tuple[argparse.Action, tuple[str, ...]]]:
    """{name: (option, the verbs that take it)} of every option that jobs can be given."""
    found: dict[str, tuple[argparse.Action, tuple[str, ...]]] = {}
    for verb, module in VERBS.items():
        parser = argparse.ArgumentParser(add_help=False)
        module.add_arguments(parser)
        for action in parser._actions:
            if action.option_strings and action.dest not in OWN[verb]:
                first, verbs = found.get(action.dest, (action, ()))
                found[action.dest] = first, (*verbs, verb)
    return found


def from_file(path: Path) -> dict[str, Any]:
    """What a YAML file says. Raises UsageError."""
    import yaml

    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise UsageError(f"{path}: is not YAML ({' '.join(str(e).split())})") from e
    except OSError as e:
        raise UsageError(f"{path}: cannot be read ({e.strerror})") from e
    if not isinstance(said, dict) or not all(isinstance(key, str) for key in said):
        raise UsageError(f"{path}: must hold names with values, such as models: [mobilevit_s]")
    return {key.replace("-", "_"): value for key, value in said.items()}


def sweep_of(said: Mapping[str, Any]) -> Sweep:
    """The sweep that a file and the command line describe together. Raises UsageError."""
    options = {name: value for name, value in said.items() if name not in SWEEP}
    models: dict[str, Options] = {}
    for entry in _listed(said, "models", dict):
        own = {key.replace("-", "_"): value for key, value in entry.items()} if isinstance(entry, dict) else {}
        name = str(own.pop("model", "")) if isinstance(entry, dict) else str(entry)
        if not name or name in models:
            raise UsageError(f"models: {name!r} is there twice" if name else f"models: {entry} names no model")
        models[name] = checked(own)
    if not models:
        raise UsageError("there is nothing to sweep over: name models, by --models or in a YAML file")
    lists = {
        name: tuple(map(str, _listed(said, name))) for name in ("targets", "precisions", "devices") if said.get(name)
    }
    for name, known in (("targets", TARGETS), ("precisions", PRECISIONS)):
        for value in lists.get(name, ()):
            if value not in known:
                raise UsageError(f"{name}: {value!r} is none of {', '.join(known)}")
    for name, values in lists.items():
        lists[name] = tuple(dict.fromkeys(values))
    return Sweep(models=models, options=checked(options), **lists)


def _listed(said: Mapping[str, Any], name: str, *kinds: type) -> list:
    value = said.get(name) or []
    values = value if isinstance(value, list | tuple) else [value]
    for each in values:
        if not isinstance(each, (str, int, float, *kinds)):
            raise UsageError(f"{name}: {each!r} is no name")
    return list(values)


def checked(options: Options) -> Options:
    """The options as text, their paths absolute, because jobs run in the folder of the sweep. Raises UsageError."""
    known = passed_on()
    result = {}
    for name, value in options.items():
        if name not in known:
            near = difflib.get_close_matches(name, [*known, *SWEEP], 1)
            raise UsageError(f"{name}: is no option of a sweep{f'; did you mean {near[0]}?' if near else ''}")
        if isinstance(value, bool) != (known[name][0].nargs == 0):
            raise UsageError(f"{name}: takes {'true' if known[name][0].nargs == 0 else 'a value'}, not {value!r}")
        if value is False:
            continue
        texts = (
            [str(each) for each in value] if isinstance(value, list | tuple) else value if value is True else str(value)
        )
        result[name] = absolute(name, texts) if isinstance(texts, str) else texts
    return result


def absolute(name: str, text: str) -> str:
    """A path as it is from anywhere; --weights may also be no path."""
    return str(Path(text).absolute()) if name in PATHS and (name != "weights" or Path(text).exists()) else text


def model_path(model: str) -> tuple[str, str | None]:
    """(the model with its path absolute, the file) of a file of one's own; (the model, None) of a name."""
    path, colon, factory = model.rpartition(":") if not Path(model).exists() else (model, "", "")
    if path and Path(path).is_file():
        whole = str(Path(path).absolute())
        return f"{whole}{colon}{factory}", whole
    return model, None


def jobs(sweep: Sweep) -> list[Job]:
    """Every job, exports first. Raises UsageError for options that a job's own command line does not take."""
    exports: list[Job] = []
    others: list[Job] = []
    for named, own in sweep.models.items():
        model, file = model_path(named)
        options = {**sweep.options, **own}
        reads = tuple(options[name] for name in sorted(PATHS & options.keys()) if Path(options[name]).exists())
        reads += (file,) if file else ()
        for target in sweep.targets:
            made = [
                Job(EXPORT, model, target, precision, options=for_verb(EXPORT, options), reads=reads)
                for precision in sweep.precisions
            ]
            exports += made
            for device in sweep.devices:
                others += _on_device(made, device, options, reads, own_code=bool(file))
    for job in (*exports, *others):
        dry_run(job)
    return exports + others


def _on_device(
    made: Sequence[Job], device: str, options: Options, reads: tuple[str, ...], *, own_code: bool
) -> Iterator[Job]:
    """What runs on a device: on this machine the exports have validated already; Core ML runs on no other."""
    model, target = made[0].model, made[0].target
    on = () if device == LOCAL else ("--device", device)
    if device != LOCAL and target == "coreml":
        return
    if device != LOCAL:
        reference = ("--reference", model) if own_code and ":" in model else ()
        for job in made:
            chosen = (*on, *reference, *for_verb(VALIDATE, options))
            yield Job(VALIDATE, model, target, job.precision, device, chosen, reads, (job,))
    yield Job(BENCHMARK, model, target, "", device, (*on, *for_verb(BENCHMARK, options)), (), tuple(made))


def for_verb(verb: str, options: Options) -> tuple[str, ...]:
    """Those of the options that a verb takes, as on its command line."""
    arguments: list[str] = []
    for name, (action, verbs) in passed_on().items():
        if verb in verbs and name in options:
            value, flag = options[name], action.option_strings[-1]
            for text in value if isinstance(value, list) else [value]:
                arguments += [flag] if text is True else [f"{flag}={text}"]
    return tuple(arguments)


def dry_run(job: Job) -> None:
    """Raises UsageError where the job's own command line is wrong, before anything is done."""
    from ...cli.main import parser

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parser().parse_args(job.arguments(["x.tflite"]))
    except SystemExit:
        raise UsageError((said.getvalue().strip().splitlines() or ["error"])[-1].partition("error: ")[2]) from None
