"""Trained networks: the task, a network for real, what fails, going on after an interruption, the page."""

import json
from itertools import combinations

import numpy as np
import pytest
from edgeport.models import list_models

from benchmarks.peers.process import Failed
from benchmarks.trained import __main__ as command
from benchmarks.trained import networks, page, photographs, results

DROP = {"images": 2000, "float_top1": 0.9, "drop": 0.002, "drop_error": 0.001, "agreement": 0.99, "snr_db": 30.0}
STEP = {
    "change": "",
    "kept_float": [],
    "figure": 0.0025,
    "met": False,
    "snr_db": 31.0,
    "median_ms": 0.5,
    "ratio": 0.6,
    "note": "",
    "chosen": False,
}
BUDGET = {
    "ratio": 0.7,
    "kept_float": 2,
    "budget": {"met": True, "reached": 0.0, "steps": 1, "problem": ""},
    "frontier": [STEP, STEP | {"change": "+ stem", "kept_float": ["a", "b"], "figure": 0.0, "chosen": True}],
    "test": DROP,
}


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Where all files go instead."""
    monkeypatch.setattr(results, "RESULTS", tmp_path / "accuracy.jsonl")
    monkeypatch.setattr(page, "PAGE", tmp_path / "accuracy.md")
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    return tmp_path


def test_the_networks_are_in_no_list():
    assert len(networks.NETWORKS) >= 6
    assert not {networks.model_name(name) for name in networks.NETWORKS} & set(list_models())


def test_the_classes_are_in_the_order_of_folders():
    assert list(photographs.NAMES) == sorted(photographs.NAMES)


def test_no_tile_serves_two_purposes():
    turns = {split: set(turns) for split, (turns, _) in photographs.SPLITS.items()}
    assert turns["train"] == turns["calibration"]
    assert all(not turns[a] & turns[b] for a, b in combinations(("train", "validation", "test"), 2))


def test_draws_differ_and_come_from_the_same_tiles(monkeypatch):
    monkeypatch.setitem(photographs.SPLITS, "calibration", ((0, 1, 3, 4), 4))
    first, other, again = (list(photographs.crops("calibration", draw)) for draw in (0, 1, 1))
    assert [label for _, label in first] == [label for _, label in other]
    assert not any(np.array_equal(a, b) for (a, _), (b, _) in zip(first, other, strict=True))
    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(other, again, strict=True))


def test_the_crops_are_the_same_each_time(monkeypatch):
    monkeypatch.setitem(photographs.SPLITS, "test", ((5,), 2 * len(photographs.NAMES)))
    first, again = (list(photographs.crops("test")) for _ in range(2))
    assert [label for _, label in first] == 2 * list(range(len(photographs.NAMES)))
    assert all((a == b).all() for (a, _), (b, _) in zip(first, again, strict=True))
    assert {pixels.shape for pixels, _ in first} == {(64, 64, 3)}
    assert min(float(np.std(pixels)) for pixels, _ in first) > 1, "none is empty"


def test_a_network_for_real(monkeypatch, tmp_path):
    """Training, material, an artifact and its score, with few crops; the weights are the same each time."""
    from benchmarks.peers import ours
    from benchmarks.peers.material import Material, Request
    from benchmarks.trained import reference, score, training

    for split, count in (("train", 128), ("calibration", 19), ("test", 38)):
        monkeypatch.setitem(photographs.SPLITS, split, (photographs.SPLITS[split][0], count))
    first, again = (training.train("resnet", epochs=1) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first.parameters(), again.parameters(), strict=True))
    material = Material(networks.model_name("resnet"), tmp_path)
    training.save(first, material.weights)
    reference.write("resnet", tmp_path)
    artifact = ours.convert(ours.load(material), Request(material, "tflite", "int8", tmp_path))
    facts = score.facts(material, artifact)
    assert facts["images"] == 38
    assert facts["snr_db"] > 15
    assert abs(facts["drop"]) < 0.1


def test_it_goes_on_where_it_stopped(monkeypatch):
    done = []

    def outcome(network, material, format_, peer):
        done.append((network, format_, peer))
        if len(done) == 6:
            raise KeyboardInterrupt
        return dict(DROP)

    monkeypatch.setattr(command.photographs, "write", lambda folder: None)
    monkeypatch.setattr(command, "prepare_material", lambda network, material: iter(()))
    monkeypatch.setattr(command, "try_peer", outcome)
    monkeypatch.setattr(command, "try_budget", lambda *_: dict(BUDGET))
    asked = ["vit", "levit", "--formats", "tflite", "onnx"]
    with pytest.raises(KeyboardInterrupt):
        command.main(asked)
    assert command.main(asked) == 0
    assert len(done) == len(set(done)) + 1 == 9, "of ours, litert_torch and onnxruntime"
    assert command.main([*asked, "--peers", "ours", "--no-budget", "--again"]) == 0
    assert len(done) == 13
    assert len(results.read().budgets) == 2


def test_what_cannot_be_made(monkeypatch, tmp_path):
    """The sentence, in the place of the figures."""

    def no(*_, **__):
        raise Failed("not done after 1800 s")

    monkeypatch.setattr(command, "answer", no)
    material = command.Material("vit", tmp_path)
    assert command.try_peer("vit", material, "tflite", "ours") == {"error": "not done after 1800 s"}
    assert command.try_budget("vit", material, "tflite", tmp_path) == {"error": "not done after 1800 s"}


def test_a_network_that_does_not_exist(capsys):
    with pytest.raises(SystemExit):
        command.main(["vgg", "--render"])
    assert "there is no network 'vgg'; there are resnet" in capsys.readouterr().err


def test_page():
    def drop(network, format_, peer, **facts):
        return {"network": network, "format": format_, "peer": peer, **facts}

    lines = [
        drop("vit", "tflite", "ours", **DROP),
        drop("levit", "tflite", "ours", **DROP | {"drop": -0.001}),
        drop("vit", "tflite", "litert_torch", **DROP | {"drop": 0.02}),
        drop("levit", "tflite", "litert_torch", error="RuntimeError: no"),
        {"network": "vit", "target": "tflite", **BUDGET},
        {"network": "levit", "target": "onnx", "error": "not done after 1800 s"},
    ]
    for line in lines:
        results.append(line)
    results.append({"network": "vit", "format": "tflite", "draw": 1} | DROP | {"snr_db": 28.5})
    text = page.page(results.read())
    assert "| vit | TFLite | 1 | 30.0 | 28.5 | -1.5 | 99.00 | 99.00 | 0.20 ± 0.10 |" in text
    assert "The mean of 2 is 0.05 points" in text
    assert "the worst is 0.20, " in text
    kind = networks.NETWORKS["vit"].kind
    assert f"| vit | {kind} | 90.00 | 0.20 ± 0.10 | **2.00 ± 0.10** |" in text
    assert "| worst |  |  | 0.20 | 2.00 |" in text
    assert "`edgeport export --int8 --max-drop 0`: 1 of 1 are met" in text
    assert "| vit | TFLite | met | 0.00 | 2 | 1 | 0.70 | 0.20 ± 0.10 |" in text
    assert "| vit | TFLite | **+ stem** | 2 | 0.00 | 31.0 | 0.500 | 0.60 |  |" in text
    assert "| levit | tflite | litert_torch | RuntimeError: no |" in text
    assert "| levit | onnx | --max-drop 0 | not done after 1800 s |" in text
    assert json.loads(json.dumps(lines)) == lines


def test_the_committed_page_is_of_the_committed_results(monkeypatch):
    root = command.Path(command.__file__).parents[2]
    monkeypatch.setattr(results, "RESULTS", root / "benchmarks" / "results" / "accuracy.jsonl")
    committed = (root / "docs" / "generated" / "accuracy.md").read_text()
    assert committed == page.page(results.read()), "run `python -m benchmarks.trained --render`"
