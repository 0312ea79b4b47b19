"""Keep the results as lines of JSON, so that an interrupted run goes on where it stopped."""

from dataclasses import dataclass
from typing import Any

from benchmarks import journal
from benchmarks.peers.environments import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "benchmarks.jsonl"

Facts = dict[str, Any]
Key = tuple[str, str, str, str]  # model, format, precision, peer


@dataclass(frozen=True)
class Results:
    """What is known.

    Attributes:
        cells: each conversion and its artifact.
        on_gpu: of some .tflite, what LiteRT's GPU makes of it.
        timings: each (model, format, precision): "machine", its "load_average" before, "latencies":
            {"precision peer": figures}; beside those of int8 also our float one's.
    """

    cells: dict[Key, Facts]
    on_gpu: dict[Key, Facts]
    timings: dict[tuple[str, str, str], Facts]


def read() -> Results:
    """All results; of two lines for the same thing the later one."""
    results = Results({}, {}, {})
    for facts in journal.read(RESULTS):
        if "latencies" in facts:
            results.timings[facts["model"], facts["format"], facts["precision"]] = facts
        elif "gpu" in facts:
            results.on_gpu[key(facts)] = facts["gpu"]
        else:
            results.cells[key(facts)] = facts
    return results


def key(facts: Facts) -> Key:
    return facts["model"], facts["format"], facts["precision"], facts["peer"]


def append(facts: Facts) -> None:
    """Adds a line, down to the disk."""
    journal.append([facts], RESULTS)
