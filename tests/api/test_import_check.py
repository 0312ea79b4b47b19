"""The imported graph is compared with the model before anything is made of it, whatever precision is asked for."""

import dataclasses

import edgeport
import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from edgeport.artifacts.errors import ImportFault
from edgeport.exporters.frontends import pool_ops, resize_ops
from edgeport.exporters.passes.forms import interpolation, pad_into_window
from edgeport.runtime.session_wrappers import SessionWrapper
from onnx import TensorProto, helper, numpy_helper


class Branch(torch.nn.Module):
    """A convolution, and what an operator makes of it added at a small share: int8 alone would not tell it is wrong."""

    def __init__(self, operator, share=0.3):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 6, 1)
        self.operator, self.share = operator, share

    def forward(self, image):
        x = F.relu(self.first(image))
        return self.last(x + self.share * self.operator(x))


def antialiased(x):
    return F.interpolate(F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True), size=x.shape[2:])


def divided(x):
    return F.avg_pool2d(x, 3, 1, 1, divisor_override=7)


def padded(x):
    return F.max_pool2d(F.pad(x - 0.6, (0, 1, 0, 1)), 2, 1)


def nearest(places="asymmetric", rounding="round_prefer_ceil", sizes=(26, 64)):
    """A Resize whose 16th row lies at 6.5, between two rows."""
    to = numpy_helper.from_array(np.array([1, 3, sizes[1], 9], np.int64), "sizes")
    attributes = {"mode": "nearest", "coordinate_transformation_mode": places, "nearest_mode": rounding}
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], **attributes)
    shapes = (("x", [1, 3, sizes[0], 9]), ("y", [1, 3, sizes[1], 9]))
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes)
    graph = helper.make_graph([node], "nearest", [x], [y], [to])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def export(model, tmp_path, **options):
    shape = {"input_shape": (3, 31, 31)} if isinstance(model, torch.nn.Module) else {}
    return edgeport.export(model, "onnx", output_dir=tmp_path, benchmark=False, **shape, **options)


def without_antialias(monkeypatch):
    table = {key: value for key, value in resize_ops.translations().items() if "_aa" not in str(key)}
    monkeypatch.setattr(resize_ops, "translations", lambda: table)


def without_divisor(monkeypatch):
    monkeypatch.setattr(pool_ops, "translations", dict)


def without_ties(monkeypatch):
    monkeypatch.setitem(interpolation.NEAREST, "round_prefer_ceil", lambda x: np.floor(x + np.float32(0.5)))


def with_any_border(monkeypatch):
    monkeypatch.setattr(pad_into_window, "LOW", 1e30)


BROKEN = {
    "antialias": (without_antialias, Branch(antialiased), "torch.onnx translates Resize"),
    "divisor": (without_divisor, Branch(divided), "torch.onnx translates AveragePool"),
    "ties": (without_ties, nearest(), "Resize 'y' is rewritten to something else (by resize)"),
    "border": (with_any_border, Branch(padded), "is rewritten to something else (by pad_into_window)"),
}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_wrong_translation_is_an_error_that_names_the_operator(monkeypatch, tmp_path, name, precision):
    break_it, model, place = BROKEN[name]
    break_it(monkeypatch)
    with pytest.raises(ImportFault) as caught:
        export(model, tmp_path, precision=precision)
    assert place in str(caught.value)
    assert not list(tmp_path.rglob("*.onnx"))


@pytest.mark.parametrize("name", BROKEN)
def test_the_same_models_are_right(tmp_path, name):
    result = export(BROKEN[name][1], tmp_path)
    assert result.verdict == "ok"
    assert result.agreement.snr_db > 120


def test_the_module_is_named(monkeypatch, tmp_path):
    without_divisor(monkeypatch)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.AvgPool2d(2, divisor_override=1))
    with pytest.raises(ImportFault, match=r"AveragePool .* \(at '1'\)"):
        export(model, tmp_path)


def test_a_model_that_gives_no_numbers_is_left_to_its_verdict(tmp_path):
    class Infinite(torch.nn.Module):
        def forward(self, image):
            return image / 0

    result = export(Infinite(), tmp_path)
    assert result.verdict.startswith("fail: ")
    assert "NaN or infinite" in result.verdict


def pad_and_pool(path):
    """What ONNX Runtime's optimiser makes another function of: zeros at the border become -inf."""
    pads = numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), "pads")
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["padded"]),
        helper.make_node("MaxPool", ["padded"], ["y"], kernel_shape=[3, 3], strides=[2, 2]),
    ]
    x, y = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [1, 3, 8, 8]), ("y", [1, 3, 4, 4]))
    )
    graph = helper.make_graph(nodes, "pool", [x], [y], [pads])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("target", edgeport.list_targets())
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_optimiser_is_not_the_truth(tmp_path, target, precision):
    source = pad_and_pool(tmp_path / "pool.onnx")
    result = edgeport.export(source, target, precision=precision, output_dir=tmp_path / "out", benchmark=False)
    x = -1 - np.abs(np.random.default_rng(0).standard_normal((1, 3, 8, 8), np.float32))
    (got,) = edgeport.open_session(result.path).run({"x": x}).values()
    border = np.zeros((4, 4), bool)
    border[0], border[:, 0] = True, True
    assert (np.abs(got[..., border]) < 0.05).all()  # the pad's zeros are the largest there
    assert result.verdict == "ok"


class Shifted(SessionWrapper):
    """ONNX Runtime with a wrong kernel."""

    def run(self, feeds):
        return {name: array + 1 for name, array in self.bare.run(feeds).items()}


def test_where_onnx_runtime_is_wrong_the_definition_decides(tmp_path):
    source = edgeport.load(pad_and_pool(tmp_path / "pool.onnx"))
    wrong = dataclasses.replace(source, session=lambda: Shifted(source.session()))
    result = export(wrong, tmp_path / "out")
    assert any("otherwise than ONNX defines it" in warning for warning in result.warnings)
    assert result.verdict == "ok"
