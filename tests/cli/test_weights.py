"""Public weights from the command line, from a server on this machine; heads for another number of classes."""

import argparse
import hashlib
import json
import shutil
import time

import pytest
import torch
from edgeport.models import Checkpoint, checkpoints, create_model, redraw
from safetensors.torch import save

FAST = ("--no-benchmark", "--num-validation-samples", "2", "--json")


@pytest.fixture
def published(server, cache, monkeypatch):
    """Made-up public weights of lenet5 on the server; the state dict."""
    model = create_model("lenet5")
    redraw(model, seed=9, input_size=(1, 32, 32))
    content = save(model.state_dict())
    server.files = {"timm/lenet5.one/model.safetensors": content, "w/lenet5.pth": content}
    rows = (
        Checkpoint(model="lenet5", tag="one", source="timm/lenet5.one", licence="mit"),
        Checkpoint(
            model="lenet5", tag="two", source="timm/lenet5.one", licence="mit", differs={"mean": (0.5,), "std": (0.25,)}
        ),
    )
    monkeypatch.setattr(checkpoints, "CHECKPOINTS", rows)
    return content


def manifest(outcome):
    with open(json.loads(outcome.out)["manifest"]) as file:
        return json.load(file)


@pytest.mark.parametrize(
    ("weights", "mean"),
    [("pretrained", 0.1 / 1.275), ("auto", 0.1 / 1.275), ("lenet5.two", 0.5), ("timm/lenet5.one", 0.1 / 1.275)],
)
def test_export(edgeport, published, weights, mean):
    done = edgeport("export", "lenet5", "--weights", weights, *FAST)
    assert (done.code, "RANDOM" in done.err) == (0, False)
    facts = manifest(done)
    assert facts["weights"] == {
        "source": "timm/lenet5.one",
        "sha256": hashlib.sha256(published).hexdigest(),
        "seed": None,
        "key": "",
    }
    assert facts["inputs"][0]["mean"] == [pytest.approx(mean)]
    assert edgeport("validate", "artifacts/lenet5/lenet5_fp32.tflite", "--num-validation-samples", "2").code == 0


def test_auto_goes_on_without_a_network(edgeport, published, monkeypatch, closed_port):
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port}")
    done = edgeport("export", "lenet5", *FAST)
    assert done.code == 0
    assert f"no public weights: 127.0.0.1:{closed_port} cannot be reached" in done.err
    assert json.loads(done.out)["weights"] == "RANDOM (seed 0)"
    assert edgeport("export", "lenet5", "--weights", "pretrained", *FAST).code == 2


def test_auto_gives_up_within_five_seconds(edgeport, published, server):
    server.stall = -1
    start = time.monotonic()
    outcome = edgeport("weights", "fetch", "lenet5")
    assert time.monotonic() - start < 6.5  # 5, and a slow machine's own time
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("export", "lenet1", "--weights", "pretrained"), "there are no public weights of lenet1"),
        (("export", "lenet5", "--weights", "lenet5.three"), "lenet5.three is not a weights file"),
        (("export", "lenet5", "--weights", "resnet18.a1_in1k"), "is not a weights file"),
        (("weights", "fetch", "lenet5.three"), "there are: lenet5.one, lenet5.two"),
        (("weights", "fetch", "lenet6"), "there is no model 'lenet6'"),
        (("weights", "fetch"), "weights fetch: which?"),
        (("weights", "list", "lenet6"), "there is no model 'lenet6'"),
    ],
)
def test_refuses(edgeport, published, arguments, sentence):
    done = edgeport(*arguments)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert done.err.count("\n") == 1


def test_list_and_fetch(edgeport, published, cache):
    rows = json.loads(edgeport("weights", "list", "--json").out)
    assert [(row["name"], row["cached"]) for row in rows if row["model"] == "lenet5"] == [
        ("lenet5.one", False),
        ("lenet5.two", False),
    ]
    fetched = json.loads(edgeport("weights", "fetch", "lenet5.two", "--json").out)
    assert fetched["path"] == str(cache / "timm/lenet5.one/model.safetensors")
    assert fetched["sha256"] == hashlib.sha256(published).hexdigest()
    assert fetched["differs"] == {"mean": [0.5], "std": [0.25]}
    assert edgeport("weights", "list", "lenet5").out.count("yes") == 2
    assert edgeport("weights", "fetch", "lenet5").out.strip() == fetched["path"]


def test_a_new_head(edgeport, published, given):
    drawn = []
    for weights in ("pretrained", given / "lenet5.pth"):
        done = edgeport("export", "lenet5", "--weights", weights, "--num-classes", "4", *FAST)
        assert done.code == 0
        assert (
            "a new classifier head for 4 classes, with RANDOM weights (seed 0) in output.weight, output.bias"
            in done.err
        )
        drawn.append(manifest(done))
    assert [facts["num_classes"] for facts in drawn] == [4, 4]
    assert {facts["weights"]["seed"] for facts in drawn} == {0}
    assert edgeport("validate", "artifacts/lenet5/lenet5_fp32.tflite", "--num-validation-samples", "2").code == 0


def test_a_head_that_fits_is_kept(edgeport, given):
    done = edgeport("export", "lenet5", "--weights", given / "lenet5.pth", "--num-classes", "10", *FAST)
    assert (done.code, "head" in done.err) == (0, False)
    done = edgeport("export", "lenet5", "--weights", given / "lenet1.pth", "--num-classes", "4", *FAST)
    assert done.code == 2
    assert "does not fit" in done.err


def test_checkpoints_of_other_class_counts(edgeport, published, server, monkeypatch):
    """Weights whose table says 7 classes make a model of 7 classes."""
    model = create_model("lenet5", num_classes=7)
    redraw(model, input_size=(1, 32, 32))
    server.files["timm/lenet5.seven/model.safetensors"] = save(model.state_dict())
    row = Checkpoint(model="lenet5", tag="seven", source="timm/lenet5.seven", licence="mit", differs={"num_classes": 7})
    monkeypatch.setattr(checkpoints, "CHECKPOINTS", (row,))
    done = edgeport("export", "lenet5", "--weights", "pretrained", *FAST)
    assert done.code == 0
    assert manifest(done)["outputs"][0]["shape"] == [1, 7]
    assert "RANDOM" not in done.err


def test_an_average_is_taken_and_said_and_taken_again(edgeport, given, tmp_path):
    plain = torch.load(given / "lenet5.pth", weights_only=True)
    average = {name: 0.9 * tensor for name, tensor in plain.items()}
    torch.save({"model": plain, "model_ema": average, "args": argparse.Namespace()}, tmp_path / "last.pth")
    export = ("export", "lenet5", "--weights", "last.pth", *FAST)
    validate = ("validate", "artifacts/lenet5/lenet5_fp32.tflite", "--num-validation-samples", "2", "--quiet")
    done = edgeport(*export)
    assert done.code == 0
    said = "last.pth: took 'model_ema', an average of the weights (EMA), not 'model'; --weights-key chooses"
    assert said in done.err
    assert json.loads(done.out)["warnings"] == [said]
    assert manifest(done)["weights"]["key"] == "model_ema"
    assert edgeport(*validate).code == 0
    assert edgeport(*validate, "--weights-key", "model").code == 4
    done = edgeport(*export, "--weights-key", "model")
    assert manifest(done)["weights"]["key"] == "model"
    assert "model_ema" not in done.err
    assert edgeport(*validate).code == 0
    assert edgeport(*validate, "--weights-key", "model_ema").code == 4


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--weights-key", "model"), "--weights-key is for a file of weights; name it by --weights, which is auto"),
        (("--weights", "lenet5.pth", "--weights-key", "no"), "lenet5.pth holds no tensors by name under 'no'"),
        (("--weights", "whole.pth"), "holds a whole pickled module (edgeport.models.lenet.LeNet)"),
    ],
)
def test_a_key_or_file_that_is_not_of_weights(edgeport, given, tmp_path, options, sentence):
    shutil.copy(given / "lenet5.pth", tmp_path)
    torch.save(create_model("lenet5"), tmp_path / "whole.pth")
    done = edgeport("export", "lenet5", *options)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert sentence in done.err
