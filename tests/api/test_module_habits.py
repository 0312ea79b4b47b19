"""Modules that do what no artifact does: keep state, compute in half precision, take indices and truth values."""

import edgeport
import numpy as np
import pytest
import torch
from torch import nn


class Running(nn.Module):
    """Takes a mean of all images that it has seen from each."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, image):
        self.mean.mul_(0.9).add_(image.mean() * 0.1)
        return self.conv(image) - self.mean


class Autocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, image):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.conv(image)


class Words(nn.Module):
    """Indices into a table, of which a mask takes some."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, words, hidden):
        rows = self.table(words)
        return self.attend(rows, rows, rows, key_padding_mask=hidden, need_weights=False)[0]


@pytest.fixture
def image():
    return torch.rand(1, 3, 8, 10, generator=torch.Generator().manual_seed(1)) + 3


def export(module, inputs, folder, *targets):
    torch.manual_seed(0)
    source = edgeport.load(module, example_inputs=inputs)
    options = {"benchmark": False, "num_validation_samples": 3, "output_dir": folder}
    return source, edgeport.export_all(source, targets, **options)


def run(result, feeds):
    session = edgeport.open_session(result.path)
    (output,) = session.run(feeds).values()
    return output


def test_state_begins_anew_with_each_run_and_is_told(image, tmp_path):
    module = Running()
    source, results = export(module, image, tmp_path, "onnx", "tflite")
    assert any("'mean'" in each for each in source.warnings)
    assert float(module.mean) == 0
    with torch.no_grad():
        expected = (module.conv(image) - image.mean() * 0.1).numpy()
    for result in results:
        assert result.verdict == "ok"
        assert np.abs(run(result, {"image": image.numpy()}) - expected).max() < 1e-5


def test_half_precision_inside_becomes_float32_and_is_told(image, tmp_path):
    module = Autocast()
    source, (result,) = export(module, image, tmp_path, "onnx")
    assert any("half precision" in each for each in source.warnings)
    assert result.verdict == "ok"
    with torch.no_grad():
        assert np.abs(run(result, {"image": image.numpy()}) - module.conv(image).numpy()).max() < 1e-5


def test_indices_and_truth_values_reach_the_module_as_such(tmp_path):
    module = Words().eval()
    words, hidden = torch.tensor([[3, 0, 9, 9, 1]]), torch.tensor([[False, False, True, False, True]])
    _, results = export(module, {"words": words, "hidden": hidden}, tmp_path, "onnx", "tflite", "openvino")
    with torch.no_grad():
        expected = module(words, hidden).numpy()
    for result in results:
        assert result.verdict == "ok", result.target
        assert np.abs(run(result, {"words": words.numpy(), "hidden": hidden.numpy()}) - expected).max() < 1e-5


def test_a_constant_that_a_layer_reads_is_an_output_under_its_own_name(image, tmp_path):
    class Both(Autocast):
        def forward(self, image):
            return self.conv(image), self.conv.bias

    source, (result,) = export(Both(), image, tmp_path, "openvino")
    assert tuple(each.name for each in edgeport.open_session(result.path).outputs) == source.output_names
