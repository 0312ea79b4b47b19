"""The command `info`: all that is known of a model, or of an artifact."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..pipeline.text_table import format_facts, printable
from .console import Console

NAME, HELP = "info", "all that is known of a model or an artifact"
QUANTIZED_BY = {"training": "in training (edgeport.prepare_qat)", "model": "by the model that was exported"}
KINDS = 8  # of operators, before the others are summed up


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="MODEL|ARTIFACT", help="a name from `edgeport list`, or a file")


def run(args: argparse.Namespace, console: Console) -> int:
    from ..pipeline.info import info

    facts = info(args.what)
    lines = of_artifact(facts) if "artifact" in facts else of_model(facts)
    console.result(facts, format_facts(lines, 15))
    return 0


def of_model(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Lines of (what, fact)."""
    for key, value in facts.items():
        yield key, SHOWN.get(key, text)(value)


def millions(count: int) -> str:
    return f"{count / 1e6:.2f} M"


def licences(weights: list[dict]) -> str:
    """The public weights with their licences."""
    return ", ".join(f"{each['name']} ({each['licence']})" for each in weights) or "none are public"


def exports(passed: dict[str, tuple[str, ...]] | None) -> str:
    """What passed, by target."""
    if passed is None:
        return "not run"
    return "; ".join(f"{target} {' '.join(precisions) or 'nothing'}" for target, precisions in passed.items())


def microcontroller(need: dict[str, Any] | None) -> str:
    """What it takes to run there, or why it does not."""
    if need is None or "refused" in need:
        return "no" if need is None else printable(f"no: {need['refused']}")
    operators = ", ".join(f"{name} ({count})" for name, count in need["operators"].items())
    return (
        f"{need['runtime']}: arena {need['arena_bytes']:,} bytes ({need['arena_source']}); flash "
        f"{need['flash_bytes']:,} bytes and {len(need['operators'])} operators: {operators}"
    )


SHOWN = {
    "params": millions,
    "macs": millions,
    "weights": licences,
    "passed": exports,
}


def text(value: Any) -> str:
    """A value for people."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else printable(value)


def of_artifact(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Lines of (what, fact); what is said once stands for the lines below it, too."""
    manifest = facts["manifest"]
    yield "artifact", facts["artifact"]
    yield "size", f"{facts['size_bytes'] / 1e6:.2f} MB"
    if manifest:
        profile = f" (profile {manifest['profile']})" if manifest["profile"] else ""
        yield "model", f"{manifest['model']}, {manifest['precision']}{profile}; verdict: {manifest['verdict']}"
        if manifest["quantized_by"] in QUANTIZED_BY:
            yield "quantised", QUANTIZED_BY[manifest["quantized_by"]]
        yield from _headed("task", list(task(manifest["task"])) if manifest["task"] else [])
    else:
        yield "manifest", "none beside it: what follows is read from the file alone"
    yield from _headed("input", [port(each) for each in facts["inputs"]])
    if manifest:
        yield from _headed("", [line for each in manifest["inputs"] for line in preprocessing(each)])
        yield from _headed("sizes", list(sizes(facts)))
    yield from _headed("output", [port(each) for each in facts["outputs"]])
    here = f"{facts['runtime']}, opened in {facts['load_ms']:.1f} ms"
    yield "runs in", f"{facts['minimum_runtime'] or 'not said'} or newer; here in {here}"
    yield "operators", operators(facts["operators"])
    if facts["activations"]:
        yield "tensors", ", ".join(f"{count} {dtype}" for dtype, count in facts["activations"].items())
    yield "ranks", ranks(facts["ranks"])
    yield from _headed("accelerators", [line for each in facts["accelerators"] for line in coverage(each)])
    yield from _headed("clients", [line for each in facts["clients"] for line in client(each)])
    if facts["microcontroller"] is not None:
        yield "microcontroller", microcontroller(facts["microcontroller"])


def _headed(head: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for i, line in enumerate(lines):
        yield "" if i else head, line


def task(facts: Mapping[str, Any]) -> Iterator[str]:
    """What the outputs mean, and how the answers agree with the float model's."""
    roles = "".join(f", {role}: {name}" for role, name in facts["outputs"].items())
    yield f"{facts['name']}, head {facts['head']} (by {facts['told_by']}){roles}"
    if facts["settings"]:
        yield ", ".join(f"{name} {json.dumps(value)}" for name, value in facts["settings"].items())
    for name, figure in facts["figures"].items():
        error = "" if figure["standard_error"] is None else f" ± {figure['standard_error']:.4g}"
        value = "no number" if figure["value"] is None else f"{figure['value']:.6g}{error}"
        yield f"{name} {value}, on {facts['samples']} inputs"


def sizes(facts: Mapping[str, Any]) -> Iterator[str]:
    """Which heights and widths the image may have, and how the artifact agrees at some."""
    if facts["sizes"]:
        yield facts["sizes"]
    for each in (facts["manifest"] or {}).get("size_checks", ()):
        snr = "" if each["snr_db"] is None else f"SNR {each['snr_db']:.1f} dB, "
        yield f"at {each['height']}x{each['width']}: {snr}{each['verdict']}"


def port(facts: Mapping[str, Any]) -> str:
    """An input or output in a line."""
    line = f"{facts['name']}  {shape(facts['shape'])} {facts['dtype']}"
    stored = facts.get("stored")
    if stored is None:
        return line
    if stored["scale"]:
        line += f", real = (stored - {stored['zero_point']}) * {stored['scale']:.7g}"
    if stored["layout"] and stored["layout"] != "nchw":
        line += f"; stored {stored['layout'].upper()}, {shape(stored['shape'])}"
    return line if stored["dtype"] == facts["dtype"] else f"{line}; stored {stored['dtype']}"


def shape(dims: Sequence[int | None] | None) -> str:
    return "of any rank" if dims is None else f"({', '.join('?' if dim is None else str(dim) for dim in dims)})"


def preprocessing(known: Mapping[str, Any]) -> Iterator[str]:
    """How an image becomes the input."""
    if not known["mean"]:
        if len(known["shape"]) == 4:
            yield "nobody said how an image becomes it"
        return
    mean, std = (", ".join(f"{number:.4g}" for number in known[key]) for key in ("mean", "std"))
    whose = "in the file" if known["dtype"] == "uint8" else "by the caller"
    color = (known["color"] or "rgb").upper()
    yield f"value = (pixel * {known['scale'] or 1 / 255:.6g} - ({mean})) / ({std}), {color}, {whose}"
    size, crop = (f"{each[0]}x{each[1]}" for each in (known["resize"], known["crop"]))
    yield f"an image is resized to {size} ({known['interpolation']}, {known['resize_mode'] or 'crop'}), input {crop}"


def operators(counts: Mapping[str, int]) -> str:
    """The number of operators, and of the most frequent kinds."""
    kinds = list(counts.items())
    named = [f"{count} {kind}" for kind, count in kinds[:KINDS]]
    if others := kinds[KINDS:]:
        named.append(f"{sum(count for _, count in others)} of {len(others)} other kinds")
    return f"{sum(counts.values())}: {', '.join(named)}" if counts else "none"


def ranks(counts: Mapping[str, int]) -> str:
    """The highest rank, and how many operators are above 4, where accelerators end."""
    numbers = {int(rank): count for rank, count in counts.items()}
    above = sum(count for rank, count in numbers.items() if rank > 4)
    return f"at most {max(numbers, default=0)}" + (f"; {above} operators above 4" if above else "")


def coverage(facts: Mapping[str, Any]) -> Iterator[str]:
    """What an accelerator takes."""
    total, taken = facts["of"], facts["operators"]
    most = "at most " if facts["source"] == "by rules" and taken < total else ""
    share = "whole" if taken == total else f"{most}{taken} of {total} operators"
    pieces = facts["partitions"] if taken < total else None
    parts = f" in {pieces} part{'s' * (pieces > 1)}" if pieces else ""
    yield f"{facts['accelerator']}: {share}{parts} ({facts['source']})"
    for gap in facts["gaps"]:
        yield f"  not {gap['count']} {gap['operator']}: {gap['reason']}"
    for gap in facts["wrong"]:
        yield f"  WRONG {gap['count']} {gap['operator']}: {gap['reason']}"


def client(facts: Mapping[str, Any]) -> Iterator[str]:
    """Whether a program takes it."""
    yield f"{facts['name']}: {'takes it' if facts['takes'] else 'refuses it'}"
    for reason in facts["refuses"] if facts["refuses"] else facts["notes"]:
        yield f"  {reason}"
