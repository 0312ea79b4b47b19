"""The tables of public weights: complete, well-formed, and what timm says."""

from pathlib import Path

import pytest
from edgeport.models import checkpoints, get_variant, list_checkpoints, list_models
from edgeport.models.official import OFFICIAL

STALE = "run `make tables`"


def test_table_is_what_timm_says(timm):
    from edgeport.models import recheckpoint

    assert Path(checkpoints.__file__).read_text(encoding="utf-8") == recheckpoint.render(), STALE


def test_names_are_unique():
    names = [each.name for each in list_checkpoints()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("model", [name for name in list_models() if list_checkpoints(name)])
def test_rows(model):
    for row in list_checkpoints(model):
        assert all(getattr(get_variant(model), key) != value for key, value in row.differs.items()), row.name
        assert row.variant.num_classes > 1
        assert row.licence
        assert row.on_hub or row.source.startswith("https://")


def test_preprocessing_of_the_default_is_the_variants(timm):
    """Where timm's default tag has weights on the hub, they come first and need nothing else than the variant says."""
    for model in list_models():
        theirs = timm.get_pretrained_cfg(model) if timm.is_model(model) else None
        if theirs is not None and (theirs.hf_hub_id or "").startswith("timm/") and theirs.num_classes > 0:
            first = list_checkpoints(model)[0]
            assert (first.source, set(first.differs) - {"num_classes"}) == (theirs.hf_hub_id, set()), model


@pytest.mark.parametrize("row", OFFICIAL, ids=lambda row: row.name)
def test_checksum_is_in_the_name(row):
    if "download.pytorch.org" in row.source:
        assert len(row.sha256) >= 8
        assert row.source.endswith(f"-{row.sha256}.pth")
