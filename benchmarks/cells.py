"""Keep what the matrix measures: a line of JSON for each model, of two for the same model the later one."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import journal

DIGITS = 5
OF_MODEL = ("model", "model_seconds", "jobs", "seed")  # the same for all cells of a model

Cell = dict[str, Any]


def store(cells: Iterable[Cell], results: Path) -> None:
    """Adds the cells of one model to the file."""
    line: dict[str, Any] = {"targets": {}}
    for cell in cells:
        facts = {key: round_floats(value) for key, value in cell.items() if key not in ("target", "precision")}
        line = {key: facts.pop(key) for key in OF_MODEL if key in facts} | line
        line["targets"].setdefault(cell["target"], {})[cell["precision"]] = facts
    journal.append([line], results)


def read(results: Path) -> list[Cell]:
    """All cells: {"model", "target", "precision", and what was measured}."""
    cells = []
    for line in {line["model"]: line for line in journal.read(results)}.values():
        shared = {key: line[key] for key in OF_MODEL if key in line}
        for target, by_precision in line["targets"].items():
            for precision, facts in by_precision.items():
                cells.append({**shared, "target": target, "precision": precision, **facts})
    return cells


def due(names: Iterable[str], results: Path, *, again: bool, failed: bool) -> list[str]:
    """The models of `names` that are not there, or are to be run `again`, or where they have `failed` in a cell."""
    passed: dict[str, bool] = {}
    for cell in read(results):
        passed[cell["model"]] = passed.get(cell["model"], True) and cell["passed"]
    return [name for name in names if again or name not in passed or (failed and not passed[name])]


def round_floats(value: Any) -> Any:
    """Floats, also those inside, to DIGITS."""
    if isinstance(value, dict):
        return {key: round_floats(inner) for key, inner in value.items()}
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
