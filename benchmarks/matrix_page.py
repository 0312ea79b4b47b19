"""This file renders the matrix's results: docs/matrix.md for people, cli/passed.py for `edgeport info`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgeport.cli.job import TARGETS
from edgeport.models import get_variant, list_models

ROOT = Path(__file__).parents[1]
RESULTS, PAGE, PASSED = ROOT / "docs" / "matrix.jsonl", ROOT / "docs" / "matrix.md", ROOT / "cli" / "passed.py"
PRECISIONS = ("fp32", "int8")
ENOUGH_DB = 25.0

Cell = dict[str, Any]
Cells = dict[tuple[str, str, str], Cell]  # by model, target, precision


def read_results(results: Path | None = None) -> list[Cell]:
    """The lines of a file of results (default: docs/matrix.jsonl); of two for the same cell the later one."""
    results = results or RESULTS
    if not results.exists():
        return []
    cells = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    return list(by_key(cells).values())


def by_key(cells: Iterable[Cell]) -> Cells:
    return {(cell["model"], cell["target"], cell["precision"]): cell for cell in cells}


def write() -> None:
    """Replaces both files."""
    cells = read_results()
    PAGE.write_text(page(cells), encoding="utf-8")
    PASSED.write_text(module(cells), encoding="utf-8")


def page(cells: list[Cell]) -> str:
    """docs/matrix.md."""
    known = by_key(cells)
    models = sorted({cell["model"] for cell in cells}, key=lambda name: (get_variant(name).family, name))
    with_int8 = [name for name in models if any((name, target, "int8") in known for target in TARGETS)]
    return "\n".join(
        [
            "# What exports to what",
            "",
            "Written by `python -m benchmarks.matrix`; do not edit. Every model has seeded random weights for which",
            "all tensors matter, and a process of its own with one thread. int8 is calibrated on crops of photographs;",
            "all figures are on crops of other photographs. Latencies are to be compared for one model, not between",
            "models: other work ran beside them. A Core ML package is interpreted here, so it has none.",
            "",
            *summary(cells),
            "",
            "## fp32",
            "",
            "Largest error over the standard deviation of the outputs, size, median latency.",
            "",
            *table(["model", "parameters", *TARGETS], (row(name, "fp32", known) for name in models)),
            "",
            "## int8",
            "",
            "SNR against PyTorch, size, median latency.",
            "",
            *table(["model", "parameters", *TARGETS], (row(name, "int8", known) for name in with_int8)),
            "",
            *lows(cells),
            *failures(cells),
            *missing(models),
        ]
    )


def summary(cells: list[Cell]) -> list[str]:
    """How many cells passed, by precision."""
    lines = []
    for precision in PRECISIONS:
        of = [cell for cell in cells if cell["precision"] == precision]
        line = f"- {precision}: {sum(cell['passed'] for cell in of)} of {len(of)} cells passed"
        if precision == "int8":
            line += f", {sum((cell.get('snr_db') or 0) >= ENOUGH_DB for cell in of)} with at least {ENOUGH_DB:g} dB"
        lines.append(line)
    return lines


def row(name: str, precision: str, known: Cells) -> list[str]:
    params = get_variant(name).params
    return [name, f"{params / 1e6:.2f} M", *(shown(known.get((name, target, precision))) for target in TARGETS)]


def shown(cell: Cell | None) -> str:
    """A cell in a few characters."""
    if cell is None:
        return "not run"
    if cell.get("size_bytes") is None:
        return "**failed**"
    if cell["precision"] == "int8":
        exact = "no SNR" if cell["snr_db"] is None else f"{cell['snr_db']:.1f} dB"
    else:
        exact = "no error" if cell["max_abs_over_std"] is None else f"{cell['max_abs_over_std']:.0e}"
    parts = [exact if cell["passed"] else f"**{exact}**", f"{cell['size_bytes'] / 1e6:.1f} MB"]
    if cell["median_ms"] is not None:
        parts.append(f"{cell['median_ms']:.1f} ms")
    return ", ".join(parts)


def low(cell: Cell) -> bool:
    """Whether a cell is of int8 and has less than ENOUGH_DB, or no SNR."""
    snr_db = cell.get("snr_db")
    return cell["precision"] == "int8" and (snr_db is None or snr_db < ENOUGH_DB)


def lows(cells: list[Cell]) -> list[str]:
    """The models whose int8 is low on a target, with what costs most."""
    of_model: dict[str, dict[str, Cell]] = {}
    for cell in filter(low, cells):
        if cell.get("snr_db") is not None:
            of_model.setdefault(cell["model"], {})[cell["target"]] = cell
    if not of_model:
        return []
    rows = []
    for name, by_target in of_model.items():
        noisiest = min((cell for cell in by_target.values() if cell.get("costs_db")), key=of_snr, default={})
        figures = [f"{by_target[target]['snr_db']:.1f}" if target in by_target else "" for target in TARGETS]
        rows.append([name, *figures, noisiest.get("target", ""), blamed(noisiest.get("costs_db"))])
    return [
        f"## int8 below {ENOUGH_DB:g} dB",
        "",
        "The SNR where it is below that, in dB, and what costs most, on the target that is named: measured on the",
        "quantised graph, before biases are corrected: its SNR, that with the weights or the activations alone",
        "rounded, and what it gains where all operators of one kind stay in float. The weights are redrawn: no",
        "training has made them, or the ranges between them, fit for 8 bits.",
        "",
        *table(["model", *TARGETS, "measured on", "what costs most"], rows),
        "",
    ]


def of_snr(cell: Cell) -> float:
    return cell["snr_db"]


def blamed(costs: Cell | None) -> str:
    """The SNR of weights and of activations alone, and the three kinds of operators that gain most."""
    if not costs or costs["all"] is None:
        return "not measured"
    gains = [(kind, gain) for kind, gain in costs["float"].items() if gain is not None and gain >= 0.1][:3]
    return (
        f"{costs['all']:.1f} dB before; weights alone {costs['weights']:.1f} dB, activations alone "
        f"{costs['activations']:.1f} dB; in float: {', '.join(f'{kind} +{gain:.1f} dB' for kind, gain in gains) or '-'}"
    )


def failures(cells: list[Cell]) -> list[str]:
    """What was not made, or not accepted, with the sentence."""
    rows = [[c["model"], c["target"], c["precision"], c["verdict"]] for c in cells if not c["passed"]]
    return ["## Failed", "", *table(["model", "target", "precision", "why"], rows), ""] if rows else []


def missing(models: list[str]) -> list[str]:
    """The models of the zoo that are not in the matrix."""
    left = [name for name in list_models() if name not in models]
    return ["## Not run", "", f"{len(left)} models: {', '.join(left)}", ""] if left else []


def table(header: list[str], rows: Iterable[list[str]]) -> list[str]:
    """A table of Markdown."""
    cells = [header, ["---"] * len(header), *([text.replace("|", "\\|") for text in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in cells]


def module(cells: list[Cell]) -> str:
    """cli/passed.py."""
    passed: dict[str, dict[str, tuple[str, ...]]] = {}
    for cell in sorted(cells, key=lambda cell: (cell["model"], cell["target"], cell["precision"])):
        of = passed.setdefault(cell["model"], {}).setdefault(cell["target"], ())
        if cell["passed"]:
            passed[cell["model"]][cell["target"]] = (*of, cell["precision"])
    return "\n".join(
        [
            '"""This file says which exports passed when last run; written by `python -m benchmarks.matrix`."""',
            "",
            "# ruff: noqa: E501, RUF100",
            "# fmt: off",
            "PASSED: dict[str, dict[str, tuple[str, ...]]] = {",
            *(f"    {json.dumps(name)}: {of!r}," for name, of in passed.items()),
            "}",
            "",
        ]
    )
