"""Open ONNX Runtime on a graph in memory, with any of its values as outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..runtime import backends

if TYPE_CHECKING:
    import onnx
    import onnxruntime

THREADS = 1  # a second thread gains little on one image at a time, and loses much on a busy machine


def open_graph(proto: onnx.ModelProto, outputs: Iterable[str] = ()) -> onnxruntime.InferenceSession:
    """A CPU session on `proto`, which gains the named values as outputs.

    Only the basic optimisations run: the arithmetic is that of the graph, Q/DQ included.
    """
    ort = backends.onnxruntime()
    present = {output.name for output in proto.graph.output}
    for name in outputs:
        if name not in present:
            proto.graph.output.add().name = name
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3  # errors
    # else a float Conv between two pairs gets its weights rounded (WeightBiasQuantization)
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(
    session: onnxruntime.InferenceSession, outputs: Sequence[str], feed: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """The named outputs, which are tensors."""
    if not outputs:  # to the runtime, none named means all
        return []
    return [np.asarray(output) for output in session.run(outputs, feed)]
