"""Budgets on each task's own figure: one unit that int8 spoils is found by it, and what cannot be met says so."""

import json

import pytest
import task_networks as networks
from edgeport.artifacts.exit_codes import DONE, OVER_BUDGET
from edgeport.artifacts.manifest import Manifest

FACTORY = """
import task_networks as networks
from task_networks import spoil


def detect():
    return spoil(networks.Detector("boxes"))


def segment():
    return spoil(networks.Dense("segment"))


def keypoints():
    return spoil(networks.Dense("keypoints"))


def text():
    return spoil(networks.Dense("text"))
"""
# task -> (its budget's option, a limit, the figure in words)
BUDGETS = {
    "detect": ("--min-ap", 0.7, "AP with float"),
    "segment": ("--min-miou", 0.8, "mIoU with float"),
    "keypoints": ("--min-pck", 0.8, "PCK with float"),
    "text": ("--max-string-errors", 0.3, "strings that differ"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("budgets")
    networks.write_crops(made / "calibration", 16)
    networks.write_crops(made / "validation", 32, seed=1)
    (made / "spoilt.py").write_text(FACTORY)
    return made


@pytest.fixture
def export(edgeport, folder):
    """(a task, options) -> (Outcome, the JSON object)."""

    def run(task, *options):
        side = networks.SIDE
        done = edgeport(
            *("export", f"{folder / 'spoilt.py'}:{task}", "--input-shape", f"3,{side},{side}", "--scale", "1/255"),
            *("--calibration-data", folder / "calibration", "--validation-data", folder / "validation"),
            *("--task", task, "--int8", "--effort", "fast", "--no-benchmark", "--json"),
            *options,
        )
        return done, json.loads(done.out)

    return run


@pytest.mark.parametrize("task", BUDGETS)
def test_a_budget_that_int8_alone_misses(export, task):
    option, limit, _ = BUDGETS[task]
    done, found = export(task, option, limit)
    first, *_, last = found["frontier"]
    lower_is_better = option.startswith("--max")
    assert not first["met"], found["frontier"]
    assert (first["figure"] > limit) == lower_is_better
    assert done.code == DONE, done.err
    assert last["met"]
    assert 0 < len(found["kept_float"]) < 3
    manifest = Manifest.read(found["manifest"])
    budget = manifest.budget
    assert budget.met
    assert (budget.goal, budget.limit) == (option.removeprefix("--").replace("-", "_"), limit)
    assert (budget.reached <= limit) == lower_is_better or budget.reached == limit


@pytest.mark.parametrize("task", ["segment", "keypoints", "text"])
def test_a_budget_that_cannot_be_met(export, task):
    option, _, words = BUDGETS[task]
    limit = 0 if option.startswith("--max") else 1
    done, found = export(task, option, limit, "--budget-steps", 1)
    manifest = Manifest.read(found["manifest"])
    assert done.code == OVER_BUDGET
    assert not manifest.budget.met
    assert f"over budget: {words}" in found["verdict"]
    assert "--budget-steps 1 are used up" in found["verdict"]
    assert manifest.verdict == found["verdict"]
