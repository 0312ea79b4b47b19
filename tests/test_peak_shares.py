"""The page of shares of the core's peak, and the filter that takes AMX away."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peak_shares import MODELS, page, read

ROOT = Path(__file__).parents[1]


def row(model, share, layers):
    return {
        "model": model,
        "cpu": "a CPU (AVX2), a runtime",
        "kernels_ms": 2.5,
        "mmacs": 300.4,
        "peak_gmacs_per_s": 201.0,
        "share": share,
        "products": [0.8, 0.7],
        "depthwise": [0.1, 0.05],
        "overhead": 0.1,
        "layers": layers,
    }


def test_the_page_has_the_highest_share_first_and_counts_layers():
    rows = [row("slow", 0.25, [["a", 9.0, 1, 0.49]]), row("fast", 0.6, [["a", 9.0, 1, 0.5], ["b", 9.0, 1, 0.2]])]
    lines = [line for line in page({each["model"]: each for each in rows}).splitlines() if line.startswith("|")]
    assert lines[2] == (
        "| fast | 300 | 2.50 | 201 | **60%** | 80% of time, at 70% | 10% of time, at 5% | 10% | 1 of 2 |"
    )
    assert lines[3].startswith("| slow ")
    assert lines[3].endswith("| 0 of 1 |")


def test_what_is_kept_is_of_these_models_and_adds_up():
    known = read()
    assert known.keys() <= set(MODELS)
    for each in known.values():
        assert 0 < each["share"] <= 1
        whole = sum(time * reached for time, reached in (each["products"], each["depthwise"]))
        assert whole == pytest.approx(each["share"], abs=0.01)


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="x86's, and Linux's filter")
def test_a_command_without_amx_and_its_children_get_none():
    asks = "from benchmarks.without_amx import has_amx; print(has_amx())"
    child = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {asks!r}]).returncode)"
    command = [sys.executable, "-m", "benchmarks.without_amx", sys.executable, "-c", child]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "False")
