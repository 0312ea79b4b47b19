"""Real accuracy: small networks trained here on handwritten digits, int8 files measured on digits they never saw."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from digits_network import fit
from edgeport import quantize
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.frontends.torch_module import from_torch
from edgeport.graph.edit import shape
from edgeport.models import create_model
from edgeport.quantize import apply, collect, plan
from edgeport.runtime.sessions.tflite import TFLiteSession
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK
from edgeport.targets.registry import get_target, list_targets, open_session
from edgeport.targets.target import Recipe
from tflite_convert import convert
from torch.nn import functional as F

TRAIN, CALIBRATE = 1200, 100  # of 1797; the other 597 are only looked at by the artifact
SIZE, SIZES = 32, {"levit_test": 128}  # of the images; networks that take no other
MAX_DROP = 0.005  # top-1, between the float and the int8 file


@cache
def digits(size=SIZE):
    """(images (n, 3, size, size) in -1..1, labels (n,)), shuffled."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = torch.tensor(data.images[order, None] / 8 - 1, dtype=torch.float32)  # (n, 1, 8, 8)
    images = F.interpolate(images, (size, size), mode="bilinear")
    return images.repeat(1, 3, 1, 1), torch.tensor(data.target[order])


@cache
def trained(name):
    """The canonical float graph of a network trained for a few seconds."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images, labels = digits(SIZES.get(name, SIZE))
    model = create_model(name)
    fit(model, images[:TRAIN], labels[:TRAIN], rate=5e-3)
    return canonicalize(from_torch(model.eval(), (images[:1],)))


@cache
def planned(name):
    return plan(trained(name), statistics(name), TFLITE_XNNPACK)


@cache
def statistics(name):
    return collect(trained(name), calibration(name))


def calibration(name):
    return ({"image": x[None].numpy()} for x in digits(SIZES.get(name, SIZE))[0][:CALIBRATE])


def int8(name, target):
    """The Q/DQ graph for a target with default effort."""
    kernels = get_target(target).kernels()
    graph, measured = kernels.apply_rewrites(trained(name), statistics(name))
    made = plan(graph, measured, kernels, observer="mse")
    return apply(quantize.correct_biases(graph, made, calibration(name)), made)


def top1(graph, folder, target="tflite", precision="fp32"):
    """Share of the unseen digits that the artifact of `graph` names right."""
    to = get_target(target)
    path, metadata = folder / f"{precision}{to.ending}", {"preprocess": None, "labels": None}
    recipe = Recipe(precision=precision, metadata=metadata, profile=to.profile(None), options=to.own_options({}))
    to.write(graph, path, recipe)
    session = open_session(path)
    images, labels = digits(shape(graph.graph.inputs[0])[-1])
    answers = [next(iter(session.run({"image": x[None].numpy()}).values())).argmax() for x in images[TRAIN:]]
    return float(np.mean(np.array(answers) == labels[TRAIN:].numpy()))


@pytest.mark.parametrize(
    ("name", "target"), [*(("resnet_test", target) for target in list_targets()), ("mobilenetv3_test", "tflite")]
)
def test_int8_keeps_the_accuracy(name, target, tmp_path):
    exact = top1(trained(name), tmp_path)
    assert exact > 0.93, "the network has learned to read"
    assert exact - top1(int8(name, target), tmp_path, target, "int8") <= MAX_DROP


@pytest.mark.exhaustive
@pytest.mark.parametrize("target", ["tflite", "openvino"])
def test_a_trained_levit_keeps_its_accuracy(target, tmp_path):
    """With random weights the family is the hardest for int8: its batch norms blow up what attention makes alike."""
    exact = top1(trained("levit_test"), tmp_path)
    assert exact > 0.8
    assert exact - top1(int8("levit_test", target), tmp_path, target, "int8") <= 2 * MAX_DROP


def test_without_calibration_it_is_worse(tmp_path):
    """Ranges from white noise of the wrong size instead of digits: what an uncalibrated int8 file is."""
    graph = trained("resnet_test")
    rng = np.random.default_rng(0)
    noise = ({"image": rng.normal(0, 0.05, (1, 3, SIZE, SIZE)).astype(np.float32)} for _ in range(CALIBRATE))
    uncalibrated = plan(graph, collect(graph, noise), TFLITE_XNNPACK)
    good = top1(apply(graph, planned("resnet_test")), tmp_path, precision="good")
    bad = top1(apply(graph, uncalibrated), tmp_path, precision="bad")
    assert bad < good - 5 * MAX_DROP


def test_per_tensor_weights_are_worse(tmp_path):
    """One scale for all channels of a weight, on the network whose depthwise channels differ."""
    name = "mobilenetv3_test"
    graph, per_channel = trained(name), planned(name)
    flat = {k: replace(q, scales=(max(q.scales),) * len(q.scales)) for k, q in per_channel.weights.items()}
    weight = {u.accumulates: u.weight for u in per_channel.units if u.accumulates and u.weight in flat}
    biases = {}
    for k, q in per_channel.biases.items():
        was, now = (np.array(p.weights[weight[k]].scales) for p in (per_channel, replace(per_channel, weights=flat)))
        biases[k] = replace(q, scales=tuple(float(s) for s in np.float32(np.array(q.scales) / was * now)))
    per_tensor = replace(per_channel, weights=flat, biases=biases)
    images = [x[None].numpy() for x in digits()[0][TRAIN : TRAIN + 100]]
    errors = []
    for label, p in (("channel", per_channel), ("tensor", per_tensor)):
        path = tmp_path / f"{label}.tflite"
        path.write_bytes(convert(apply(graph, p)))
        session, path32 = TFLiteSession(path), tmp_path / "fp32.tflite"
        path32.write_bytes(convert(graph))
        exact = TFLiteSession(path32)
        pairs = [(session.run({"image": x})["logits"], exact.run({"image": x})["logits"]) for x in images]
        errors.append(float(np.mean([((a - b) ** 2).mean() for a, b in pairs])))
    assert errors[1] > 1.1 * errors[0], "mean squared error of the logits"
