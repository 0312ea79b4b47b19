"""The gate on instructions: what it compares, and the files that it counts. valgrind itself: make instructions."""

import json
from pathlib import Path

import edgeport
import numpy as np
import pytest

from benchmarks.instructions.__main__ import ARTIFACTS, DATA
from benchmarks.instructions.compare import Change, describe, find_changes, is_dearer, missing
from benchmarks.instructions.count import cut


@pytest.mark.parametrize(("now", "dearer"), [(100_000, False), (103_000, False), (103_001, True), (90_000, False)])
def test_three_percent_are_the_limit(now, dearer):
    assert is_dearer(100_000, now) == dearer


def test_the_operator_that_did_it_is_named():
    before = [("a", "CONV_2D int8 1x8x8x4"), ("b", "LOGISTIC int8 1x8x8x4"), ("gone", "ADD int8 1x4")]
    now = [("a", "CONV_2D int8 1x8x8x4"), ("b", "LOGISTIC float32 1x8x8x4"), ("b_t", "TRANSPOSE float32 1x4x8x8")]
    changes = find_changes(before, now)
    assert changes == [
        Change(1, "b", "LOGISTIC int8 1x8x8x4", "LOGISTIC float32 1x8x8x4"),
        Change(2, "b_t", "", "TRANSPOSE float32 1x4x8x8"),
    ]
    said = describe("net int8", 1550, 2101, dict(zip(changes, (200, 400), strict=True)))
    assert said.splitlines() == [
        "net int8: 2,101 instructions instead of 1,550 (+35.5%)",
        "  'b_t': TRANSPOSE float32 1x4x8x8 costs 400, new",
        "  'b': LOGISTIC float32 1x8x8x4 costs 200, before LOGISTIC int8 1x8x8x4",
    ]
    assert find_changes(before, before[:2]) == []
    assert "no operator is new" in describe("net int8", 100, 110, {})
    assert missing({"a": 1, "b": 2}, {"b": 2, "c": 3}) == ["a", "c"]


def test_the_counts_in_the_repository_are_of_the_ten_files():
    kept = json.loads(DATA.read_text())
    assert list(kept["artifacts"]) == [f"{model} {precision}" for model, precision in ARTIFACTS]
    assert len(ARTIFACTS) == 10
    for name, entry in kept["artifacts"].items():
        assert entry["instructions"] > 100_000, name
        assert len(entry["operators"]) > 20, name


def test_a_cut_file_computes_what_the_whole_one_does_until_there(tmp_path):
    made = edgeport.export("lenet5", "tflite", weights="random", validate=False, benchmark=False, output_dir=tmp_path)
    from ai_edge_litert.interpreter import Interpreter

    whole = made.path.read_bytes()
    x = np.random.default_rng(0).standard_normal((1, 32, 32, 1)).astype(np.float32)
    results = {}
    for operators in (1, 2, 5):
        interpreter = Interpreter(model_content=cut(whole, operators))
        interpreter.allocate_tensors()
        assert len([each for each in interpreter._get_ops_details() if each["op_name"] != "DELEGATE"]) == operators
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        (output,) = interpreter.get_output_details()
        results[operators] = interpreter.get_tensor(output["index"])
    assert np.allclose(results[2], np.tanh(results[1]), atol=1e-5)
    assert results[5].shape != results[2].shape
    assert Path(made.path).read_bytes() == whole
