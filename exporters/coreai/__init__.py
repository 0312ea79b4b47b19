"""The Core AI writer: a canonical ONNX graph, float or with Q/DQ, becomes an .aimodel."""

from .convert import convert

__all__ = ["convert"]
