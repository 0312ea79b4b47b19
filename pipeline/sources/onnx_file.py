"""This file makes a subject of an ONNX file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ...artifacts.manifest import Weights, sha256
from ...cli.console import Console
from ...models import PreprocessSpec
from ...runtime.session import Session, TensorSpec
from ..input_spec import Shapes, Takes
from .source import Subject

if TYPE_CHECKING:
    import onnx_ir as ir


def from_onnx_file(model: str, shapes: Shapes, console: Console) -> Subject:
    """The model in a file, with static shapes; ONNX Runtime on the file itself is the reference.

    One that computes in half or double precision is compared with the same graph in float32, which is what is exported.
    """
    from ...exporters.frontends import onnx_file
    from ...exporters.passes.entry import float32
    from ...graph.edit import shape as dims

    path = Path(model)
    graph = onnx_file.from_onnx(path, shapes)
    if widened := onnx_file.computed_in_half(graph):
        console.note(f"{model}: is not in float32; it is exported, and compared, as it computes in float32")
        float32.rewrite(graph)
    inputs = tuple(TensorSpec(v.name or "", dims(v), _dtype(v)) for v in graph.graph.inputs)
    own = embedded_preprocess(onnx_file.own_metadata(path))
    takes = Takes.of(inputs, own)
    outputs = tuple(value.name or "" for value in graph.graph.outputs)

    def session() -> Session:
        from ...runtime.sessions.onnx import OnnxSession

        return OnnxSession(onnx_file.serialized(graph) if widened else path, threads=1, optimisation="basic")

    return Subject(
        *(model, path.stem, takes, Weights(source=model, sha256=sha256(path)), None, outputs, lambda: graph, session),
        assumed=takes.preprocess is not None and own is None,
        origin=onnx_file.metadata(path),
    )


def embedded_preprocess(text: str | None) -> PreprocessSpec | None:
    """How an image becomes the input, of a file that edgeport wrote."""
    try:
        facts = json.loads(text or "")["preprocess"]
        return PreprocessSpec(
            input_size=(len(facts["mean"]), *facts["crop"]),
            mean=tuple(facts["mean"]),
            std=tuple(facts["std"]),
            interpolation=facts["interpolation"],
            crop_pct=facts["crop_pct"],
        )
    except (ValueError, KeyError, TypeError):
        return None


def _dtype(value: "ir.Value") -> str:
    import onnx_ir as ir

    return (value.dtype or ir.DataType.FLOAT).numpy().name
