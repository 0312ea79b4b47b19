"""Open ONNX Runtime on a graph in memory, with any of its values as outputs."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ..graph.fixed_selection import to_runnable_proto
from .backends import onnxruntime as load_onnxruntime

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir
    import onnxruntime

THREADS = 1  # a second thread gains little on one image at a time, and loses much on a busy machine
MOST_AT_ONCE = 4  # inputs that run side by side, each in a thread of its own: more of them want much memory
# Of a value's largest magnitude: far above what another order of float32 sums does, far below a wrong fusion.
DIFFERENT = 1e-3

LOG = logging.getLogger("edgeport")

Given = TypeVar("Given")
Made = TypeVar("Made")


def open_graph(
    model: ir.Model | onnx.ModelProto, outputs: Iterable[str] = (), *, optimised: bool = False
) -> onnxruntime.InferenceSession:
    """A CPU session on a canonical graph, or on a model that is ONNX's own; the named values are outputs, too.

    Without `optimised` the arithmetic is that of the graph to the bit, Q/DQ included, and no wrong fusion can shift
    what is calibrated. With it nodes are fused and layouts changed, which takes a third to a half of the time away;
    Q/DQ nodes stay what they are, for int8 kernels round elsewhere, and on a CPU without VNNI saturate.
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
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    if optimised:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    return ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def open_checked(
    model: ir.Model, outputs: Iterable[str], feed: Mapping[str, np.ndarray]
) -> onnxruntime.InferenceSession:
    """An optimised session on a float graph, if it gives what the graph itself computes for `feed`, in all outputs.

    Else one that computes the graph as it is.
    """
    wanted = list(outputs)
    names = [*wanted, *(output.name for output in model.graph.outputs if output.name and output.name not in wanted)]
    exactly = run(open_graph(model, wanted), names, feed)  # whose memory is free again before the other one is opened
    fast = open_graph(model, wanted, optimised=True)
    pairs = zip(names, exactly, run(fast, names, feed), strict=True)
    wrong = next((name for name, exact, other in pairs if _differ(exact, other)), None)
    if wrong is None:
        return fast
    LOG.debug("ONNX Runtime's optimised graph computes %r otherwise; calibrating without", wrong)
    return open_graph(model, wanted)


def _differ(exact: np.ndarray, other: np.ndarray) -> bool:
    if exact.dtype.kind != "f":
        return not np.array_equal(exact, other)
    finite = np.isfinite(exact)
    if not np.array_equal(finite, np.isfinite(other)):
        return True
    if not finite.all():  # infinity in a mask
        exact, other = exact[finite], other[finite]
    if not exact.size:
        return False
    largest = max(float(exact.max()), -float(exact.min()))
    return float(np.abs(exact - other).max()) > DIFFERENT * largest


def count_threads() -> int:
    """How many inputs to run side by side: one on each core that this process may use, at most MOST_AT_ONCE."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_AT_ONCE)


def side_by_side(function: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
    """`function` of each, in their order; several are computed at once, and no more are taken than that.

    For functions that spend their time outside of Python: in ONNX Runtime, NumPy, image decoders.
    """
    count = count_threads()
    if count == 1:
        yield from map(function, given)
        return
    running: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for each in given:
                running.append(pool.submit(function, each))
                if len(running) > count:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


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
