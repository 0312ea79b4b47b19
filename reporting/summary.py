"""One line about what a report holds."""

from collections.abc import Sequence

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


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"
