"""Networks that break naive int8: a trained one, made ill-conditioned in ways that leave its float output as it is.

Default int8 keeps its accuracy within a point; one scale for each weight, min-max ranges and nothing else lose it.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch
from digits_network import fit
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.frontends.torch_module import from_torch
from edgeport.graph.edit import array
from edgeport.quantize import apply, apply_equalization, collect, correct_biases, find_equalization, plan
from edgeport.quantize.calibration import collect as calibrate
from edgeport.quantize.tuning.equalization import STEPS
from edgeport.quantize.tuning.scale_sites import find_sites
from edgeport.runtime.sessions.tflite import TFLiteSession
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK
from graphs import snr_db
from tflite_convert import convert
from torch import nn
from torch.nn import functional as F

TRAIN, CALIBRATE, JUDGE = 1200, 64, 400
MAX_DROP = 0.01  # top-1


class Net(nn.Module):
    """Convolution, depthwise, pointwise, dilated max pool; tokens with LayerNorm and a linear; mean and head."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem, self.depthwise = nn.Conv2d(1, width, 3, 2, 1), nn.Conv2d(width, width, 3, 1, 1, groups=width)
        self.pointwise, self.pool = nn.Conv2d(width, width, 1), nn.MaxPool2d(3, 2, 1, dilation=2)
        self.norm, self.mix, self.head = nn.LayerNorm(width), nn.Linear(width, width), nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.depthwise(F.relu(self.stem(x))))
        x = self.pool(self.pointwise(x)).flatten(2).transpose(1, 2)  # (b, n, c)
        return self.head(F.relu(self.mix(self.norm(x))).mean(1))


@cache
def digits():
    """(images (n, 1, 16, 16), labels (n,)), shuffled."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = torch.tensor(data.images[order, None] / 8 - 1, dtype=torch.float32)
    return F.interpolate(images, (16, 16), mode="bilinear"), torch.tensor(data.target[order])


@cache
def trained() -> ir.Model:
    """The canonical float graph, after some seconds of one core."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images, labels = digits()
    model = Net()
    fit(model, images[:TRAIN], labels[:TRAIN])
    return canonicalize(from_torch(model.eval(), (images[:1],)))


def few_enormous(model: ir.Model) -> ir.Model:
    """Two channels of every value are 256 times as large."""
    return apply_equalization(
        model, {s.value: [-8 * STEPS] * 2 + [0] * (s.channels - 2) for s in find_sites(model.graph) if s.channels > 2}
    )


def thousandfold(model: ir.Model) -> ir.Model:
    """The channels before and behind the depthwise layer differ by up to a thousand."""
    rng = np.random.default_rng(0)
    sites = [site for site in find_sites(model.graph) if site.kind == "layer"][:2]
    return apply_equalization(model, {s.value: rng.integers(-5 * STEPS, 5 * STEPS + 1, s.channels) for s in sites})


def dead(model: ir.Model) -> ir.Model:
    """Channel 0 of the pointwise layer reads one that is always 0, with weights that dwarf the others."""
    model = model.clone()
    stem, depthwise, pointwise = (node for node in model.graph if node.op_type == "Conv")
    for value in (*stem.inputs[1:], *depthwise.inputs[1:]):
        numbers = array(value).copy()
        numbers[0] = 0
        value.const_value = ir.Tensor(numbers, name=value.name)
    weight = array(pointwise.inputs[1]).copy()
    weight[:, 0] = 300
    pointwise.inputs[1].const_value = ir.Tensor(weight, name=pointwise.inputs[1].name)
    return model


def padded(model: ir.Model) -> ir.Model:
    """The dilated pool stands on the lowest number there is."""
    assert any(node.op_type == "Pad" for node in model.graph)
    return model


SPOILT = {f.__name__: f for f in (few_enormous, thousandfold, dead, padded)}


def naive(model: ir.Model, inputs: list[dict], *, guarded: bool) -> ir.Model:
    """Min-max and one scale for each weight; `guarded`: at least what stands for infinity is left out."""
    with pytest.MonkeyPatch.context() as patch:
        if not guarded:
            patch.setattr(calibrate, "find_sentinels", lambda graph: set())
        made = plan(model, collect(model, inputs), TFLITE_XNNPACK)
    flat = {k: replace(q, scales=(max(q.scales),) * len(q.scales)) for k, q in made.weights.items()}
    layers = {u.accumulates: u for u in made.units if u.accumulates in made.biases}
    biases = {
        k: replace(
            q,
            scales=tuple(
                float(np.float32(made.activations[layers[k].operands[0]].scale * s))
                for s in flat[layers[k].weight].scales
            ),
        )
        for k, q in made.biases.items()
    }
    return apply(model, replace(made, weights=flat, biases=biases))


def default(model: ir.Model, inputs: list[dict]) -> ir.Model:
    model = apply_equalization(model, find_equalization(model, inputs))
    made = plan(model, collect(model, inputs), TFLITE_XNNPACK, observer="mse")
    return apply(correct_biases(model, made, inputs), made)


def judged(content: bytes, folder: Path) -> tuple[float, np.ndarray]:
    """(top-1 on unseen digits, the logits)"""
    images, labels = (x[-JUDGE:].numpy() for x in digits())
    path = folder / "model.tflite"
    path.write_bytes(content)
    session = TFLiteSession(path)
    logits = np.concatenate([session.run({"image": x[None]})["logits"] for x in images])
    return float((logits.argmax(1) == labels).mean()), logits


@pytest.mark.parametrize("name", SPOILT)
def test_default_int8_keeps_what_naive_int8_loses(name, tmp_path):
    model = SPOILT[name](trained())
    inputs = [{"image": x[None].numpy()} for x in digits()[0][:CALIBRATE]]
    exact, float_logits = judged(convert(model), tmp_path)
    ours, logits = judged(convert(default(model, inputs)), tmp_path)
    theirs, naive_logits = judged(convert(naive(model, inputs, guarded=name != "padded")), tmp_path)
    print(
        f"{name}: float {exact:.3f}; default {ours:.3f}, {snr_db(float_logits, logits):.1f} dB; "
        f"naive {theirs:.3f}, {snr_db(float_logits, naive_logits):.1f} dB"
    )
    assert exact > 0.85, "the network has learned to read"
    assert exact - ours <= MAX_DROP
    assert snr_db(float_logits, logits) > 20
    assert exact - theirs > 10 * MAX_DROP
