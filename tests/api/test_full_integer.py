"""Full-integer .tflite files: the types of their ends, for devices without float and readers that want uint8."""

import edgeport
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from edgeport import Manifest

ENDS = {  # options of export -> (types of the input and the output, name of the output)
    (): ("int8", "int8", "logits"),
    ("softmax",): ("int8", "int8", "probabilities"),
    ("pixels", "softmax", "uint8"): ("uint8", "uint8", "probabilities"),
    ("uint8",): ("int8", "uint8", "logits"),
    ("float32",): ("int8", "float32", "logits"),
}


@pytest.fixture(scope="module")
def lenet_inputs():
    variant, pixels = edgeport.get_variant("lenet5"), np.random.default_rng(0).random((12, 1, 32, 32))
    return ((pixels - variant.mean[0]) / variant.std[0]).astype(np.float32)


@pytest.mark.parametrize("asked", ENDS)
def test_the_ends_of_a_file_for_a_device_without_float(asked, lenet_inputs, tmp_path):
    """Also its softmax is int8; uint8 at both ends is what Task Library and MediaPipe take."""
    taken, given, name = ENDS[asked]
    types = [each for each in asked if each in ("uint8", "float32")]
    result = edgeport.export(
        *("lenet5", "tflite"),
        precision="int8",
        profile="npu",
        calibration=lenet_inputs,
        softmax="softmax" in asked,
        input="uint8" if "pixels" in asked else "float32",
        output_type=types[0] if types else None,
        weights="random",
        benchmark=False,
        output_dir=tmp_path,
    )
    assert result.ok
    interpreter = Interpreter(model_path=str(result.path))
    interpreter.allocate_tensors()
    (read,), (written,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (np.dtype(read["dtype"]).name, np.dtype(written["dtype"]).name) == (taken, given)
    float_tensors = [each["name"] for each in interpreter.get_tensor_details() if each["dtype"] == np.float32]
    assert len(float_tensors) == (given == "float32")
    if given == "uint8" and "softmax" in asked:
        assert written["quantization"] == (1 / 256, 0)
    manifest = Manifest.read(result.manifest_path)
    assert (manifest.inputs[0].dtype, manifest.outputs[0].dtype, manifest.outputs[0].name) == (taken, given, name)
    validated = edgeport.validate(result.path, num_validation_samples=4)
    assert validated.ok
    assert validated.agreement.snr_db > 20
    if given != "float32":  # a wrapper would read bytes as floats
        with pytest.raises(edgeport.UsageError, match="--input uint8 --output-type float32"):
            edgeport.bundle(result.path, "android", output=tmp_path / "app")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"profile": "npu", "top_k": 3}, "profile npu has no integer kernel that finds the highest scores"),
        ({"output_type": "uint8", "softmax": True}, "'probabilities' is computed in float by tflite-xnnpack"),
        ({"output_type": "int16"}, "--output-type int16 is not of int8, which has float32 and int8 and uint8"),
        ({"output_type": "int64"}, "float32, int8"),
    ],
)
def test_ends_that_cannot_be(options, words, lenet_inputs, tmp_path):
    with pytest.raises(edgeport.EdgeportError, match=words):
        edgeport.export(
            *("lenet5", "tflite"),
            precision="int8",
            calibration=lenet_inputs,
            weights="random",
            benchmark=False,
            output_dir=tmp_path,
            **options,
        )
    with pytest.raises(edgeport.UsageError, match="--output-type is for --precision int8"):
        edgeport.export("lenet5", "tflite", output_type="uint8", output_dir=tmp_path)
