"""`edgeport.debug` reads weights that a file stores in a form of its own: joined pixels, interleaved channels."""

import edgeport
import pytest
import torch
from torch import nn


class Network(nn.Module):
    """TFLite joins pixels for the stem and the patches, and makes two convolutions of `wide`, whose order they read."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.wide = nn.Conv2d(16, 32, 3, 1, 1, groups=16)
        self.patches = nn.Conv2d(32, 24, 4, 4)
        self.last = nn.Conv2d(24, 8, 1)

    def forward(self, image):
        return self.last(self.patches(self.wide(self.stem(image).relu()).relu()).relu())


@pytest.mark.parametrize("target", ["tflite", "onnx"])
def test_weights_are_compared_in_the_graphs_order(target, tmp_path):
    torch.manual_seed(0)
    net = Network().eval()
    options = {"effort": "fast", "num_calibration_samples": 4, "num_validation_samples": 2, "benchmark": False}
    made = edgeport.export(net, target, precision="int8", input_shape=(3, 64, 64), output_dir=tmp_path, **options)
    found = edgeport.debug(made.path, reference=net)
    assert [layer.precision for layer in found.layers] == ["int8"] * 4
    for layer in found.layers:
        assert layer.weight_snr_db > 40, layer.name
        assert layer.alone.snr_db > 35, layer.name
