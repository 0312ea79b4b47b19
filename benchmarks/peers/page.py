"""Render docs/generated/benchmarks.md from the results."""

import math
from collections.abc import Iterable, Sequence
from importlib.metadata import version

from edgeport.runtime.compare import TOLERANCE

from benchmarks.matrix_page import table
from benchmarks.peers import gpu_page, int8_page, results
from benchmarks.peers.environments import ROOT, pins
from benchmarks.peers.int8_page import TITLES
from benchmarks.peers.peers import FORMATS, FP32, INT8, MODELS, OURS, PEERS, Peer
from benchmarks.peers.results import Facts, Results

PAGE = ROOT / "docs" / "generated" / "benchmarks.md"
SLOWER = 1.05  # our time over a peer's: from here on it is said

INTRODUCTION = """\
# edgeport beside its peers

Written by `python -m benchmarks.peers`; do not edit. Every peer has a virtual environment of its own, made from its
list in `benchmarks/peers/requirements`, and gets the same model: the PyTorch module, or the ONNX file that
`edgeport export --target onnx` writes of it, with seeded random weights for which all tensors matter, and the same 48
crops of photographs for calibration. Errors are against PyTorch on crops of other photographs. All artifacts of a model
in one format are timed in one process by the same runtime on one thread, a round of each after the other.

- **max error**: the largest, in standard deviations of the output
- **ms**: the median CPU time of a run, which on one thread is what it takes on a machine that does nothing else
- **ratio**: the peer's time over ours, so above 1 edgeport's artifact is the faster one
- **partitions**: those of the XNNPACK delegate, and after the + how many operators are in none
- **CPU s**: of the conversion (with calibration, where it is int8), in brackets of the whole process with its imports
- **memory**: the peak of the process, and in brackets what the conversion adds to what was there before

A conversion from PyTorch (ours, litert_torch, timmx) includes `torch.export`; one from the ONNX file does not. What a
converter imports only while it converts counts as conversion.\
"""


def write() -> None:
    """Replaces docs/generated/benchmarks.md."""
    PAGE.write_text(page(results.read()), encoding="utf-8")


def page(known: Results) -> str:
    """docs/generated/benchmarks.md."""
    kinds = [(f, p) for f in FORMATS for p in (FP32, INT8) if any(key[1:3] == (f, p) for key in known.cells)]
    parts = [
        INTRODUCTION,
        "## Peers",
        "\n".join(table(["peer", "versions", "asked for"], map(describe, PEERS.values()))),
        *machines(known),
        "onnx2tf 2 has a direct writer, and needs Python 3.12 or newer.",
        "## Summary",
        "Means are geometric, over the models where both are there.",
        "\n".join(table(SUMMARY, (row for kind in kinds for row in summary(*kind, known)))),
        *latency(known),
        *gpu_page.sections(known),
        *int8_page.sections(known),
        *(part for kind in kinds for part in details(*kind, known)),
        *failures(known),
    ]
    return "\n\n".join(parts) + "\n"


def describe(peer: Peer) -> list[str]:
    """A peer's name, versions and what it is asked for."""
    installed = {name: version(name) for name in peer.packages} if peer.name == OURS else pins(peer.name)
    return [peer.name, ", ".join(f"{name} {installed[name]}" for name in peer.packages), peer.how]


def machines(known: Results) -> list[str]:
    """What the timings were taken on."""
    seen = sorted({facts["machine"] for facts in known.timings.values()})
    return [f"Timed on: {'; '.join(seen)}."] if seen else []


SUMMARY = ["format", "precision", "peer", "converts", "loads", "agrees", "time / ours", "CPU s / ours", "SNR - ours"]


def summary(format_: str, precision: str, known: Results) -> Iterable[list[str]]:
    """A line for each peer: how many models it does, and its figures over ours."""
    for peer in PEERS.values():
        cells = {key[0]: facts for key, facts in known.cells.items() if key[1:] == (format_, precision, peer.name)}
        if not cells:
            continue
        ours = {model: known.cells.get((model, format_, precision, OURS), {}) for model in cells}
        times = [ratio(model, format_, precision, peer.name, known) for model in cells]
        seconds = [quotient(facts, ours[model], "cpu_seconds") for model, facts in cells.items()]
        gains = [facts["snr_db"] - ours[m]["snr_db"] for m, facts in cells.items() if both(facts, ours[m], "snr_db")]
        yield [
            format_,
            precision,
            peer.name,
            f"{sum(facts.get('stage') not in ('install', 'convert') for facts in cells.values())} of {len(cells)}",
            str(sum("error" not in facts for facts in cells.values())),
            str(sum(agrees(facts) for facts in cells.values())),
            mean(times),
            mean(seconds),
            f"{sum(gains) / len(gains):+.1f} dB" if gains and precision == INT8 else "",
        ]


def both(one: Facts, other: Facts, field: str) -> bool:
    return one.get(field) is not None and other.get(field) is not None


def quotient(facts: Facts, ours: Facts, field: str) -> float | None:
    return facts[field] / ours[field] if both(facts, ours, field) else None


def ratio(model: str, format_: str, precision: str, peer: str, known: Results) -> float | None:
    """The median time of a peer's artifact over ours."""
    latencies = known.timings.get((model, format_, precision), {}).get("latencies", {})
    return quotient(latencies.get(f"{precision} {peer}", {}), latencies.get(f"{precision} {OURS}", {}), "cpu_ms")


def mean(ratios: Sequence[float | None]) -> str:
    """The geometric mean of those that are there."""
    there = [value for value in ratios if value is not None]
    return f"{math.exp(sum(map(math.log, there)) / len(there)):.2f}" if there else ""


def agrees(facts: Facts) -> bool:
    """Whether an artifact is as exact as one of edgeport's own has to be."""
    limits, snr_db = TOLERANCE[facts["precision"]], facts.get("snr_db")
    if snr_db is None or facts["problem"]:
        return False
    exact = limits.max_abs_over_std is None or facts["max_abs_over_std"] <= limits.max_abs_over_std
    return exact and snr_db >= (limits.snr_db or 0) and facts.get("cosine", 1.0) >= (limits.cosine or 0)


def latency(known: Results) -> Iterable[str]:
    """Our float TFLite artifact beside the fastest of those that agree with PyTorch."""
    rows, quotients = [], []
    for (model, format_, precision), facts in known.timings.items():
        if (format_, precision) != ("tflite", FP32):
            continue
        times = {
            peer: facts["latencies"][f"{FP32} {peer}"]["cpu_ms"]
            for peer in PEERS
            if f"{FP32} {peer}" in facts["latencies"] and agrees(known.cells[model, format_, FP32, peer])
        }
        ours = times.pop(OURS, None)
        if ours is None or not times:
            continue
        best = min(times, key=lambda peer: times[peer])
        quotients.append(ours / times[best])
        mark = "**" if quotients[-1] > SLOWER else ""
        rows.append([model, f"{ours:.2f}", best, f"{times[best]:.2f}", f"{mark}{quotients[-1]:.2f}{mark}"])
    if rows:
        yield "## Float TFLite beside the best peer"
        listed = [quotient for row, quotient in zip(rows, quotients, strict=True) if row[0] in MODELS]
        said = f"Geometric mean of ours over the best peer's: **{mean(listed)}** over the list's {len(listed)} models."
        if len(listed) < len(rows):
            later = ", ".join(row[0] for row in rows if row[0] not in MODELS)
            said += f" Measured besides, after that was known: {later}; with them {mean(quotients)} over {len(rows)}."
        yield said
        yield "\n".join(table(["model", "ours ms", "best peer", "its ms", "ours / best"], rows))


COLUMNS = ["model", "peer", "max error", "SNR dB", "ms", "ratio", "MB", "ops", "partitions", "CPU s", "memory MB"]


def details(format_: str, precision: str, known: Results) -> Iterable[str]:
    """All figures of one format and precision."""
    cells = [(key, facts) for key, facts in known.cells.items() if key[1:3] == (format_, precision)]
    models = list(dict.fromkeys(key[0] for key, _ in cells))
    order = {peer: place for place, peer in enumerate(PEERS)}
    cells.sort(key=lambda item: (models.index(item[0][0]), order[item[0][3]]))
    yield f"## {TITLES[format_]} {precision}"
    yield "\n".join(table(COLUMNS, (detail(facts, known) for _, facts in cells)))


def detail(facts: Facts, known: Results) -> list[str]:
    """One line of such a table."""
    model, format_, precision, peer = results.key(facts)
    names = [model, peer]
    cost = [show_seconds(facts, "cpu_seconds", "all_cpu_seconds"), show_memory(facts)]
    if facts.get("error"):
        return [*names, f"**cannot {facts['stage']}**", *[""] * 6, *cost]
    time = known.timings.get((model, format_, precision), {}).get("latencies", {}).get(f"{precision} {peer}")
    over = ratio(model, format_, precision, peer, known)
    partitions = f"{facts['partitions']} + {facts['undelegated']}" if "partitions" in facts else ""
    error = "no number" if facts["max_abs_over_std"] is None else f"{facts['max_abs_over_std']:.1g}"
    return [
        *names,
        error if agrees(facts) else f"**{error}**",
        "" if facts["snr_db"] is None else f"{facts['snr_db']:.1f}",
        f"{time['cpu_ms']:.2f}" if time else "",
        f"{over:.2f}" if over else "",
        f"{facts['size_bytes'] / 1e6:.1f}",
        str(facts["ops"]),
        partitions,
        *cost,
    ]


def show_seconds(facts: Facts, part: str, whole: str) -> str:
    return f"{facts[part]:.1f} ({facts[whole]:.1f})" if part in facts else ""


def show_memory(facts: Facts) -> str:
    return f"{facts['peak_mb']:.0f} ({facts['peak_mb'] - facts['before_mb']:+.0f})" if "peak_mb" in facts else ""


def failures(known: Results) -> Iterable[str]:
    """What was not made or does not load, with the sentence."""
    failed = [facts for facts in known.cells.values() if "error" in facts]
    if failed:
        yield "## What does not work"
        rows = ([*results.key(facts), facts["stage"], facts["error"]] for facts in failed)
        yield "\n".join(table(["model", "format", "precision", "peer", "stage", "why"], rows))
