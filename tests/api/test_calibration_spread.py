"""--calibration-halves: how far int8 depends on which inputs calibrate."""

import json

import edgeport
import numpy as np
import pytest
import torch
from torch import nn

QUICK = {"precision": "int8", "benchmark": False, "num_validation_samples": 12, "input_shape": (3, 16, 16)}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.act = nn.Hardswish()
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.act(self.conv(x)).mean((2, 3)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture
def arrays():
    return np.random.default_rng(0).standard_normal((64, 3, 16, 16)).astype(np.float32)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEPORT_CACHE", str(tmp_path / "cache"))


def others(count=12):
    return np.random.default_rng(1).standard_normal((count, 3, 16, 16)).astype(np.float32)


@pytest.mark.parametrize(("target", "halves"), [("tflite", 2), ("openvino", 6)])
def test_halves_are_compared_and_change_nothing(net, arrays, target, halves, tmp_path):
    options = {**QUICK, "calibration": arrays, "validation": others()}
    plain = edgeport.export(net, target, output_dir="plain", **options)
    monitored = edgeport.export(net, target, output_dir="halves", calibration_halves=halves, **options)
    digests = [edgeport.Manifest.read(each.manifest_path).artifact.sha256 for each in (plain, monitored)]
    assert digests[0] == digests[1]
    assert plain.spread is None
    spread = monitored.spread
    assert spread is not None
    assert (spread.inputs, spread.samples, len(spread.snr_db), len(spread.agreement)) == (32, 12, halves, halves)
    assert all(abs(snr - plain.agreement.snr_db) < 6 for snr in spread.snr_db)
    assert len(set(spread.snr_db)) > 1  # the halves differ
    assert spread.range_db == max(spread.snr_db) - min(spread.snr_db)
    assert all(0 <= share <= 1 for share in spread.agreement)
    assert edgeport.Manifest.read(monitored.manifest_path).calibration_spread == spread
    assert json.loads(json.dumps(monitored.to_json()))["calibration_spread"]["snr_db"] == list(spread.snr_db)
    assert ("spread", str(spread)) in monitored.to_rows()
    assert f"over {halves} halves" in str(spread)


def test_a_large_spread_is_warned_of_and_names_the_values(net, arrays):
    """Inputs of which only some are loud: halves without these clip what validates."""
    loud = arrays.copy()
    loud[::4] *= 30  # the first shard
    result = edgeport.export(
        net,
        "onnx",
        calibration=loud,
        validation=others() * 30,
        calibration_halves=2,
        ranges="minmax",
        output_dir="out",
        **QUICK,
    )
    assert result.spread.range_db > 1.5
    (warning,) = [sentence for sentence in result.warnings if "depends on which inputs calibrate" in sentence]
    assert result.spread.units
    assert all(repr(name) in warning for name in result.spread.units)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"calibration_halves": 3}, "calibration_halves: 3 is none of 0, 2, 4, 6"),
        ({"calibration_halves": 2, "precision": "fp32"}, "--calibration-halves is for --int8"),
        ({"calibration_halves": 2, "num_calibration_samples": 8}, "wants 16 calibration inputs or more, there are 8"),
    ],
)
def test_what_has_no_halves(net, arrays, options, sentence):
    given = {**QUICK, "calibration": arrays, "validation": others(), "output_dir": "out", **options}
    with pytest.raises(edgeport.UsageError, match=sentence):
        edgeport.export(net, "onnx", **given)
