"""The ONNX writer: a canonical graph, float or with Q/DQ, becomes a .onnx file."""

from .convert import convert

__all__ = ["convert"]
