"""Run calibration inputs through the float graph and keep statistics of every value, not the values."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from ...artifacts.errors import QuantizeError
from ...graph.edit import name_of, shape, where
from ...graph.fusion import VIEWS
from ...runtime.graph_session import open_graph
from .histogram import Histogram
from .sentinels import find_sentinels, without_sentinels
from .statistics import Statistics, ValueStatistics

if TYPE_CHECKING:
    import onnxruntime

KEEP_EVERY = 20  # inputs
SAMPLES_PER_INPUT = 1 << 14  # elements of one value that its histogram counts per calibration input


class _Running:
    """The statistics of one value, as they grow."""

    def __init__(self) -> None:
        self.min, self.max = np.inf, -np.inf
        self.sum_min = self.sum_max = 0.0
        self.histogram = Histogram()

    @classmethod
    def of(cls, statistics: Statistics, name: str) -> _Running:
        """Where they came from."""
        made, value = cls(), statistics[name]
        made.min, made.max, made.histogram = value.min, value.max, copy.deepcopy(value.histogram)
        made.sum_min, made.sum_max = value.mean_min * statistics.samples, value.mean_max * statistics.samples
        return made

    def add(self, array: np.ndarray, turn: int) -> bool:
        """Take in one input's array; False if it holds NaN or infinity."""
        lo, hi = float(array.min()), float(array.max())
        if not (np.isfinite(lo) and np.isfinite(hi)):
            return False
        self.min, self.max = min(self.min, lo), max(self.max, hi)
        self.sum_min, self.sum_max = self.sum_min + lo, self.sum_max + hi
        self.histogram.add(_sample(array.reshape(-1), turn), lo, hi)
        return True

    def result(self, samples: int) -> ValueStatistics:
        means = self.sum_min / samples, self.sum_max / samples
        return ValueStatistics(self.min, self.max, *means, copy.deepcopy(self.histogram))


def _sample(flat: np.ndarray, turn: int) -> np.ndarray:
    """At most SAMPLES_PER_INPUT elements, evenly spaced.

    The odd stride walks through rows and channels instead of down one column, and the start moves with each input.
    """
    if flat.size <= SAMPLES_PER_INPUT:
        return flat
    stride = -(-flat.size // SAMPLES_PER_INPUT) | 1
    return flat[turn % stride :: stride]


def collect(
    model: ir.Model,
    feeds: Iterable[Mapping[str, np.ndarray]],
    *,
    progress: Callable[[int], None] | None = None,
    known: Statistics | None = None,
    keep: Callable[[Statistics], None] = lambda statistics: None,
    turn: Callable[[int], int] = lambda done: done,
) -> Statistics:
    """One pass over `feeds` ({input name: float32 array of the input's shape}); memory does not grow with their number.

    Views (Reshape, Transpose) are not observed: they hold their source's numbers. What stands for infinity (the lowest
    number around a MaxPool, a mask) is left out. `known` are the statistics of the first inputs, which then are not
    run again; `keep` is given those so far, every KEEP_EVERY inputs and at the end. `progress` is called with the
    number of inputs done. `turn`: of a part of the inputs, which of all the first, second and so on is, so that
    histograms count the elements that they would count of all. Raises QuantizeError when there is no input, an input
    has another shape, or a value holds NaN or infinity (the first such value in the graph's order is named, with its
    module path).
    """
    values = [*model.graph.inputs, *(o for n in model.graph if n.op_type not in VIEWS for o in n.outputs)]
    observed = {v.name: v for v in values if v.name and v.dtype == ir.DataType.FLOAT}
    inputs = {name_of(v): (shape(v), (v.dtype or ir.DataType.FLOAT).numpy()) for v in model.graph.inputs}
    session = open_graph(model, (name for name in observed if name not in inputs))
    # Two buffers per value: one is written while statistics of the other are taken. Fresh ones for each input (200 MB a
    # turn) would cost more than the model.
    turns = [_Turn(session, observed, inputs) for _ in range(2)]
    if known is not None and known.values.keys() != observed.keys():
        raise QuantizeError("calibrate: the known statistics are of another graph")
    running = {name: _Running.of(known, name) if known else _Running() for name in observed}
    sentinels = find_sentinels(model.graph)

    def take(arrays: Mapping[str, np.ndarray], turn: int) -> None:
        for name in observed:
            array = without_sentinels(arrays[name]) if name in sentinels else arrays[name]
            if not running[name].add(array, turn):
                raise QuantizeError(
                    f"calibrate: value {name!r}{_place(observed[name])} holds NaN or infinity for input {turn}; "
                    "check the weights and the calibration inputs"
                )

    samples, taking = 0, None
    with ThreadPoolExecutor(1) as taker:
        for samples, feed in enumerate(feeds, start=1):
            if known is not None and samples <= known.samples:
                continue
            arrays = turns[samples % 2].run(_checked(feed, inputs, samples))
            if taking is not None:
                taking.result()
            taking = taker.submit(take, arrays, turn(samples))
            if progress is not None:
                progress(samples)
            if samples % KEEP_EVERY == 0:
                taking.result()
                keep(_result(running, samples))
        if taking is not None:
            taking.result()
    if not samples:
        raise QuantizeError("calibrate: no calibration inputs; give at least one")
    statistics = _result(running, samples)
    keep(statistics)
    return statistics


class _Turn:
    """Buffers for all that is observed of one input, and a binding of the session to them."""

    def __init__(
        self, session: onnxruntime.InferenceSession, observed: Mapping[str, ir.Value], inputs: Mapping[str, Any]
    ) -> None:
        self.session, self.binding = session, session.io_binding()
        self.arrays = {name: np.empty(shape(v), np.float32) for name, v in observed.items() if name not in inputs}
        for name, array in self.arrays.items():
            self.binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)

    def run(self, feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Every observed value, and the inputs."""
        for name, array in feed.items():
            self.binding.bind_cpu_input(name, array)
        if self.arrays:
            self.session.run_with_iobinding(self.binding)
        return {**self.arrays, **feed}


def _result(running: Mapping[str, _Running], samples: int) -> Statistics:
    return Statistics(samples, {name: r.result(samples) for name, r in running.items()})


def _checked(feed: Mapping[str, np.ndarray], inputs: Mapping[str, Any], turn: int) -> dict[str, np.ndarray]:
    if set(feed) != set(inputs):
        raise QuantizeError(f"calibrate: input {turn} feeds {sorted(feed)}, the model wants {sorted(inputs)}")
    for name, (wanted, _) in inputs.items():
        if feed[name].shape != wanted:
            raise QuantizeError(f"calibrate: {name!r} of input {turn} has shape {feed[name].shape}, not {wanted}")
    return {name: np.ascontiguousarray(feed[name], dtype) for name, (_, dtype) in inputs.items()}


def _place(value: ir.Value) -> str:
    node = value.producer()
    return f" ({where(node)})" if node is not None else " (an input of the model)"
