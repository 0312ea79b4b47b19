"""This file says which exports passed when last run; written by `python -m benchmarks.matrix`."""

# ruff: noqa: E501, RUF100
# fmt: off
PASSED: dict[str, dict[str, tuple[str, ...]]] = {
    "deit_tiny_patch16_224": {'coreml': ('fp32', 'int8'), 'onnx': ('fp32', 'int8'), 'openvino': ('fp32', 'int8'), 'tflite': ('fp32', 'int8')},
    "mobilevit_xxs": {'coreml': ('fp32', 'int8'), 'onnx': ('fp32', 'int8'), 'openvino': ('fp32', 'int8'), 'tflite': ('fp32', 'int8')},
}
