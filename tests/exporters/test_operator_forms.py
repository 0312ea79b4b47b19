"""Every operator form of cases_forms.py, canonicalised, through each converter, against ONNX Runtime."""

import numpy as np
import pytest
from cases_forms import FORMS
from edgeport.exporters import coreml, tflite
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.openvino.convert import convert
from edgeport.runtime.sessions.openvino import OpenVINOSession
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK
from edgeport.targets.registry import open_session
from graphs import feeds, graph, run_onnx, run_tflite


def _tflite(model, inputs, folder):
    for layout in ("nhwc", "nchw"):
        content = tflite.convert(model, kernels=TFLITE_XNNPACK, input_layout=layout)
        for delegate in (True, False):
            yield run_tflite(content, inputs, delegate=delegate)["y"]


def _coreml(model, inputs, folder):
    coreml.convert(model, folder / "form.mlpackage")
    yield open_session(folder / "form.mlpackage").run(inputs)["y"]


def _openvino(model, inputs, folder):
    yield OpenVINOSession(convert(model, folder)).run(inputs)["y"]


@pytest.mark.parametrize("run", [_tflite, _coreml, _openvino], ids=["tflite", "coreml", "openvino"])
@pytest.mark.parametrize("name", FORMS)
def test_form(name, run, tmp_path):
    form = FORMS[name]
    model = graph(form.text, form.constants, opset=form.opset)
    inputs = feeds(model)
    expected = run_onnx(model, inputs)["y"]
    for got in run(canonicalize(model), inputs, tmp_path):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, atol=2e-5 * max(expected.std(), 1), rtol=0)
