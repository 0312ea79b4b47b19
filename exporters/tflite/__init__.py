"""The direct TFLite writer: a canonical ONNX graph, float or with Q/DQ, becomes a .tflite flatbuffer."""

from .convert import convert

__all__ = ["convert"]
