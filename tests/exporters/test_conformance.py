"""ONNX's node tests on every target: each passes, or the table says why not. See conformance.py."""

import json

import pytest
from conformance import PAGE, TABLE, WRONG, run
from conformance_page import TARGETS, listed, page
from node_tests import cases

TURNS = 12  # of which the usual run takes one


@pytest.fixture(scope="module")
def table():
    if not TABLE.exists():
        pytest.skip("`python tests/conformance.py` writes the table")
    return json.loads(TABLE.read_text())


@pytest.mark.parametrize("turn", [0, *(pytest.param(turn, marks=pytest.mark.exhaustive) for turn in range(1, TURNS))])
@pytest.mark.parametrize("target", TARGETS)
def test_cases_end_as_the_table_says(target, turn, table):
    names = list(cases())[turn::TURNS]
    names = [name for name in names if listed(table, name, target) not in ("crash", "hang")]
    ends = {name: run(name, target).partition("; known ops")[0] for name in names}
    assert ends == {name: listed(table, name, target) for name in names}


def test_nothing_that_we_write_is_silently_wrong(table):
    """But for what OpenVINO makes of the right graph itself, which has its reason."""
    rows = {(name, target): listed(table, name, target) for name in table for target in TARGETS}
    known = {f"wrong: {why}" for why in WRONG.values()}
    bad = {place: row for place, row in rows.items() if row.startswith(("wrong", "crash", "hang", "bug"))}
    assert not {place: row for place, row in bad.items() if place[1] != "openvino" or row not in known}


def test_the_page_is_the_table(table):
    assert PAGE.read_text() == page(table)
