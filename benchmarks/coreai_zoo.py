"""Run the smallest model of each family as Core AI, in Apple's runtime on the CPU.

    python -m benchmarks.coreai_zoo [NAME ...]    the families without a row, or these names

Rows go to results/coreai_zoo.jsonl; `python -m benchmarks.matrix --render` makes a table of docs/generated/matrix.md of
them. int8 stands beside ONNX's, whose runtime is another: both have one calibration, on crops of photographs.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import edgeport

from benchmarks import journal
from benchmarks.photographs import write_photographs
from benchmarks.variants import smallest_of_families

ROWS = Path(__file__).parents[1] / "benchmarks" / "results" / "coreai_zoo.jsonl"
FLOATS = ("fp32", "fp16")
NUM_CALIBRATION, NUM_VALIDATION = 16, 2  # the runtime is Apple's reference, 6 to 100 times slower than others
TARGETS = ("coreai", "onnx")

Row = dict[str, Any]


def names() -> list[str]:
    """The smallest model of each family, by multiply-accumulates; the smallest first."""
    return [variant.name for variant in smallest_of_families(lambda variant: variant.macs)]


def measure(name: str, photographs: Path) -> Row:
    """The row of a name, with random weights, on crops of photographs."""
    source = edgeport.load(name, weights="random")
    source = dataclasses.replace(source, graph=source.graph().clone)  # torch.export once
    row: Row = {"name": name}
    options: dict[str, Any] = {
        "validation": photographs / "validation",
        "num_validation_samples": NUM_VALIDATION,
        "benchmark": False,
    }
    with tempfile.TemporaryDirectory() as folder:
        for precision in FLOATS:
            try:
                made = edgeport.export(source, "coreai", precision=precision, output_dir=folder, **options)
            except edgeport.EdgeportError as e:
                row[precision] = {"error": str(e)}
            else:
                row[precision] = facts(made)
        calibration = {"calibration": photographs / "calibration", "num_calibration_samples": NUM_CALIBRATION}
        both = edgeport.export_all(
            source, TARGETS, precision="int8", output_dir=folder, effort="fast", **calibration, **options
        )
        for target, result in zip(TARGETS, both, strict=True):
            failed = isinstance(result, edgeport.ExportFailure)
            row["int8" if target == "coreai" else f"{target} int8"] = (
                {"error": result.error} if failed else facts(result)
            )
    return row


def facts(made: edgeport.ExportResult) -> Row:
    """What a cell says of an artifact."""
    agreement = made.agreement
    assert agreement is not None, "the artifact was validated"
    return {
        "max_abs_over_std": float(f"{agreement.max_abs_over_std:.2g}"),
        "snr_db": round(agreement.snr_db, 1),
        "verdict": made.verdict,
    }


def main(arguments: Sequence[str]) -> None:
    done = {row["name"] for row in journal.read(ROWS)}
    with tempfile.TemporaryDirectory() as folder:
        write_photographs(Path(folder))
        for name in arguments or names():
            if name not in done:
                row = measure(name, Path(folder))
                journal.append([row], ROWS)
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
