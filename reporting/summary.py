"""One line about what a report holds."""

from collections.abc import Sequence

from ..artifacts.manifest import RANDOM
from .folder import Findings
from .records import LOCAL, Row

STATES = {"ok": "ok", "warn": "with a warning", "fail": "failed", "none": "not validated"}


def counts(rows: Sequence[Row]) -> list[int]:
    """How many rows are in each of STATES."""
    return [sum(row.state == state for row in rows) for state in STATES]


def headline(found: Findings) -> str:
    """ "12 artifacts of 3 models; targets tflite, onnx; devices local, adb"."""
    rows = found.rows
    artifacts = {row.artifact or (row.model, row.target, row.precision) for row in rows}
    models = {row.model for row in rows if row.model}
    targets = sorted({row.target for row in rows if row.target})
    devices = sorted({row.device for row in rows if row.device and row.device != LOCAL})
    said = [f"{_count(len(artifacts), 'artifact')} of {_count(len(models), 'model')}"]
    said += [f"for {', '.join(targets)}"] * bool(targets)
    said += [f"on {', '.join((LOCAL, *devices))}"] * bool(devices)
    return " ".join(said)


def is_random(row: Row) -> bool:
    """Whether the row's weights were drawn, all or those of a new head."""
    return RANDOM in (row.weights or "")


def about_random(rows: Sequence[Row]) -> str:
    """What random weights mean for the figures; "" where there are none."""
    artifacts = {row.artifact or (row.model, row.target, row.precision) for row in rows if is_random(row)}
    if not artifacts:
        return ""
    are = "has" if len(artifacts) == 1 else "have"
    return (
        f"{_count(len(artifacts), 'artifact')} {are} RANDOM weights: sizes and latencies are real, SNR and top-1 only "
        "compare two runs of an untrained network, and its answers mean nothing"
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"
