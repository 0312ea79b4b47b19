"""Open ONNX Runtime on a graph in memory, with any of its values as outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..graph.fixed_selection import to_runnable_proto
from .backends import onnxruntime as load_onnxruntime

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir
    import onnxruntime

THREADS = 1  # a second thread gains little on one image at a time, and loses much on a busy machine


def open_graph(model: ir.Model | onnx.ModelProto, outputs: Iterable[str] = ()) -> onnxruntime.InferenceSession:
    """A CPU session on a canonical graph, or on a model that is ONNX's own; the named values are outputs, too.

    No optimisation runs: the arithmetic is that of the graph, Q/DQ included, and no wrong fusion can shift what is
    calibrated. It costs 3 % of a run.
    """
    import onnx

    ort = load_onnxruntime()
    proto = model if isinstance(model, onnx.ModelProto) else to_runnable_proto(model)
    present = {output.name for output in proto.graph.output}
    for name in outputs:
        if name not in present:
            proto.graph.output.add().name = name
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3  # errors
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(
    session: onnxruntime.InferenceSession, outputs: Sequence[str], feed: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """The named outputs, which are tensors."""
    if not outputs:  # to the runtime, none named means all
        return []
    return [np.asarray(output) for output in session.run(outputs, feed)]


def evaluate(model: ir.Model, names: Sequence[str], feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The named values of a graph in memory, for one feed."""
    import onnx_ir as ir

    session = open_graph(model, names)
    types = {value.name: (value.dtype or ir.DataType.FLOAT).numpy() for value in model.graph.inputs}
    return dict(zip(names, run(session, names, {n: np.asarray(a, types[n]) for n, a in feed.items()}), strict=True))
