import numpy as np
import onnx
import pytest
from edgeport.graph.qparams import QParams, asymmetric, per_channel, symmetric
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx.reference import ReferenceEvaluator

lows, highs = st.floats(-1e5, 0), st.floats(0, 1e5)


@given(lows, highs)
def test_zero_is_exact_and_the_range_is_covered(lo, hi):
    for params in (asymmetric(lo, hi), symmetric(lo, hi)):
        assert -128 <= params.zero_point <= 127
        assert params.dequantize(params.quantize(np.zeros(1)))[0] == 0
        low, high = params.range
        assert low <= lo + params.scale * 0.51
        assert hi - params.scale * 0.51 <= high
        assert np.isfinite(np.float32(params.scale))
        assert params.scale == np.float32(params.scale) > 0


@given(hnp.arrays(np.float32, (3, 4, 2), elements=st.floats(-1e3, 1e3, width=32)), st.sampled_from([0, 1, 2]))
def test_a_weight_is_within_half_a_scale(weight, axis):
    params = per_channel(weight, axis)
    integers = params.quantize(weight)
    assert integers.min() >= -127
    scales = np.reshape(params.scales, [-1 if a == axis else 1 for a in range(3)])
    assert (np.abs(params.dequantize(integers) - weight) <= scales * 0.5001).all()


def test_a_channel_of_zeros_takes_its_largest_neighbours_scale():
    params = per_channel(np.array([[0, 0], [1, -2], [0.1, 0.1]], np.float32), axis=0)
    assert params.scales[0] == params.scales[1] == np.float32(2 / 127)


@given(st.lists(st.floats(1e-12, 10), min_size=3, max_size=3))
def test_no_scale_is_below_its_floor(floors):
    params = per_channel(np.full((3, 2), 1e-3, np.float32), 0, np.array(floors))
    assert all(scale >= floor for scale, floor in zip(params.scales, floors, strict=True))


@pytest.mark.parametrize("zero_point", [-128, 0, 17])
@given(hnp.arrays(np.float32, (2, 3), elements=st.floats(-100, 100, width=32)))
@settings(max_examples=25, deadline=None)
def test_quantize_is_onnx_quantize_linear(zero_point, real):
    node = onnx.helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])
    expected = ReferenceEvaluator(node).run(None, {"x": real, "s": np.float32(0.25), "z": np.int8(zero_point)})[0]
    np.testing.assert_array_equal(QParams((0.25,), zero_point).quantize(real), expected)
