"""Model sources made of ONNX files, and of ONNX models in memory."""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...artifacts.digest import sha256_of_file
from ...artifacts.embedded import read_embedded
from ...artifacts.errors import ModelFileError
from ...artifacts.json_reader import NotJson
from ...artifacts.manifest import Weights
from ...artifacts.process import is_watched
from ...artifacts.sizes import Size
from ...models import PreprocessSpec
from ...models.preprocess_facts import from_facts
from ...runtime.session import Session, TensorSpec
from ...runtime.session_wrappers import SessionWrapper
from ...tasks.registry import CLASSIFY
from ..input_spec import InputSpec, Shapes
from ..progress import Progress
from .source import OWN_CODE, ModelSource
from .stated_by_model import state_from_file, state_from_metadata
from .stated_task import read_metadata

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir


def from_onnx_file(path: Path, shapes: Shapes, progress: Progress) -> ModelSource:
    """The model in a file, with static shapes; ONNX Runtime on the file itself is the reference.

    One that computes in half or double precision is compared with the same graph in float32, which is what is exported.
    """
    weights = Weights(source=str(path), sha256=sha256_of_file(path))
    return _make_source(path, str(path), path.stem, weights, shapes, progress)


def from_onnx_model(
    model: "onnx.ModelProto | ir.Model", shapes: Shapes, progress: Progress, name: str | None
) -> ModelSource:
    """A model in memory: it is written down, and read and checked as a file is."""
    from ...exporters.frontends.onnx_file import save_model
    from .torch_module import file_name

    name = name or str(getattr(model.graph, "name", None) or "model")
    with tempfile.TemporaryDirectory(prefix="edgeport-") as folder:
        path = Path(folder) / f"{file_name(name)}.onnx"
        save_model(model, path)
        weights = Weights(source=OWN_CODE, sha256=sha256_of_file(path))
        return _make_source(path, name, path.stem, weights, shapes, progress, in_memory=True)


def _make_source(
    path: Path,
    model: str,
    name: str,
    weights: Weights,
    shapes: Shapes,
    progress: Progress,
    *,
    in_memory: bool = False,
) -> ModelSource:
    from ...exporters.frontends import onnx_file
    from ...exporters.passes.entry import distinct_outputs, float32
    from ...graph.edit import shape as dims

    graph = onnx_file.from_onnx(path, shapes)
    if widened := onnx_file.computed_in_half(graph):
        progress.note(f"{model}: is not in float32; it is exported, and compared, as it computes in float32")
        float32.rewrite(graph)
    renamed = distinct_outputs.rewrite(graph)
    inputs = tuple(TensorSpec(v.name or "", dims(v), _dtype(v)) for v in graph.graph.inputs)
    origin = onnx_file.metadata(path)
    spec = InputSpec(inputs).recorded(embedded_preprocess(onnx_file.own_metadata(path), model), "its metadata")
    if spec.preprocess is None:
        spec = state_from_metadata(spec, origin, model)
    if spec.preprocess is None and not in_memory:
        spec = state_from_file(spec, path, model)
    outputs = tuple(value.name or "" for value in graph.graph.outputs)
    content = path.read_bytes() if in_memory else None  # its file is gone when the reference is opened

    def session() -> Session:
        from ...runtime.child_session import ChildSession
        from ...runtime.sessions.onnx import OnnxSession

        options = {"threads": 1, "optimisation": "disable"}
        if widened or renamed or content is not None or is_watched():
            source = onnx_file.serialized(graph) if widened or renamed else content or path
            return WidenableSession(OnnxSession(source, **options), graph)
        opener = f"{OnnxSession.__module__}:{OnnxSession.__name__}"
        return WidenableSession(ChildSession(opener, {"model": str(path), **options}, where=str(path)), graph)

    def resized(size: Size) -> ModelSource:
        again = path
        with tempfile.TemporaryDirectory(prefix="edgeport-") as folder:
            if content is not None:
                again = Path(folder) / path.name
                again.write_bytes(content)
            wanted = spec.resized(size).shapes
            return _make_source(again, model, name, weights, wanted, progress, in_memory=in_memory)

    task, labels = read_metadata(origin)
    return ModelSource(
        *(model, name, spec, weights, None, outputs, _returning(graph), session),
        origin=origin,
        is_file=not in_memory,
        classifies=task == CLASSIFY,
        task=task,
        labels=labels,
        resized=resized,
    )


class WidenableSession(SessionWrapper):
    """ONNX Runtime on a graph, which can also be had in float64."""

    def __init__(self, session: Session, graph: "ir.Model"):
        super().__init__(session)
        self._graph = graph

    def double(self) -> Session:
        """The same in float64, slowly. Raises ExportError where the graph cannot be widened."""
        from ...exporters.frontends.float64 import to_float64
        from ...exporters.frontends.onnx_file import serialized
        from ...runtime.sessions.float64_evaluator import Float64Session

        return Float64Session(self.bare, serialized(to_float64(self._graph)))


def _returning(graph: "ir.Model") -> "Callable[[], ir.Model]":
    return lambda: graph


def embedded_preprocess(text: str | None, model: str) -> PreprocessSpec | None:
    """How an image becomes the input, of a file that edgeport wrote. Raises ModelFileError."""
    try:
        own = read_embedded(text).preprocess
    except NotJson as e:
        raise ModelFileError(f"{model}: its 'edgeport' metadata is damaged ({e})") from e
    return from_facts(dataclasses.asdict(own)) if own else None


def _dtype(value: "ir.Value") -> str:
    import onnx_ir as ir

    return (value.dtype or ir.DataType.FLOAT).numpy().name
