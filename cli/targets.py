"""This file lists the formats that `export` can write: a new one is a row here and its converter in exporters."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from ..runtime.session import RuntimeUnavailable

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Target:
    """A format.

    Attributes:
        suffix: of its artifacts.
        extra: the extra of `pip install edgeport[...]` that brings what it needs.
        needs: {module: distribution} that have to be there.
        scheme: the name in quantize.schemes of its int8 scheme.
        lower: (canonical graph, input layout, facts for the file) -> the artifact's bytes.
    """

    suffix: str
    extra: str
    needs: dict[str, str]
    scheme: str
    lower: Callable[["ir.Model", str, dict[str, Any]], bytes]

    def missing(self) -> list[str]:
        """The distributions that are not installed."""
        return [name for module, name in self.needs.items() if importlib.util.find_spec(module) is None]


def _tflite(graph: "ir.Model", layout: str, metadata: dict[str, Any]) -> bytes:
    from ..exporters.tflite.convert import convert

    return convert(graph, input_layout=layout, metadata=metadata)


_LITERT = {"ai_edge_litert": "ai-edge-litert", "flatbuffers": "flatbuffers"}

TARGETS = {"tflite": Target(".tflite", "tflite", _LITERT, "TFLITE_XNNPACK", _tflite)}

# what decides about the bytes of an artifact or the figures of its validation
_TOOLS = ("edgeport", "torch", "onnx-ir", "onnxscript", "onnxruntime", "numpy")


def check(name: str) -> Target:
    """The target of that name, ready to be used. Raises RuntimeUnavailable, naming the extra."""
    target = TARGETS[name]
    if target.missing():
        raise RuntimeUnavailable(
            f"target {name} needs {' and '.join(target.missing())}: pip install 'edgeport[{target.extra}]'"
        )
    return target


def tools(target: Target) -> dict[str, str]:
    """{distribution: version}, for the manifest."""
    return {name: installed(name) or "unknown" for name in (*_TOOLS, *target.needs.values())}


def installed(distribution: str) -> str | None:
    """The installed version, or None."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
