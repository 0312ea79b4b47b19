"""The OpenVINO writer: a canonical graph, float or with Q/DQ, becomes an IR (.xml and .bin)."""

from .convert import convert

__all__ = ["convert"]
