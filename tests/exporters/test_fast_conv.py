"""Float convolutions in parts: which are, which are not, and what that costs in rounding errors."""

import numpy as np
import pytest
from cases import CASES
from edgeport.graph.edit import const_value
from edgeport.quantize import apply, collect, plan
from edgeport.runtime.contents.tflite import read_contents
from edgeport.runtime.sessions.tflite import TFLiteSession
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK
from graphs import canonical, canonical_case, feeds, operators, run_onnx, run_tflite
from tflite_convert import convert

TILED = sorted(name for name in CASES if name.startswith("conv_of_tiles"))
ROWS = ["conv_depthwise_7x7", "conv_depthwise_7x7_stride2", "conv_depthwise_9x9", "conv_depthwise_11x11"]


def convolution(channels, outputs, size, attributes="pads=[1,1,1,1]"):
    text = f"float[1,{channels},{size},{size}] x) => (float[1,{outputs},{size},{size}] y)"
    return canonical(f"agraph ({text} {{ y = Conv <{attributes}> (x, w) }}", {"w": (outputs, channels, 3, 3)})


def made(content):
    """The operators in front of the TRANSPOSE that puts outputs into the model's own order; all are delegated."""
    *names, last, partition = operators(content)
    assert (last, partition) == ("TRANSPOSE", "DELEGATE")
    return names


@pytest.mark.parametrize("name", TILED)
def test_six_products_make_four_columns_in_one_partition(name, tmp_path):
    content = convert(canonical_case(name))
    found = made(content)
    assert (found.count("CONV_2D"), found.count("DEPTHWISE_CONV_2D")) == (6, 6)
    assert found.count("PAD") == name.startswith("conv_of_tiles_valid_cut"), "else SAME and VALID do it"
    path = tmp_path / "tiles.tflite"
    path.write_bytes(content)
    assert TFLiteSession(path).undelegated() == []
    assert TFLiteSession(path).delegate_partitions() == 1


@pytest.mark.parametrize("name", TILED)
def test_plain_operators_are_one_each(name):
    model = canonical_case(name)
    content = convert(model, plain=True)
    assert set(made(content)) - {"PAD"} == {"CONV_2D"}
    np.testing.assert_allclose(
        run_tflite(content, feeds(model))["y"], run_onnx(model, feeds(model))["y"], atol=1e-4, rtol=0
    )


@pytest.mark.parametrize(
    "model",
    [
        convolution(32, 32, 16),  # few channels: reading and writing takes longer than multiplying
        convolution(64, 64, 7),  # few places: reading twice the weights takes longer
        convolution(64, 64, 10),  # twelve columns for ten
        convolution(64, 64, 16, "pads=[2,2,2,2], dilations=[2,2]"),
    ],
)
def test_what_would_not_be_faster_stays_one_operator(model):
    assert made(convert(model)) == ["CONV_2D"]


def test_half_weights_stay_whole():
    """Sums of weights, rounded to float16, would be less exact than the weights are."""
    assert made(convert(convolution(64, 64, 16), half_weights=True)) == ["DEQUANTIZE", "CONV_2D"]


def test_rounding_errors_stay_near_those_of_the_plain_convolution():
    model = convolution(256, 128, 16)
    inputs = {"x": np.abs(feeds(model)["x"])}  # as behind a ReLU: sums do not cancel
    weight = const_value(model.graph.node(0).inputs[1]).astype(np.float64)
    padded = np.pad(inputs["x"].astype(np.float64), [(0, 0), (0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    exact = np.einsum("nchwij,ocij->nohw", windows, weight, optimize=True)
    errors = {plain: run_tflite(convert(model, plain=plain), inputs)["y"] - exact for plain in (True, False)}
    assert errors[False].std() <= 4 * errors[True].std()
    assert np.abs(errors[False]).max() <= 2e-5 * exact.std()


def contents(content, folder):
    """What is in the file, all of which one partition runs."""
    path = folder / "model.tflite"
    path.write_bytes(content)
    session = TFLiteSession(path)
    assert (session.delegate_partitions(), session.undelegated()) == (1, [])
    return read_contents(path).operators


def weights(found, kind):
    """The shapes of the weights of that kind of operators."""
    return [operator.inputs[1].shape for operator in found if operator.kind == kind]


@pytest.mark.parametrize("name", ROWS)
def test_a_large_depthwise_window_is_covered_once_by_parts_that_have_a_kernel(name, tmp_path):
    model = canonical_case(name)
    found = contents(convert(model), tmp_path)
    sizes = [rows * columns for _, rows, columns, _ in weights(found, "DEPTHWISE_CONV_2D")]
    assert max(sizes) <= 25
    height, width = const_value(model.graph.node(0).inputs[1]).shape[2:]
    assert sum(sizes) == height * width
    assert [operator.kind for operator in found].count("ADD") == len(sizes) - 1


def test_7x7_has_a_part_for_a_smaller_kernel(tmp_path):
    found = contents(convert(canonical_case("conv_depthwise_7x7")), tmp_path)
    assert sorted(weights(found, "DEPTHWISE_CONV_2D")) == [(1, 3, 7, 6), (1, 4, 2, 6), (1, 4, 5, 6)]


# case: the weight in the file in float, and in int8, whose kernels take eight channels at once
JOINED = {
    "conv_cells_3x3_stride2": ((5, 3, 3, 3), (5, 3, 2, 6)),
    "conv_cells_7x7_stride2": ((5, 7, 7, 3), (5, 7, 4, 6)),
    "conv_cells_patch": ((5, 4, 1, 12), (5, 4, 1, 12)),
    "conv_cells_6x6_stride4": ((5, 6, 6, 3), (5, 6, 4, 6)),
    "conv_3x3_stride2": ((4, 3, 3, 6), (4, 3, 3, 6)),  # six channels nearly fill a block
    "conv_patch": ((4, 2, 1, 12), (4, 2, 1, 12)),
}


@pytest.mark.parametrize("name", JOINED)
def test_pixels_of_few_channels_are_joined_where_that_multiplies_less(name, tmp_path):
    model = canonical_case(name)
    assert weights(contents(convert(model), tmp_path), "CONV_2D") == [JOINED[name][0]]
    made = plan(model, collect(model, [feeds(model)]), TFLITE_XNNPACK)
    assert weights(contents(convert(apply(model, made)), tmp_path), "CONV_2D") == [JOINED[name][1]]
    whole = const_value(model.graph.node(0).inputs[1]).transpose(0, 2, 3, 1).shape
    assert weights(contents(convert(model, plain=True), tmp_path), "CONV_2D") == [whole]


def test_a_depthwise_convolution_that_widens_is_one_for_each_result(tmp_path):
    """The layer behind them reads the channels as they lie; nothing is transposed."""
    model = canonical_case("conv_depthwise_multiplier_conv")
    found = contents(convert(model), tmp_path)
    assert weights(found, "DEPTHWISE_CONV_2D") == [(1, 3, 3, 6)] * 3
    behind = [operator.kind for operator in found][:-1]  # in front of the TRANSPOSE of the output
    assert behind.count("CONCATENATION") == 1
    assert "TRANSPOSE" not in behind
    assert weights(contents(convert(model, plain=True), tmp_path), "DEPTHWISE_CONV_2D") == [(1, 3, 3, 18)]
