"""ONNX's node tests on every target: each passes, or the table says why not. See conformance.py."""

import json

import pytest
from conformance import PAGE, TABLE, WRONG, run
from conformance_page import TARGETS, counted_names, listed, page, passing
from edgeport.targets.registry import get_target
from node_tests import cases, operator

TURNS = 12  # in which the complete run takes the cases
SAMPLE = tuple({operator(name): name for name in cases()}.values())  # the last case of each operator
PARTS = [SAMPLE, *(tuple(cases())[turn::TURNS] for turn in range(TURNS))]


@pytest.fixture(scope="module")
def table():
    return json.loads(TABLE.read_text())


@pytest.mark.parametrize("part", [0, *(pytest.param(i, marks=pytest.mark.exhaustive) for i in range(1, len(PARTS)))])
@pytest.mark.parametrize("target", TARGETS)
def test_cases_end_as_the_table_says(target, part, table):
    if get_target(target).missing():
        pytest.skip(f"{target} needs {' and '.join(get_target(target).missing())}")
    names = [name for name in PARTS[part] if listed(table, name, target) not in ("crash", "hang")]
    ends = {name: run(name, target).partition("; known ops")[0] for name in names}
    assert ends == {name: listed(table, name, target) for name in names}


def test_nothing_is_silently_wrong(table):
    """But for what OpenVINO makes of the right graph itself, which has its reason."""
    rows = {(name, target): listed(table, name, target) for name in table for target in TARGETS}
    known = {f"wrong: {why}" for why in WRONG.values()}
    bad = {place: row for place, row in rows.items() if row.startswith(("wrong", "crash", "hang", "bug"))}
    assert not {place: row for place, row in bad.items() if place[1] != "openvino" or row not in known}


def test_enough_pass(table):
    """Of the static cases of real numbers and of operators that edgeport takes."""
    counted = counted_names(table)
    for target in TARGETS:
        assert passing(table, counted, target) >= 0.95 * len(counted), target


def test_the_page_is_the_table(table):
    assert PAGE.read_text() == page(table)
