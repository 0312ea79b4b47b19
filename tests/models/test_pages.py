"""The generated pages are up to date, and the counts that they explain are the zoo's."""

import csv

import pytest
from edgeport.models import get_variant, list_models

from benchmarks import models_page

with models_page.STATED.open(encoding="utf-8") as file:
    STATED = list(csv.DictReader(file))


def test_models_page_is_up_to_date():
    assert models_page.PAGE.read_text(encoding="utf-8") == models_page.page(), "run `make tables`"


@pytest.mark.parametrize("row", [row for row in STATED if row["name"] in list_models()], ids=lambda row: row["name"])
def test_stated_counts(row):
    count, variant = int(row["params"]), get_variant(row["name"])
    if variant.num_classes == 1000:  # a paper gives its count to three digits
        assert variant.params == (count if count % 1_000_000 else pytest.approx(count, rel=0.02))
    assert row["params"] != row["stated_params"]
    assert row["reason"]
