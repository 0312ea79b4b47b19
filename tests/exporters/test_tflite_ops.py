"""Every operator case through the TFLite converter and LiteRT, with and without the delegate, in both input layouts."""

import numpy as np
import pytest
from cases import CASES
from edgeport.exporters.tflite import convert
from graphs import feeds, graph, run_onnx, run_tflite


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("name", CASES)
def test_float_operator(name, layout):
    text, _, constants = CASES[name]
    model = graph(text, constants)
    inputs = feeds(model)
    expected = run_onnx(model, inputs)["y"]
    content = convert(model, input_layout=layout)
    for delegate in (True, False):
        got = run_tflite(content, inputs, delegate=delegate)["y"]
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, atol=2e-5 * max(expected.std(), 1), rtol=0)
