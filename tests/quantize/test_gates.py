"""Squeeze-and-excite through a whole export: its channels are made even where that helps, and only there."""

import edgeport
import numpy as np
import pytest
import torch
from edgeport.artifacts.manifest import Manifest
from torch import nn

CHANNELS, SIDE = 32, 16


class Excited(nn.Module):
    """A convolution, hard-swish, squeeze-and-excite and classifier; `gates` are the biases that gates start from."""

    def __init__(self, gates: torch.Tensor):
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS, 3, 2, 1)
        self.act = nn.Hardswish()
        self.reduce, self.expand = nn.Conv2d(CHANNELS, 8, 1), nn.Conv2d(8, CHANNELS, 1)
        self.project = nn.Conv2d(CHANNELS, 24, 1)
        self.classifier = nn.Linear(24, 10)
        with torch.no_grad():
            self.expand.weight *= 0.1
            self.expand.bias.copy_(gates)
            self.project.weight /= gates.sigmoid().view(1, -1, 1, 1)  # so that every channel counts

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.stem(x))
        x = x * self.expand(torch.relu(self.reduce(x.mean((2, 3), keepdim=True)))).sigmoid()
        return self.classifier(torch.relu(self.project(x)).mean((2, 3)))


def export(folder, gates: torch.Tensor, *targets: str):
    """(the model, int8 for the targets)"""
    torch.manual_seed(0)
    model = Excited(gates).eval()
    rng = np.random.default_rng(0)
    images = rng.normal(size=(72, 3, SIDE, SIDE)).astype(np.float32)
    results = edgeport.export_all(
        model,
        targets,
        precision="int8",
        name="excited",
        example_inputs=torch.from_numpy(images[:1]),
        calibration=images[:64],
        validation=images[64:],
        benchmark=False,
        output_dir=folder,
    )
    return model, results


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    gates = torch.where(torch.arange(CHANNELS) % 4 == 0, 3.0, -4.0)
    return export(tmp_path_factory.mktemp("uneven"), gates, "tflite", "onnx")


def test_every_target_takes_what_helps_it(uneven):
    for result in uneven[1]:
        calibration = Manifest.read(result.manifest_path).calibration
        assert len(calibration.equalization["mul"].split()) == CHANNELS, result.target
        assert result.agreement.snr_db > 40, result.target  # 29 and 31 without


def test_the_layers_of_such_an_artifact_can_be_compared(uneven):
    model, results = uneven
    report = edgeport.debug(results[0].path, reference=model)
    assert any(layer.name.endswith("_gate") for layer in report.layers)


def test_gates_that_are_alike_stay_as_they_are(tmp_path):
    _, (result,) = export(tmp_path, torch.zeros(CHANNELS), "tflite")
    names = Manifest.read(result.manifest_path).calibration.equalization
    assert "mul" not in names, names
