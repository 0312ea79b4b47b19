"""The Core ML writer: a canonical ONNX graph, float or with Q/DQ, becomes an .mlpackage."""

from .convert import ImageInput, convert

__all__ = ["ImageInput", "convert"]
