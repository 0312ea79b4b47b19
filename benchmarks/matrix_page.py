"""Render the matrix's results: docs/generated/matrix.md for people, models/export_status.py for `edgeport info`."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from edgeport import get_variant, list_models
from edgeport.targets.registry import everyday_targets

from benchmarks import coreai_zoo, gpu_zoo, journal
from benchmarks.cells import Cell, read

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "matrix.jsonl"
REASONS = RESULTS.with_name("matrix_reasons.jsonl")  # written by matrix_reasons.py
PAGE, EXPORT_STATUS = ROOT / "docs" / "generated" / "matrix.md", ROOT / "models" / "export_status.py"
PRECISIONS = ("fp32", "int8")
TARGETS = tuple(everyday_targets())  # of the experimental ones some models: coreai_zoo.py
ENOUGH_DB = 25.0
LOST = 1e-3  # of the standard deviation of the outputs, by float32 alone
LIKE = 3.0  # dB; less apart counts as the same

Cells = dict[tuple[str, str, str], Cell]  # by model, target, precision


def read_reasons() -> dict[str, Cell]:
    """{model: what matrix_reasons.py measured}"""
    if not REASONS.exists():
        return {}
    return {(reason := json.loads(line))["model"]: reason for line in REASONS.read_text().splitlines()}


def by_key(cells: Iterable[Cell]) -> Cells:
    return {(cell["model"], cell["target"], cell["precision"]): cell for cell in cells}


def write() -> None:
    """Replaces both files."""
    cells = read(RESULTS)
    PAGE.write_text(page(cells), encoding="utf-8")
    EXPORT_STATUS.write_text(module(cells), encoding="utf-8")


def page(cells: list[Cell]) -> str:
    """docs/generated/matrix.md."""
    known, on_gpu = by_key(cells), {row["name"]: row for row in journal.read(gpu_zoo.ROWS) if row["profile"] == "gpu"}
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
            *seeds(cells),
            "",
            *summary(cells),
            "",
            "## fp32",
            "",
            "Largest error over the standard deviation of the outputs, size, median latency. On LiteRT's GPU, with",
            "`--profile gpu`: what it takes, and dB from the CPU in float32 and in float16 ([more](gpu_zoo.md)).",
            "",
            *table(
                ["model", "parameters", *TARGETS, "LiteRT's GPU"],
                ([*row(name, "fp32", known), show_gpu(on_gpu.get(name))] for name in models),
            ),
            "",
            "## int8",
            "",
            "SNR against PyTorch, size, median latency.",
            "",
            *table(["model", "parameters", *TARGETS], (row(name, "int8", known) for name in with_int8)),
            "",
            *core_ai(journal.read(coreai_zoo.ROWS)),
            *lows(cells),
            *failures(cells),
            *missing(models),
        ]
    )


def seeds(cells: list[Cell]) -> list[str]:
    """Which models have other weights than the rest."""
    others = sorted({f"{cell['model']} ({cell['seed']})" for cell in cells if cell.get("seed")})
    if not others:
        return []
    return [f"The weights' seed is 0, or another where PyTorch itself is not exact with that: {', '.join(others)}."]


def summary(cells: list[Cell]) -> list[str]:
    """How many cells passed, by precision."""
    lines = []
    for precision in PRECISIONS:
        of = [cell for cell in cells if cell["precision"] == precision]
        line = f"- {precision}: {sum(cell['passed'] for cell in of)} of {len(of)} cells passed"
        if precision == "int8":
            line += f", {sum((cell.get('snr_db') or 0) >= ENOUGH_DB for cell in of)} with at least {ENOUGH_DB:g} dB"
        elif unsure := [cell["model"] for cell in of if (cell.get("max_abs_over_std") or 0) > LOST]:
            names = ", ".join(sorted(set(unsure)))
            line += f"; {len(unsure)} of them say little, because PyTorch's own float32 loses too much there: {names}"
        lines.append(line)
    return lines


def row(name: str, precision: str, known: Cells) -> list[str]:
    params = get_variant(name).params
    return [name, f"{params / 1e6:.2f} M", *(show_cell(known.get((name, target, precision))) for target in TARGETS)]


def show_cell(cell: Cell | None) -> str:
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


def show_gpu(found: gpu_zoo.Row | None) -> str:
    """What LiteRT's GPU makes of a model, in a few characters."""
    if found is None:
        return "not run"
    if "error" in found:
        return "**failed**"
    return f"{gpu_zoo.share(found)}, {found['fp32']:.0f} and {found['fp16']:.0f} dB"


def core_ai(found: list[coreai_zoo.Row]) -> list[str]:
    """What Apple's runtime on the CPU makes of the smallest models of the families."""
    if not found:
        return []
    return [
        "## Core AI",
        "",
        f"The smallest models of {len(found)} families in Apple's own runtime, on the CPU, on "
        f"{coreai_zoo.NUM_VALIDATION} crops of photographs: in fp32 the largest",
        "error over the standard deviation of the outputs, in fp16 and int8 the SNR. int8 has the quick plan",
        "(`--effort fast`), and stands beside ONNX's of the same calibration in ONNX Runtime.",
        "",
        *table(
            ["model", "fp32", "fp16, dB", "int8, dB", "ONNX int8, dB"],
            ([row["name"], *show_core_ai(row)] for row in sorted(found, key=lambda row: row["name"])),
        ),
        "",
    ]


def show_core_ai(row: coreai_zoo.Row) -> Iterable[str]:
    for key, figure in (
        ("fp32", "max_abs_over_std"),
        ("fp16", "snr_db"),
        ("int8", "snr_db"),
        ("onnx int8", "snr_db"),
    ):
        facts = row[key]
        if "error" in facts:
            yield f"**failed**: {facts['error']}"
        else:
            yield f"**{facts[figure]}**" if facts["verdict"].startswith("fail") else f"{facts[figure]}"


def low(cell: Cell) -> bool:
    """Whether a cell is of int8 and has less than ENOUGH_DB, or no SNR."""
    snr_db = cell.get("snr_db")
    return cell["precision"] == "int8" and (snr_db is None or snr_db < ENOUGH_DB)


def low_by_model(cells: list[Cell]) -> dict[str, dict[str, Cell]]:
    """{model: {target: cell}} of the cells that are low and have an SNR."""
    of_model: dict[str, dict[str, Cell]] = {}
    for cell in filter(low, cells):
        if cell.get("snr_db") is not None:
            of_model.setdefault(cell["model"], {})[cell["target"]] = cell
    return of_model


def lows(cells: list[Cell]) -> list[str]:
    """The models whose int8 is low on a target, with the reason and with what costs most."""
    of_model, reasons = low_by_model(cells), read_reasons()
    if not of_model:
        return []
    rows, counts = [], Counter[str]()
    for name, by_target in of_model.items():
        measured = min((cell for cell in by_target.values() if cell.get("costs_db")), key=of_snr, default={})
        figures = [f"{by_target[target]['snr_db']:.1f}" if target in by_target else "" for target in TARGETS]
        kind, why = reason(reasons.get(name), by_target)
        counts[kind] += 1
        rows.append([name, *figures, why, measured.get("target", ""), show_costs(measured.get("costs_db"))])
    return [
        f"## int8 below {ENOUGH_DB:g} dB",
        "",
        "The SNR where it is below that, in dB, on each target, and the reason, of the target with the least:",
        "",
        f"- *the network* ({counts['network']} models): the float model itself comes out as noisy (within {LIKE:g} dB",
        "  of it, or noisier) with white noise on every result that int8 rounds, 40 dB below that result, as 8 bits",
        "  over 4.5 standard deviations to both sides round. No training has taught these weights to suppress noise.",
        f"- *float16* ({counts['float16']} models): Core ML computes in float16 what is not int8, and the float",
        "  package in fp16 is as noisy, or has no numbers: these weights give values beyond 65504.",
        f"- *the photographs* ({counts['photographs']} models): those that validate reach beyond the ranges of those",
        "  that calibrate; with ranges (min-max) of their own, at least half of the noise in dB that the network does",
        "  not explain is gone.",
        f"- *8 bits* ({counts['bits']} models): what is left where neither says it: 8 bits a tensor hold too little of",
        "  its spread.",
        f"- not measured: {counts['']} models.",
        "",
        "What costs most is measured on one target's quantised graph, before biases are corrected: its SNR, that with",
        "the weights or the activations alone rounded, and what it gains where all operators of one kind stay in",
        "float.",
        "",
        *table(["model", *TARGETS, "reason", "measured on", "what costs most"], rows),
        "",
    ]


def reason(facts: Cell | None, by_target: dict[str, Cell]) -> tuple[str, str]:
    """(the kind of reason, in words); no kind where it was not measured, or of another SNR."""
    if not facts or facts["target"] not in by_target:
        return "", "not measured"
    snr_db, noise_db = by_target[facts["target"]]["snr_db"], facts["noise_db"]
    noisy = f"float with noise: {noise_db:.1f} dB"
    if is_like(snr_db, noise_db):
        return "network", f"the network; {noisy}"
    if "float16_db" in facts and is_like(snr_db, facts["float16_db"]):
        half_db = facts["float16_db"]
        half = "no numbers" if half_db is None else f"{half_db:.1f} dB"
        return "float16", f"float16; {noisy}; the float package in fp16: {half}"
    if "covered_db" not in facts:
        return "", "not measured"
    covered_db = facts["covered_db"]
    both = f"{noisy}; ranges of the same photographs: {covered_db:.1f} dB"
    if covered_db >= (snr_db + noise_db) / 2:
        return "photographs", f"the photographs; {both}"
    return "bits", f"8 bits; {both}"


def is_like(snr_db: float, other_db: float | None) -> bool:
    """Whether the other is as noisy as what has an SNR of `snr_db`, or noisier."""
    return other_db is None or snr_db >= other_db - LIKE


def of_snr(cell: Cell) -> float:
    return cell["snr_db"]


def show_costs(costs: Cell | None) -> str:
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
    """models/export_status.py."""
    passed: dict[str, dict[str, tuple[str, ...]]] = {}
    for cell in sorted(cells, key=lambda cell: (cell["model"], cell["target"], cell["precision"])):
        of = passed.setdefault(cell["model"], {}).setdefault(cell["target"], ())
        if cell["passed"]:
            passed[cell["model"]][cell["target"]] = (*of, cell["precision"])
    return "\n".join(
        [
            '"""Exports that passed, by model, target and precision; written by `python -m benchmarks.matrix`."""',
            "",
            "# ruff: noqa: E501, RUF100",
            "# fmt: off",
            "EXPORT_STATUS: dict[str, dict[str, tuple[str, ...]]] = {",
            *(f"    {json.dumps(name)}: {of!r}," for name, of in passed.items()),
            "}",
            "",
        ]
    )
