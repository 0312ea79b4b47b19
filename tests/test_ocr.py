"""PP-OCR's trained networks: they pass in float on every target, and in int8 they still find and read text."""

import edgeport
import numpy as np
import pytest
from edgeport.targets.registry import everyday_targets

from benchmarks.ocr.__main__ import measure
from benchmarks.ocr.networks import NETWORKS, TARGETS, alphabet, read
from benchmarks.ocr.pictures import FONTS, LINE, as_input, lines, pages, words

FEW = {"calibration": 48, "test": 60}  # of which a line is 1.7 points
installed = pytest.mark.skipif(
    NETWORKS["recogniser"].path is None,
    reason="rapidocr-onnxruntime is not in .venv/clients (`make test`)",
)


def test_what_calibrates_is_not_what_tests():
    assert not set(FONTS["calibration"]) & set(FONTS["test"])
    theirs = {part.lower() for name in words("calibration") for part in name.split()}
    assert not theirs & {part.lower() for name in words("test") for part in name.split()}
    assert min(len(words(split)) for split in FONTS) > 100


def test_the_pictures_are_the_same_each_time():
    first, again = (list(lines("test", 6)) for _ in range(2))
    assert [line.text for line in first] == [line.text for line in again]
    assert all((a.pixels == b.pixels).all() for a, b in zip(first, again, strict=True))
    (page,), (other,) = (list(pages("test", 1)) for _ in range(2))
    assert (np.asarray(page) == np.asarray(other)).all()
    assert as_input(first[0].pixels, LINE).shape == (1, *LINE)


@installed
def test_repetitions_and_blanks_are_not_read():
    a, b = alphabet().index("a"), alphabet().index("b")
    places = np.eye(len(alphabet()), dtype=np.float32)[[a, a, 0, a, b, b, 0]]
    assert read(places[None]) == "aab"


@installed
def test_the_recogniser_reads_the_lines():
    """Else strings that are as in float would say nothing."""
    session, told = edgeport.open_session(NETWORKS["recogniser"].path), list(lines("test", 60))
    read_ = [read(next(iter(session.run({"x": as_input(line.pixels, LINE)}).values()))) for line in told]
    right = [got.replace(" ", "") == line.text.replace(" ", "") for got, line in zip(read_, told, strict=True)]
    assert np.mean(right) > 0.9


@installed
@pytest.mark.parametrize("name", NETWORKS)
def test_float_passes_on_every_target(name, tmp_path):
    network = NETWORKS[name]
    source = edgeport.load(str(network.path), input_shape=network.shape)
    inputs = list(network.inputs("test", 2))
    results = edgeport.export_all(
        source,
        everyday_targets(),
        validation=inputs,
        num_validation_samples=2,
        benchmark=False,
        output_dir=tmp_path,
    )
    assert not [each for each in results if isinstance(each, edgeport.ExportFailure)]
    assert not {each.target: each.verdict for each in results if each.verdict.startswith("fail")}


@installed
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NETWORKS)
def test_int8_still_reads(name, tmp_path):
    network = NETWORKS[name]
    found = measure(network, TARGETS, network.counts, str(tmp_path))
    assert {target for target, facts in found.items() if not facts.get("agree", 0) >= network.least[target]} == set()


@installed
def test_int8_reads_in_a_minute(tmp_path):
    """The same of one, with few lines."""
    (facts,) = measure(NETWORKS["recogniser"], ["openvino"], FEW, str(tmp_path)).values()
    assert not facts["verdict"].startswith("fail")
    assert facts["agree"] >= 0.9
