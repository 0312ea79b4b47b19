"""A network with real weights says what is on photographs: in PyTorch, on every target, after int8, in the README."""

from pathlib import Path

import demo
import edgeport
import pytest
from edgeport.models import WeightsError, create_model, imagenet_classes, load_weights

SEEN = ("tiger cat", "espresso", "tripod", "palace", "missile")
TARGETS = [name for name in edgeport.list_targets() if name != "coreai"]  # which `make demo` does not install


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The table of `make demo`: {"tflite int8": its cells}."""
    return {name: cells for name, *cells in demo.name_photographs(tmp_path_factory.mktemp("demo"), TARGETS)}


def names(cells):
    """Without how sure it is, and without the SNR."""
    return tuple(cell.rpartition(" ")[0] for cell in cells[: len(SEEN)])


def test_pytorch_knows_the_photographs(rows):
    assert names(rows["PyTorch"]) == SEEN


@pytest.mark.parametrize("target", TARGETS)
def test_float_answers_are_the_same(rows, target):
    assert rows[f"{target} fp32"][: len(SEEN)] == rows["PyTorch"][: len(SEEN)]
    assert int(rows[f"{target} fp32"][-1].removesuffix(" dB")) > 80


@pytest.mark.parametrize("target", TARGETS)
def test_int8_answers_are_the_same(rows, target):
    cat, *others = names(rows[f"{target} int8"])
    assert cat in ("tiger cat", "Egyptian cat", "tabby")  # PyTorch itself is in doubt
    assert tuple(others) == SEEN[1:]
    assert int(rows[f"{target} int8"][-1].removesuffix(" dB")) >= 18


def test_answers_are_the_same_on_a_microcontroller(tmp_path):
    pytest.importorskip("tflite_micro", reason="tflite-micro is for Linux on x86-64")
    demo.write_crops(demo.UNNAMED, 24, tmp_path / "unnamed")
    result = edgeport.export(
        edgeport.load(demo.CLASSIFIER, weights=demo.imagenet_weights()),
        "tflite",
        precision="int8",
        profile="micro",
        calibration=tmp_path / "unnamed",
        effort="fast",
        benchmark=False,
        validate=False,
        output_dir=tmp_path,
    )
    session = edgeport.open_session(result.path)
    assert session.runtime.startswith("tflite-micro ")
    cat, *others = (each.rpartition(" ")[0] for each in demo.top1(session))
    assert cat in ("tiger cat", "Egyptian cat", "tabby")  # PyTorch itself is in doubt
    assert tuple(others) == SEEN[1:]


def test_the_readme_shows_the_table(rows):
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    for name, cells in rows.items():
        if name == "photograph" or "fp32" in name or name == "PyTorch":
            assert all(cell in readme for cell in cells if "dB" not in cell), name
        assert f"    {name} " in readme


def test_weights_are_for_the_variant_that_pads_as_they_were_trained():
    with pytest.raises(WeightsError, match=r"they fit tf_efficientnet_lite0$"):
        load_weights(create_model("efficientnet_lite0"), demo.imagenet_weights())


def test_class_names():
    classes = imagenet_classes()
    assert len(set(classes)) == len(classes) == 1000
    assert [classes[i] for i in (0, 134, 281, 285, 517, 999)] == [
        *("tench", "crane bird", "tabby", "Egyptian cat", "crane", "toilet tissue")
    ]
