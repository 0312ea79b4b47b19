"""Render what int8 costs the networks of tasks: docs/generated/tasks.md."""

from collections.abc import Sequence
from typing import Any

from benchmarks.matrix_page import table
from benchmarks.peers.environments import ROOT
from benchmarks.trained_tasks.material import CALIBRATION, TEST

PAGE = ROOT / "docs" / "generated" / "tasks.md"
FIGURES = {"detect": "AP@[.5:.95]", "segment": "mIoU", "keypoints": "PCK"}
COLUMNS = ["task", "figure", "target", "float", "int8", "points lost", "against float", "SNR dB", "time over float"]
TEXT = f"""\
# What int8 costs detectors and others

Written by `python -m benchmarks.trained_tasks`; do not edit. Small networks, trained in minutes on shapes and figures
that are drawn on crops of photographs, calibrated on {CALIBRATION[1]} such pictures with default effort, and measured
on {TEST[1]} others on photographs that training never saw. Truth is what was drawn. The column against float is the
same figure with the float network's answers for the truth.
"""


def write(rows: Sequence[dict[str, Any]]) -> None:
    """Replaces the page."""
    PAGE.write_text("\n".join([TEXT, *table(COLUMNS, map(_cells, rows)), ""]), encoding="utf-8")


def _cells(row: dict[str, Any]) -> list[str]:
    ratio = row["time_over_float"]
    return [
        row["task"],
        FIGURES[row["task"]],
        row["target"],
        f"{100 * row['float']:.2f}",
        f"{100 * row['int8']:.2f}",
        f"{100 * (row['float'] - row['int8']):+.2f}",
        f"{100 * next(iter(row['against_float'].values())):.2f}",
        f"{row['snr_db']:.1f}",
        "" if ratio is None else f"{ratio:.2f}",
    ]
