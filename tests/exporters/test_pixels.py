"""A graph takes pixels: behind a normalisation it gives the same, and a first convolution takes that in."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from edgeport.artifacts.errors import ExportError
from edgeport.exporters.classifier_head import add_classifier_head
from edgeport.exporters.input_normalization import Normalization, fold_normalization, prepend_normalization
from edgeport.exporters.onnx.uint8_input import take_bytes
from graphs import graph, run_onnx

HOW = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
REVERSED = Normalization(HOW.mean, HOW.std, reverses=True)
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (1, 3, 11, 14)).astype(np.float32)

CONVOLUTIONS = {  # attributes of Conv: (kernel, result of (11, 14))
    "no padding": ("strides=[1,1], pads=[0,0,0,0], dilations=[1,1], kernel_shape=[3,3]", (3, 3), (9, 12)),
    "padded": ("strides=[1,1], pads=[1,1,1,1], dilations=[1,1], kernel_shape=[3,3]", (3, 3), (11, 14)),
    "one side unread": ("strides=[2,2], pads=[1,1,1,1], dilations=[1,1], kernel_shape=[3,3]", (3, 3), (6, 7)),
    "dilated": ("strides=[1,2], pads=[2,0,2,3], dilations=[2,1], kernel_shape=[3,4]", (3, 4), (11, 7)),
    "patches": ("strides=[4,4], pads=[0,0,0,0], dilations=[1,1], kernel_shape=[4,4]", (4, 4), (2, 3)),
}


def network(name: str) -> ir.Model:
    attributes, kernel, (h, w) = CONVOLUTIONS[name]
    text = f"agraph (float[1,3,11,14] x) => (float[1,5,{h},{w}] y) {{ y = Conv <{attributes}> (x, w, b) }}"
    return graph(text, {"w": (5, 3, *kernel), "b": (5,)})


def wanted(model: ir.Model, how: Normalization) -> np.ndarray:
    mean, std = (np.reshape(v, (1, 3, 1, 1)) for v in (how.mean, how.std))
    pixels = PIXELS[:, ::-1] if how.reverses else PIXELS
    return run_onnx(model, {"x": ((pixels - mean) / std).astype(np.float32)})["y"]


@pytest.mark.parametrize("how", [HOW, REVERSED], ids=["rgb", "bgr"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_pixels_go_in(name, how):
    model = network(name)
    expected = wanted(model, how)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(
        run_onnx(prepend_normalization(model, how), {"x": PIXELS})["y"], expected, atol=2e-6 * scale
    )
    for whole, limit in ((False, 2e-6), (True, 0.02)):  # whole: the frame is a pixel of 8 bits
        found = fold_normalization(model, how, whole=whole)
        assert found
        got = run_onnx(found.model, {"x": PIXELS})["y"]
        np.testing.assert_allclose(got, expected, atol=limit * scale)
        inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))
        np.testing.assert_allclose(got[inside], expected[inside], atol=2e-6 * scale)
        made = {value.name for node in found.model.graph for value in node.outputs} | {"x"}
        assert made - {"y"} == set(found.ranges)
        assert set(found.ranges.values()) == {(0.0, 255.0)}
    assert len(list(model.graph)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "agraph (float[1,3,8,8] x) => (float[1,3,8,8] y) { y = Relu (x) }",
        "agraph (float[1,3,8,8] x) => (float[1,3,8,8] y, float[1,3,8,8] z) { y = Relu (x) z = Sigmoid (x) }",
        "agraph (float[1,3,8,8] x) => (float[1,3,8,8] y) { y = Conv <pads=[1,1,1,1], group=3> (x, w, b) }",
    ],
)
def test_what_is_not_one_plain_convolution_is_left_alone(text):
    assert fold_normalization(graph(text, {"w": (3, 1, 3, 3), "b": (3,)}), HOW, whole=True) is None


@pytest.mark.parametrize("mean", [-1.0, 255.5])
def test_a_mean_that_is_no_pixel_is_not_framed_with(mean):
    assert fold_normalization(network("padded"), Normalization((mean, 9.0, 9.0), (1.0,) * 3), whole=True) is None


@pytest.mark.parametrize("zero_point", [0, 3])
def test_bytes_are_not_quantised_again(zero_point):
    body = "q = QuantizeLinear (x, s, z) y = DequantizeLinear (q, s, z)"
    text = f"agraph (float[1,3,4,6] x) => (float[1,3,4,6] y) {{ {body} }}"
    model = graph(text, {"s": np.float32(1), "z": np.uint8(zero_point)})
    proto = ir.to_proto(model)
    take_bytes(proto.graph)
    operators = [node.op_type for node in proto.graph.node]
    kept = ["Transpose", "DequantizeLinear"]
    assert operators == (kept if zero_point == 0 else [kept[0], "Cast", "QuantizeLinear", kept[1]])
    assert proto.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    image = RNG.integers(0, 250, (1, 4, 6, 3), dtype=np.uint8)
    import onnxruntime

    (got,) = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": image})
    np.testing.assert_array_equal(got, image.transpose(0, 3, 1, 2).astype(np.float32))


def test_head():
    model = graph("agraph (float[1,9] x) => (float[1,9] y) { y = Relu (x) }", {})
    x = RNG.standard_normal((1, 9)).astype(np.float32)
    logits = np.maximum(x, 0)
    results = run_onnx(add_classifier_head(model, softmax=True, top_k=4), {"x": x})
    probabilities = np.exp(logits) / np.exp(logits).sum()
    assert list(results) == ["probabilities", "top_scores", "top_classes"]
    np.testing.assert_allclose(results["probabilities"], probabilities, rtol=1e-5)
    np.testing.assert_allclose(results["top_scores"][0], np.sort(probabilities[0])[::-1][:4], rtol=1e-5)
    np.testing.assert_array_equal(probabilities[0][results["top_classes"][0]], np.sort(probabilities[0])[::-1][:4])
    assert list(run_onnx(add_classifier_head(model, top_k=2), {"x": x})) == ["y", "top_scores", "top_classes"]


def test_head_is_for_classifiers():
    image = graph("agraph (float[1,3,8,8] x) => (float[1,3,8,8] y) { y = Relu (x) }", {})
    with pytest.raises(ExportError, match="one output of shape"):
        add_classifier_head(image, softmax=True)
    taken = graph("agraph (float[1,9] x) => (float[1,9] y) { probabilities = Relu (x) y = Relu (probabilities) }", {})
    with pytest.raises(ExportError, match="'probabilities'"):
        add_classifier_head(taken, softmax=True)
