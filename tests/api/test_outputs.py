"""Outputs of every kind, on every target: what they are judged by, and those that are no result of their own."""

import json

import edgeport
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from edgeport import Manifest
from edgeport.cli import export as command
from edgeport.runtime.sessions.float64_evaluator import Float64Session
from torch import nn

QUICK = {"benchmark": False, "num_validation_samples": 4}
HEADER = '<ir_version: 10, opset_import: ["" : 20]>'


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEPORT_CACHE", str(tmp_path / "cache"))


class Everything(nn.Module):
    """A segmenter that also returns what others do: one tensor twice, its input, a constant, a scalar, truth values."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.head, self.features = nn.Conv2d(8, 6, 1), nn.Linear(8, 50)
        self.register_buffer("anchors", torch.rand(1, 4))

    def forward(self, image):
        y = self.stem(image)
        scores = self.head(y)
        return {
            "scores": scores,
            "again": [scores, scores.detach()],
            "image": image,
            "ids": scores.argmax(1),
            "float_ids": scores.argmax(1).float(),
            "bytes": scores.argmax(1).to(torch.uint8),
            "above": scores[:, 0] > 0,
            "features": self.features(y.mean((2, 3))),
            "label": scores[:, :1].flatten(1).max(1)[0] * 0,
            "mean": scores.mean(),
            "anchors": self.anchors,
        }


KINDS = {
    **dict.fromkeys(("scores", "again_0", "again_1", "image_2", "features", "mean", "anchors"), "numbers"),
    **dict.fromkeys(("ids", "float_ids", "bytes", "above"), "whole numbers"),
    "label": "constant",
}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_outputs_of_every_kind(precision):
    """Each is compared as what it is, shown in a row of its own, and recorded."""
    module, images = Everything().eval(), np.random.default_rng(0).random((12, 3, 16, 16)).astype(np.float32)
    results = edgeport.export_all(module, precision=precision, input_shape=(3, 16, 16), calibration=images, **QUICK)
    assert [getattr(result, "error", "") for result in results] == [""] * 4
    for result in results:
        agreement = result.agreement
        assert {each.name: each.kind for each in agreement.outputs} == KINDS
        by_name = {each.name: each for each in agreement.outputs}
        assert not result.verdict.startswith("fail")
        assert (by_name["label"].value, by_name["label"].max_abs, agreement.top1) == (0.0, 0.0, None)
        assert agreement.equal == min(by_name[name].equal for name in ("ids", "float_ids", "bytes", "above"))
        assert by_name["scores"].snr_db == by_name["again_0"].snr_db == by_name["again_1"].snr_db
        session = edgeport.open_session(result.path)
        found = session.run({"image": images[:1]})
        names = {np.asarray(value).tobytes(): name for name, value in found.items()}
        assert images[:1].tobytes() in names or precision == "int8"
        recorded = {each.kind: each.agreement for each in Manifest.read(result.manifest_path).outputs}
        assert set(recorded) == {"numbers", "whole numbers", "constant"}
        assert recorded["whole numbers"]["snr_db"] is None
        told = result.to_json()["outputs"]
        assert [each["name"] for each in told] == [each.name for each in agreement.outputs]
        assert json.dumps(told)
        rows = {row[0].strip(): row for row in command.output_cells(result)}
        assert (rows["ids"][-2:], rows["label"][-1]) == ((f"{by_name['ids'].equal:.1%}", "whole numbers"), "constant 0")
        assert "output ids" in str(result)
    if precision == "fp32":
        again = edgeport.validate(results[0].path, reference=module, num_validation_samples=4)
        assert {each.name: each.kind for each in again.agreement.outputs} == KINDS
        assert again.verdict == "ok"


def test_a_budget_of_decibels_needs_numbers():
    class Ids(Everything):
        def forward(self, image):
            return super().forward(image)["float_ids"]

    images = np.random.default_rng(0).random((8, 3, 16, 16)).astype(np.float32)
    options = {"precision": "int8", "input_shape": (3, 16, 16), "min_snr": 20.0}
    options |= {"calibration": images[:4], "validation": images[4:]}
    with pytest.raises(edgeport.UsageError, match="whole numbers alone, which have no SNR"):
        edgeport.export(Ids(), "onnx", **options, **QUICK)


def test_a_row_is_scores_where_something_says_so():
    """Landmarks and embeddings have no highest class; labels, a softmax, or a collection of classifiers tell scores."""

    class Row(nn.Module):
        def __init__(self, softmax=False):
            super().__init__()
            torch.manual_seed(0)
            self.body, self.softmax = nn.Linear(3 * 8 * 8, 12), softmax

        def forward(self, image):
            row = self.body(image.flatten(1))
            return row.softmax(1) if self.softmax else row

    def top1(model, **options):
        result = edgeport.export(model, "onnx", weights="random" if model == "lenet1" else "auto", **options, **QUICK)
        return result.agreement.top1

    shape = {"input_shape": (3, 8, 8)}
    assert top1(Row(), **shape) is None
    assert top1(Row(softmax=True), **shape) == 1
    assert top1(Row(), softmax=True, **shape) == 1
    assert top1(Row(), labels=[f"class {i}" for i in range(12)], **shape) == 1
    assert top1("lenet1") == 1


ODD_GRAPHS = {
    "an unused input, scalars": "(float[1,3,4,4] unused, float[1,3,4,4] x, float s) => (float[1,3,4,4] y, float t)"
    " { y = Mul(x, s) t = Exp(s) }",
    "an output twice": "(float[1,3,4,4] x) => (float[1,3,4,4] y, float[1,3,4,4] y) { y = Exp(x) }",
    "an input as an output": "(float[1,3,4,4] x, float[1,2] z) => (float[1,3,4,4] y, float[1,2] z) { y = Exp(x) }",
    "nothing at all": "(float[1,3,4,4] x) => (float[1,3,4,4] x) { }",
    "a copy": "(float[1,3,4,4] x) => (float[1,3,4,4] y) { y = Identity(x) }",
}


@pytest.mark.parametrize("name", ODD_GRAPHS)
def test_odd_graphs_on_every_target(name):
    proto = onnx.parser.parse_model(f"{HEADER} odd {ODD_GRAPHS[name]}")
    rng = np.random.default_rng(0)
    shapes = {each.name: [dim.dim_value for dim in each.type.tensor_type.shape.dim] for each in proto.graph.input}
    feeds = {each: np.array(rng.standard_normal(shape), np.float32) for each, shape in shapes.items()}
    expected = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, feeds)
    results = edgeport.export_all(proto, **QUICK)
    assert [result.verdict for result in results] == ["ok"] * 4
    for result in results:
        session = edgeport.open_session(result.path)
        assert [spec.name for spec in session.inputs] == list(feeds)
        found = list(session.run(feeds).values())
        order = [spec.name for spec in session.outputs]
        names = [each.name for each in Manifest.read(result.manifest_path).outputs]
        assert names == order
        assert len(found) == len(expected)
        for array in expected:
            assert any(array.shape == other.shape and np.allclose(array, other, atol=1e-5) for other in found)


class Steep(nn.Module):
    """Loses the last digits of float32, whoever computes it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        layers = []
        for i in range(4):
            layers += [nn.Conv2d(16 if i else 3, 16, 3, padding=1), nn.InstanceNorm2d(16), nn.ReLU()]
        self.body, self.head = nn.Sequential(*layers), nn.Conv2d(16, 1, 1)

    def forward(self, image):
        return torch.sigmoid(2000 * (self.head(self.body(image)) - 0.3))


def test_float32_noise_counts_whatever_the_model_came_as():
    module = Steep().eval()
    torch.onnx.export(module, (torch.rand(1, 3, 32, 32),), "steep.onnx", dynamo=True, verbose=False, input_names=["x"])
    of_module = edgeport.export(module, "onnx", input_shape=(3, 32, 32), **QUICK)
    of_file = edgeport.export("steep.onnx", "onnx", **QUICK)
    for result in (of_module, of_file):
        assert "but float32 itself loses" in result.verdict
        assert result.verdict.startswith("warn: max abs error / std")
        assert 60 < result.agreement.snr_db < 120


@pytest.mark.parametrize(
    ("wide", "words"),
    [("y = Exp(x)", "other values than ONNX Runtime"), ("y = NoSuchOp(x)", "cannot be evaluated in float64")],
)
def test_an_evaluator_that_computes_something_else_is_not_believed(wide, words):
    """Else its errors would pass for float32's noise, and loosen the limits."""
    from edgeport.runtime.sessions.onnx import OnnxSession

    text = "odd (float[1,4] x) => (float[1,4] y) { y = Relu(x) }"
    session = OnnxSession(onnx.parser.parse_model(f"{HEADER} {text}").SerializeToString())
    other = onnx.parser.parse_model(f"{HEADER} {text.replace('y = Relu(x)', wide).replace('float', 'double')}")
    with pytest.raises(edgeport.ExportError, match=words):
        Float64Session(session, other.SerializeToString()).run({"x": np.ones((1, 4), np.float32)})
