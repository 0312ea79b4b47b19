"""Reads what edgeport writes as JSON (manifests, results, layers, sweeps) into rows of a report."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ..artifacts.json_reader import NotJson, parse_json
from ..artifacts.manifest import RANDOM
from ..artifacts.printable import printable
from ..tasks.agreement import Figure
from ..tasks.registry import CLASSIFY, GENERIC, tasks
from .variant import describe_variant

LOCAL = "local"
AGREEMENT = ("snr_db", "max_abs", "max_abs_over_std", "cosine", "top1", "top5", "kl", "samples", "equal")
OUTPUT_FIGURES = {"snr_db": "{:.1f} dB", "top1": "top-1 {:.1%}", "equal": "{:.1%} equal"}
LATENCY = ("median_ms", "p90_ms", "mean_ms", "std_ms", "min_ms", "first_ms", "load_ms", "runs", "warmup", "threads")
FLAT = ("model", "target", "precision", "passed", "verdict")  # a line of the export matrix has all of these

# how much a source is believed: of two that state the same, the higher one counts
MANIFEST, EXPORTED, MEASURED = range(3)


class Unreadable(ValueError):
    """A file that is not what its beginning promises. The message is one sentence."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One artifact on one device, or what a single file knows of it; None and empty for what is not known.

    Attributes:
        artifact: its path, as the file that tells of it has it; in a report relative to the folder.
        device: "local", "ssh:user@host" and so on; None for facts that hold on every device.
        agreement: the figures of compare.Agreement, by their names.
        latency: the figures of benchmark.Latency, by their names.
        instructions: of one inference, where an emulator counted them.
        kernels: the class of the kernels that ran there.
        variant: what sets the artifact apart from others of its model, target and precision; "" for nothing.
        weights: where they came from, RANDOM among them.
        validation: on what it was compared.
        outputs: {output: its kind and figures, in words}, where there are several.
        answers: the main figure of its task with its standard error, in words.
        pictures: the name of a file beside it with its answers drawn.
        facts: how the artifact was made, for people.
        device_facts: what is known of the device, for people.
        problems: a sentence for each job that failed.
    """

    model: str | None = None
    target: str | None = None
    precision: str | None = None
    device: str | None = None
    artifact: str | None = None
    size_bytes: int | None = None
    agreement: Mapping[str, float] = field(default_factory=dict)
    latency: Mapping[str, float] = field(default_factory=dict)
    runtime: str | None = None
    emulated: bool | None = None
    instructions: float | None = None
    kernels: str | None = None
    verdict: str | None = None
    variant: str | None = None
    weights: str | None = None
    validation: str | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    answers: str | None = None
    pictures: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    device_facts: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """The verdict and what went wrong, in words."""
        return "; ".join((*([self.verdict] if self.verdict else []), *self.problems)) or "not validated"

    @property
    def state(self) -> str:
        """ "ok", "warn", "fail", or "none" where nothing judged."""
        if self.problems:
            return "fail"
        first = (self.verdict or "not validated").partition(" ")[0].strip(":;")
        return {"ok": "ok", "warn": "warn", "not": "none"}.get(first, "fail")


@dataclass(frozen=True)
class Piece:
    """What one file says of one artifact. `rank`: MANIFEST, EXPORTED or MEASURED."""

    rank: int
    row: Row


@dataclass(frozen=True)
class Layers:
    """What `edgeport debug` found: `layers` as in its JSON, checked to be what a chart needs."""

    artifact: str
    model: str
    target: str
    precision: str
    samples: int
    data: str
    layers: Sequence[Mapping[str, Any]]


def parse(content: bytes) -> list[Piece | Layers] | None:
    """What one JSON document says; None where it is nothing that edgeport writes. Raises Unreadable."""
    return list(_pieces(_decoded(content))) or None


def _decoded(content: bytes) -> Any:
    try:
        return parse_json(content, strict=False)
    except NotJson as e:
        raise Unreadable(f"is not JSON ({e})") from e


def parse_lines(content: bytes) -> Iterator[tuple[int, list[Piece | Layers] | Unreadable | None]]:
    """(number of the line from 1, what it says) for each line of a .jsonl file; of two for one job the later one."""
    lines: dict[str, tuple[int, list[Piece | Layers] | Unreadable | None]] = {}
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            try:
                value = _decoded(line)
                lines[_about(value) or str(number)] = number, list(_pieces(value)) or None
            except Unreadable as e:
                lines[str(number)] = number, e
    yield from lines.values()


def _about(value: Any) -> str | None:
    """What a line is about: a job of a sweep, a cell of the export matrix, or None."""
    if not isinstance(value, dict):
        return None
    job = value["job"] if isinstance(value.get("job"), dict) else value if "passed" in value else {}
    about = [str(job.get(name)) for name in ("kind", "model", "target", "precision", "device")]
    return "\0".join(about) if job else None


def _pieces(value: Any) -> Iterator[Piece | Layers]:
    if isinstance(value, list):
        for each in value:
            yield from _pieces(each)
    elif not isinstance(value, dict):
        return
    elif "schema" in value and isinstance(value.get("artifact"), dict):
        yield Piece(MANIFEST, _manifest(value))
    elif "worst_first" in value and "layers" in value:
        yield _layers(value)
    elif "job" in value and "code" in value:
        yield from _job(value)
    elif isinstance(value.get("results"), list):
        for each in value["results"]:
            result = _object(each, "a result")
            yield from _pieces(result) if "model" in result else [Piece(MEASURED, _timed(result, value))]
    elif all(name in value for name in FLAT):
        yield Piece(EXPORTED, _cell(value))
    elif {"model", "target", "precision", "verdict"} <= value.keys():
        yield Piece(EXPORTED if "latency" in value else MEASURED, _result(value))
        if "fp32" in value:
            yield Piece(EXPORTED, _result(_object(value["fp32"], "fp32")))


def _manifest(value: Mapping[str, Any]) -> Row:
    artifact = _object(value["artifact"], "artifact")
    weights, calibration = _object(value.get("weights"), "weights"), _object(value.get("calibration"), "calibration")
    tools = _object(value.get("tools"), "tools")
    source, file = _text(weights, "source"), _beside(artifact, "file")
    seeded = f"{RANDOM} (seed {weights.get('seed')})"
    facts = {
        "weights": seeded if source == RANDOM else source,
        "calibration": calibration and f"{calibration.get('source')}, {calibration.get('count')} inputs",
        "warning": calibration and calibration.get("warning"),
        "task": _task(value),
        "validation": value.get("validation"),
        "sha256": artifact.get("sha256"),
        "tools": ", ".join(f"{name} {version}" for name, version in tools.items()),
    }
    return Row(
        **_named(value),
        artifact=file,
        size_bytes=_size(artifact),
        agreement=_figures(value, "agreement", AGREEMENT),
        verdict=_text(value, "verdict"),
        variant=printable(describe_variant(value)),
        weights=seeded if source == RANDOM else source,
        validation=_text(value, "validation"),
        outputs=_outputs(value),
        answers=_answers(value),
        pictures=_beside(_object(value.get("task"), "task"), "pictures"),
        facts={key: printable(fact) for key, fact in facts.items() if fact},
    )


def _result(value: Mapping[str, Any]) -> Row:
    """Of `export --json` and `validate --json`."""
    latency = _object(value.get("latency"), "latency")
    agreement = _figures(value, "agreement", AGREEMENT)
    return Row(
        **_named(value),
        **_device(value),
        artifact=_text(value, "artifact"),
        size_bytes=_size(value),
        agreement=agreement,
        latency=_figures(value, "latency", LATENCY),
        runtime=_text(latency, "runtime") or _text(value, "runtime"),
        **_emulated(value),
        verdict=_text(value, "verdict"),
        weights=_text(value, "weights"),
        outputs=_outputs(value),
        answers=_answers(value),
    )


def _timed(value: Mapping[str, Any], whole: Mapping[str, Any]) -> Row:
    """Of `benchmark --json`, where the device may stand beside the results."""
    return Row(
        **_device({**whole, **value}),
        artifact=_text(value, "artifact"),
        latency=_figures(value, "latency", LATENCY),
        runtime=_text(_object(value.get("latency"), "latency"), "runtime") or _text(value, "runtime"),
        **_emulated(value),
    )


def _beside(value: Mapping[str, Any], name: str) -> str | None:
    """The name of a file that lies beside the manifest."""
    file = _text(value, name)
    if file is not None and ("/" in file or file in ("", ".", "..")):
        raise Unreadable(f"has {name} that is {_short(file)}, not the name of what lies beside it")
    return file


def _task(value: Mapping[str, Any]) -> str | None:
    """What the outputs mean, where somebody or something has said it."""
    task = _object(value.get("task"), "task")
    name = _text(task, "name")
    known = name and name != GENERIC
    return f"{name}, head {_text(task, 'head')}, by {_text(task, 'told_by') or 'nobody'}" if known else None


def _answers(value: Mapping[str, Any]) -> str | None:
    """The main figure of a task that is not told by the top-1 agreement, in words."""
    task = _object(value.get("task"), "task")
    name, figures = _text(task, "name"), _object(task.get("figures"), "task.figures")
    if name not in tasks() or name == CLASSIFY or not tasks()[name].figures:
        return None
    spec = tasks()[name].figures[0]
    found = _figures(figures, spec.name, ("value", "standard_error"))
    if "value" not in found:
        return _text(task, "problem") or None
    return str(Figure(spec.name, spec.words, found["value"], found.get("standard_error", math.nan), form=spec.form))


def _outputs(value: Mapping[str, Any]) -> dict[str, str]:
    """{output: its kind and figures in words} of several outputs; of a manifest the figures are an object in each."""
    found = value.get("outputs")
    described: dict[str, str] = {}
    for each in found if isinstance(found, list) else ():
        figures = _figures({"": each.get("agreement") or each}, "", AGREEMENT) if isinstance(each, dict) else {}
        words = [text.format(figures[name]) for name, text in OUTPUT_FIGURES.items() if name in figures]
        if words:
            described[_text(each, "name") or "-"] = ", ".join([_text(each, "kind") or "numbers", *words])
    return described if len(described) > 1 and len(set(described.values())) > 1 else {}


def _emulated(value: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of an artifact that ran on no real device."""
    counted = _figures(value, "instructions", ("per_inference",))
    return {
        "emulated": bool(value.get("emulated")),
        "instructions": counted.get("per_inference"),
        "kernels": _text(value, "kernels"),
    }


def _cell(value: Mapping[str, Any]) -> Row:
    """A line of the export matrix, whose figures stand side by side."""
    flat = {"agreement": value, "latency": value}
    return Row(
        **_named(value),
        size_bytes=_size(value),
        agreement=_figures(flat, "agreement", AGREEMENT),
        latency=_figures(flat, "latency", LATENCY),
        verdict=_text(value, "verdict"),
    )


def _job(value: Mapping[str, Any]) -> Iterator[Piece | Layers]:
    """A line of a sweep: what its command printed, or why there is nothing."""
    job = _object(value["job"], "job")
    device = _text(job, "device")
    facts = _object(value.get("machine"), "machine") if device == LOCAL else {}
    known = {"device": device, "device_facts": _said(facts)}
    for piece in _pieces(value.get("result")):
        if isinstance(piece, Piece):
            yield Piece(piece.rank, _with(piece.row, known))
    problem = _text(value, "problem")
    if problem:
        kind, artifacts = _text(job, "kind"), job.get("artifacts") or [None]
        if not isinstance(artifacts, list) or not all(each is None or isinstance(each, str) for each in artifacts):
            raise Unreadable(f"has artifacts that are {_short(artifacts)}, not a list of paths")
        for artifact in artifacts:
            told = _named(job) if artifact is None else {}
            yield Piece(MEASURED, Row(**told, **known, artifact=artifact, problems=(f"{kind}: {problem}",)))


def _with(row: Row, known: Mapping[str, Any]) -> Row:
    """The row, with what it does not say itself from `known`."""
    values = {each.name: getattr(row, each.name) for each in fields(row)}
    return Row(**values | {name: values[name] or value for name, value in known.items()})


def _layers(value: Mapping[str, Any]) -> Layers:
    layers = value["layers"]
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise Unreadable("has layers that are no list of objects")
    for layer in layers:
        for name in ("accumulated", "alone"):
            _figures(layer, name, ("snr_db", "cosine", "typical_channel_db"))
        _figures({"layer": layer}, "layer", ("position", "range_use", "clipped", "weight_snr_db", "weight_channel"))
    samples = _figures({"": value}, "", ("samples",))
    texts = [_text(value, name) or "" for name in ("artifact", "model", "target", "precision", "data")]
    return Layers(*texts[:4], samples=int(samples.get("samples", 0)), data=texts[4], layers=layers)


def _named(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _text(value, name) for name in ("model", "target", "precision")}


def _device(value: Mapping[str, Any]) -> dict[str, Any]:
    """Its name and facts; what was timed and says no device was timed on this machine."""
    timed = value.get("latency") or "results" in value
    device = _text(value, "device") or (LOCAL if timed else None)
    cpu = {"cpu": _object(value.get("latency"), "latency").get("cpu")}
    return {"device": device, "device_facts": _said(cpu) | _said(_object(value.get("facts"), "facts"))}


def _said(facts: Mapping[str, Any]) -> dict[str, str]:
    """Facts for people: lists joined, objects flattened, what is not known left out."""
    said: dict[str, str] = {}
    for key, value in facts.items():
        if isinstance(value, dict):
            said |= {f"{printable(key)} {inner}": text for inner, text in _said(value).items()}
        elif value not in (None, "", []):
            said[printable(key)] = printable(", ".join(map(str, value)) if isinstance(value, list) else value)
    return said


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(f"has {name} that is {_short(value)}, not an object")
    return value


def _text(value: Mapping[str, Any], name: str) -> str | None:
    found = value.get(name)
    if found is not None and not isinstance(found, str):
        raise Unreadable(f"has {name} that is {_short(found)}, not a text")
    return found and printable(found)


def _size(value: Mapping[str, Any]) -> int | None:
    size = _figures({"": value}, "", ("size_bytes",)).get("size_bytes")
    return None if size is None else int(size)


def _figures(value: Mapping[str, Any], name: str, known: Sequence[str]) -> dict[str, float]:
    """Those of the known figures that are there and finite."""
    figures = {}
    for key in known:
        number = _object(value.get(name), name).get(key)
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int | float) or abs(number) > 1e300:
            if isinstance(number, float) and not math.isfinite(number):
                continue
            raise Unreadable(f"has {f'{name}.' * bool(name)}{key} that is {_short(number)}, not a number")
        if math.isfinite(number):
            figures[key] = float(number)
    return figures


def _short(value: Any) -> str:
    try:
        text = json.dumps(value)
    except ValueError:  # a whole number of thousands of digits
        return "out of all bounds"
    return text if len(text) <= 40 else f"{text[:37]}..."
