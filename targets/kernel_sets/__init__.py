"""What each target's int8 kernels can do, as data; apart from targets/NAME.py, which `--help` reads without NumPy."""

from .coreml import COREML_ANE
from .onnx import ONNXRUNTIME_CPU
from .openvino import OPENVINO_CPU
from .tflite import TFLITE_NPU, TFLITE_XNNPACK

KERNEL_SETS = {  # by the names that profiles and manifests have for them
    "TFLITE_XNNPACK": TFLITE_XNNPACK,
    "TFLITE_NPU": TFLITE_NPU,
    "OPENVINO_CPU": OPENVINO_CPU,
    "COREML_ANE": COREML_ANE,
    "ONNXRUNTIME_CPU": ONNXRUNTIME_CPU,
}
