"""The names: what is listed, what is refused, and that listing costs no heavy import."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from edgeport.models import (
    UnknownModel,
    create_model,
    get_variant,
    index,
    lenet,
    list_models,
    register,
    registry,
    reindex,
)
from references import REFERENCES

FAMILIES = sorted(REFERENCES)


def test_list_is_sorted_complete_and_without_test_variants():
    names = list_models()
    assert names == sorted(set(names))
    assert set(names) == {v.name for v in index.VARIANTS if not v.name.endswith("_test")}
    assert {get_variant(n).family for n in names} == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_list_of_a_family(family):
    assert list_models(family) == [n for n in list_models() if get_variant(n).family == family] != []


STALE = "run `python -m edgeport.models.reindex`"


def test_index_has_every_variant():
    assert [replace(v, params=0, macs=0) for v in index.VARIANTS] == reindex.list_registered(), STALE


@pytest.mark.parametrize("name", [its.sampled[0] for its in REFERENCES.values() if its.sampled])
def test_index_counts(name):
    assert get_variant(name) == reindex.count_variant(get_variant(name)), STALE


@pytest.mark.exhaustive
def test_index_is_up_to_date():
    assert Path(index.__file__).read_text(encoding="utf-8") == reindex.render(), STALE


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("mobilevit_l", "mobilevit_s"),
        ("MobileNetV2_100", "mobilenetv2_100"),
        ("mobilenetv2_100.ra_in1k", "mobilenetv2_100"),
        ("resnet-18", "resnet18"),
        ("vit_tiny", "vit_tiny_patch16_224"),
    ],
)
def test_unknown_model_names_the_nearest(name, nearest):
    for ask in (get_variant, create_model):
        with pytest.raises(UnknownModel, match=nearest) as e:
            ask(name)
        assert "\n" not in str(e.value)
        assert "_test" not in str(e.value)


def test_unknown_without_anything_near():
    with pytest.raises(UnknownModel, match="edgeport list"):
        create_model("qqqqqqqqqqqqq")
    with pytest.raises(UnknownModel, match="mobilevit"):
        list_models("mobilvit")


def test_num_classes():
    assert create_model("vit_test", num_classes=7).head.out_features == 7
    assert not create_model("vit_test").training
    with pytest.raises(ValueError, match="0 or more"):
        create_model("vit_test", num_classes=-1)


def test_registering_twice_names_both_places():
    with pytest.raises(ValueError, match=r"lenet\.py:\d+ and at .*test_registry\.py:\d+"):
        register("lenet5", lenet.LeNet, lenet.VARIANTS["lenet5"], paper="")


def test_a_users_own_variant(monkeypatch):
    monkeypatch.setattr(registry, "_recipes", dict(registry._recipes))
    register("lenet_wide", lenet.LeNet, lenet.Cfg(image=32, c1=8, c3=16), paper="none", num_classes=3)
    assert "lenet_wide" in list_models()
    assert get_variant("lenet_wide").num_classes == create_model("lenet_wide").output.out_features == 3


def test_listing_imports_nothing_heavy():
    code = (
        "import sys, edgeport.models as m; m.list_models(); m.get_variant('mobilevit_s')\n"
        "print([x for x in ('torch', 'numpy', 'PIL', 'safetensors', 'onnx') if x in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_lazy_names():
    import edgeport.models as models

    assert all(getattr(models, name) for name in models.__all__)
    with pytest.raises(AttributeError, match="no_such"):
        models.no_such  # noqa: B018
