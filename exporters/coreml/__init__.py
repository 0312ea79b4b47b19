"""The Core ML writer: a canonical ONNX graph, float or with Q/DQ, becomes an .mlpackage."""

from .convert import convert

__all__ = ["convert"]
