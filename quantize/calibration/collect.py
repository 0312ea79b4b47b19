"""Run calibration inputs through the float graph and keep statistics of every value, not the values."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from ...artifacts.errors import QuantizeError
from ...graph.edit import name_of, shape, where
from ...graph.fusion import VIEWS
from ...runtime.graph_session import open_checked, side_by_side
from .derived import Derived, find_derived
from .histogram import Histogram
from .sentinels import find_sentinels, without_sentinels
from .statistics import Statistics, ValueStatistics

if TYPE_CHECKING:
    import onnxruntime

KEEP_EVERY = 60  # inputs
SAMPLES_PER_INPUT = 1 << 14  # elements of one value that its histogram counts per calibration input
_BLOCK = 1 << 17  # elements that are looked at together: they fit the second cache, which is read more than once

Histograms = dict[str, Histogram]


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

    Views (Reshape, Transpose) are not observed: they hold their source's numbers. Activation functions are computed
    from what is observed of their inputs. What stands for infinity (the lowest number around a MaxPool, a mask) is
    left out. `known` are the statistics of the first inputs, which then are not run again; `keep` is given those so
    far, every KEEP_EVERY inputs and at the end. `progress` is called with the number of inputs done. `turn`: of a
    part of the inputs, which of all the first, second and so on is, so that histograms count the elements that they
    would count of all. Raises QuantizeError when there is no input, an input has another shape, or a value holds NaN
    or infinity (the first such value in the graph's order is named, with its module path).
    """
    observing = _Observing.of(model)
    if known is not None and known.values.keys() != {*observing.names}:
        raise QuantizeError("calibrate: the known statistics are of another graph")
    running = _Running(observing.names, known)
    given = _given(feeds, observing, running.samples)
    first, histograms = next(given, None), list[Histograms]
    if first is not None:
        look = _Look(model, observing, first[1])
        histograms = look.histograms
        given = ((turn(number), feed) for number, feed in itertools.chain([first], given))
        while part := list(itertools.islice(given, 1)):
            part = itertools.chain(part, itertools.islice(given, KEEP_EVERY - running.samples % KEEP_EVERY - 1))
            for extremes in side_by_side(look, part):
                running.add(extremes)
                if progress is not None:
                    progress(running.samples)
            if running.samples % KEEP_EVERY == 0:
                keep(running.result(histograms()))
    if not running.samples:
        raise QuantizeError("calibrate: no calibration inputs; give at least one")
    statistics = running.result(histograms())
    keep(statistics)
    return statistics


class _Running:
    """The statistics so far, without the histograms of what is still running."""

    def __init__(self, names: Sequence[str], known: Statistics | None) -> None:
        self.names, self.samples = names, 0
        self._known: list[Histograms] = []
        self._extremes, self._sums = (
            np.array([[np.inf, -np.inf]] * len(names)).reshape(-1, 2),
            np.zeros((len(names), 2)),
        )
        if known is not None:
            self.samples = known.samples
            self._known = [{name: known[name].histogram for name in names}]
            self._extremes = np.array([(known[name].min, known[name].max) for name in names]).reshape(-1, 2)
            means = [(known[name].mean_min, known[name].mean_max) for name in names]
            self._sums = np.array(means).reshape(-1, 2) * known.samples

    def add(self, extremes: np.ndarray) -> None:
        """One input's lowest and highest numbers, (values, 2)."""
        self.samples += 1
        self._sums += extremes
        np.minimum(self._extremes[:, 0], extremes[:, 0], out=self._extremes[:, 0])
        np.maximum(self._extremes[:, 1], extremes[:, 1], out=self._extremes[:, 1])

    def result(self, histograms: Sequence[Histograms]) -> Statistics:
        """With what the histograms have counted."""
        rows = np.concatenate([self._extremes, self._sums / self.samples], axis=1).tolist()
        parts = [*self._known, *histograms]
        values = {
            name: ValueStatistics(low, high, mean_low, mean_high, Histogram.merged([part[name] for part in parts]))
            for name, (low, high, mean_low, mean_high) in zip(self.names, rows, strict=True)
        }
        return Statistics(self.samples, values)


@dataclass(frozen=True)
class _Observing:
    """What is looked at, in the graph's order, and how the rest follows from it."""

    inputs: Mapping[str, tuple[tuple[int, ...], np.dtype]]
    observed: Mapping[str, ir.Value]
    derived: Mapping[str, Derived]
    sentinels: Collection[str]

    @classmethod
    def of(cls, model: ir.Model) -> _Observing:
        graph = model.graph
        values = [*graph.inputs, *(o for n in graph if n.op_type not in VIEWS for o in n.outputs)]
        floats = {v.name: v for v in values if v.name and v.dtype == ir.DataType.FLOAT}
        sentinels = find_sentinels(graph)
        derived = find_derived(graph, floats, sentinels)
        inputs = {name_of(v): (shape(v), (v.dtype or ir.DataType.FLOAT).numpy()) for v in graph.inputs}
        return cls(inputs, {name: v for name, v in floats.items() if name not in derived}, derived, sentinels)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.observed, *self.derived)


def _given(
    feeds: Iterable[Mapping[str, np.ndarray]], observing: _Observing, before: int
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """(number, arrays) of the inputs behind those that are known."""
    for number, feed in enumerate(feeds, start=1):
        if number > before:
            yield number, _checked(feed, observing.inputs, number)


class _Look:
    """Runs an input, and looks at every observed value; may be called from several threads."""

    def __init__(self, model: ir.Model, observing: _Observing, feed: Mapping[str, np.ndarray]) -> None:
        self._observing = observing
        self._readers: dict[str, list[tuple[str, Derived]]] = {}
        for name, derived in observing.derived.items():
            self._readers.setdefault(derived.of, []).append((name, derived))
        self._computed = {n: shape(v) for n, v in observing.observed.items() if n not in observing.inputs}
        self._session = open_checked(model, self._computed, feed) if self._computed else None
        self._places = {name: place for place, name in enumerate(observing.names)}
        self._desks: list[_Desk] = []
        self._free: list[_Desk] = []  # which no thread sits at

    def histograms(self) -> list[Histograms]:
        """Of all the inputs together; for when no thread runs."""
        return [desk.histograms for desk in self._desks]

    def __call__(self, given: tuple[int, dict[str, np.ndarray]]) -> np.ndarray:
        """(turn, arrays) of an input -> the lowest and highest number of each value, (values, 2); histograms count a
        sample."""
        try:
            desk = self._free.pop()
        except IndexError:
            desk = _Desk(self._session, self._computed, self._observing.names)
            self._desks.append(desk)
        turn, feed = given
        desk.run(feed)
        found = self._count({**desk.arrays, **feed}, desk.histograms, turn)
        self._free.append(desk)
        return found

    def _count(self, arrays: Mapping[str, np.ndarray], histograms: Histograms, turn: int) -> np.ndarray:
        found = np.empty((len(self._places), 2))

        def count(name: str, low: float, high: float, sample: np.ndarray, whole: bool) -> None:
            found[self._places[name]] = low, high
            histograms[name].add(sample, low, high)
            for other, derived in self._readers.get(name, ()):
                numbers = derived.function(sample)
                count(other, *derived.extremes(low, high, numbers, whole), numbers, whole)

        for name, value in self._observing.observed.items():
            array = without_sentinels(arrays[name]) if name in self._observing.sentinels else arrays[name]
            low, high, sample = _summarize(array.reshape(-1), turn)
            if not (np.isfinite(low) and np.isfinite(high)):
                raise QuantizeError(
                    f"calibrate: value {name!r}{_place(value)} holds NaN or infinity for input {turn}; "
                    "check the weights and the calibration inputs"
                )
            count(name, low, high, sample, sample.size == array.size)
        return found


class _Desk:
    """Buffers for all that is observed of one input, and histograms; fresh ones for each input would cost more than the
    model."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession | None,
        computed: Mapping[str, tuple[int, ...]],
        names: Sequence[str],
    ) -> None:
        self._session = session
        self.histograms = {name: Histogram() for name in names}
        self.arrays = {name: np.empty(size, np.float32) for name, size in computed.items()}
        if session is not None:
            self._binding = session.io_binding()
            for name, array in self.arrays.items():
                self._binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)

    def run(self, feed: Mapping[str, np.ndarray]) -> None:
        """Every observed value, into `arrays`."""
        if self._session is not None:
            for name, array in feed.items():
                self._binding.bind_cpu_input(name, array)
            self._session.run_with_iobinding(self._binding)


def _summarize(flat: np.ndarray, turn: int) -> tuple[float, float, np.ndarray]:
    """(lowest, highest, at most SAMPLES_PER_INPUT elements, evenly spaced), in one walk through memory.

    The odd stride walks through rows and channels instead of down one column, and the start moves with each input.
    """
    stride = 1 if flat.size <= SAMPLES_PER_INPUT else -(-flat.size // SAMPLES_PER_INPUT) | 1
    start, lows, highs, samples = turn % stride, [], [], []
    for block in range(0, flat.size, _BLOCK):
        part = flat[block : block + _BLOCK]
        lows.append(part.min())
        highs.append(part.max())
        samples.append(part[(start - block) % stride :: stride])
    sample = samples[0] if len(samples) == 1 else np.concatenate(samples)
    return float(np.min(lows)), float(np.max(highs)), sample


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
