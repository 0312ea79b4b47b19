"""Faults planted in the lowerings are reported: by an error, or by a verdict."""

import mutants
import pytest


@pytest.mark.parametrize("target", mutants.FAMILIES)
def test_a_few_planted_faults_are_reported(target):
    outcomes = list(mutants.run(target, 2, seed=5, families=("pool", "resize")))
    assert [outcome.kind for outcome in outcomes] == ["reported"] * 2, outcomes


@pytest.mark.exhaustive
@pytest.mark.parametrize("target", mutants.FAMILIES)
def test_nearly_every_planted_fault_is_reported(target):
    outcomes = list(mutants.run(target, 20, seed=0))
    assert sum(outcome.kind == "reported" for outcome in outcomes) >= 19, outcomes
