"""Compare an artifact with its float graph, unit by unit: accumulated, alone, ranges and weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...artifacts.errors import QuantizeError
from ...graph.edit import array, maker, module_path, name_of, slashed
from ...graph.fusion import Unit
from ...graph.kernels import KernelSet
from ...graph.qparams import QParams
from ...runtime.graph_session import open_graph, run
from ...runtime.inspectors.inspector import Inspector
from ...runtime.output_kinds import MAX_SNR_DB, decibel
from ..calibration.observers import FUNCTIONS, Function
from ..plan import seen_through
from .isolated_units import add_isolated_units
from .stored_weights import Arrange, read_weights

Feeds = Iterable[Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Likeness:
    """How close a value comes to the float graph's, over all samples; both as `Layer.seen_through` shows them.

    Attributes:
        snr_db: 10 log10(sum float^2 / sum error^2), as compare has it.
        typical_channel_db: the median of the channels' own. Far below `snr_db` where a few large channels take the
            whole range, and the others are lost in one step of it.
    """

    snr_db: float
    cosine: float
    typical_channel_db: float


@dataclass(frozen=True)
class Layer:
    """One unit of the artifact beside the float graph's.

    Attributes:
        position: in order of execution, from 0.
        name: the value that it computes, as the graph calls it.
        module: of the PyTorch model, the one that computes the first node; "" where it is not known.
        kind: the first node's type.
        precision: "int8", "int16" or "float"; `why` float.
        seen_through: the function of which alone the value is the argument, or "". SiLU, say, is flat below -6, so a
            range that ends there clips much and harms nothing: what is compared is what the function makes of it.
        accumulated: the artifact's own value; None where the file does not hold it.
        alone: the unit on the float graph's values; None for a float one, which adds nothing.
        range_use: the share of the steps of its type between the lowest and the highest that the float values reach.
        clipped: the share of the float values that are beyond the range by over half a step.
        weight_snr_db: of the weight's worst output channel, `weight_channel`, after rounding.
    """

    position: int
    name: str
    module: str
    kind: str
    precision: str
    why: str
    seen_through: str
    accumulated: Likeness | None
    alone: Likeness | None
    range_use: float | None
    clipped: float | None
    weight_snr_db: float | None
    weight_channel: int | None

    @property
    def value(self) -> str:
        """The value's name, where it says more than the module's."""
        return "" if self.name == slashed(self.module) else self.name

    @property
    def badness_db(self) -> float:
        """What ranks: the lower, the worse. Alone, the whole or the typical channel, whichever is less; a unit that
        adds nothing of its own ranks behind all that do."""
        if self.alone is not None:
            return min(self.alone.snr_db, self.alone.typical_channel_db)
        return 2 * MAX_SNR_DB + (self.accumulated.snr_db if self.accumulated is not None else 2 * MAX_SNR_DB)


def rank_worst_first(layers: Iterable[Layer]) -> list[Layer]:
    """Worst first."""
    return sorted(layers, key=lambda layer: (layer.badness_db, layer.position))


def diagnose(
    model: ir.Model,
    units: Sequence[Unit],
    inspector: Inspector,
    kernels: KernelSet,
    feeds: Feeds,
    *,
    arrange: Arrange = lambda name, tensor: tensor,
    to_artifact: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]] = lambda feed: feed,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Layer]:
    """Every unit in order of execution.

    `model`: the float graph that was planned; `units`: as `match_artifact` gives them; `arrange` undoes the file's own
    order of dimensions; `to_artifact` makes of a feed what the artifact takes. Each input runs once through both, and
    no values are kept. Raises QuantizeError where there is no input, FeedError and ArtifactError as the artifact does.
    """
    weights = read_weights(model.graph, units, inspector, arrange)
    graph, isolated = add_isolated_units(model, units, inspector, weights, kernels)
    values = {name_of(o): o for node in model.graph for o in node.outputs}
    names = [u.output for u in units if values[u.output].dtype == ir.DataType.FLOAT]
    wanted = [*names, *isolated.values()]
    session = open_graph(graph, wanted)
    seen = seen_through(units, model.graph)
    tallies: dict[str, _Tally] = {}
    for name in names:
        function = FUNCTIONS.get(seen.get(name, ""), lambda x: x)
        tallies |= {each: _Tally(function) for each in (name, isolated.get(name, name))}
    ranges = {name: _Range(inspector.encodings[name]) for name in names if name in inspector.encodings}
    samples = 0
    for samples, feed in enumerate(feeds, start=1):
        real = dict(zip(wanted, run(session, wanted, feed), strict=True))
        held = inspector.run(to_artifact(feed), names)
        for name in names:
            tensor = arrange(name, held[name]) if name in held else None
            if tensor is not None and tensor.size == real[name].size:
                tallies[name].add(real[name], tensor.reshape(real[name].shape))
            if name in isolated:
                tallies[isolated[name]].add(real[name], real[isolated[name]])
            if name in ranges:
                ranges[name].add(real[name])
        progress(samples)
    if not samples:
        raise QuantizeError("diagnose: there is nothing to compare on: no inputs were given")
    layers = []
    for unit in units:
        used = ranges.get(unit.output)
        layers.append(
            Layer(
                position=len(layers),
                name=unit.output,
                module=module_path(maker(values[unit.nodes[0]])) or module_path(maker(values[unit.output])),
                kind=unit.kind,
                precision=unit.precision,
                why=unit.why,
                seen_through=seen.get(unit.output, ""),
                accumulated=tallies[unit.output].likeness() if unit.output in tallies else None,
                alone=tallies[isolated[unit.output]].likeness() if unit.output in isolated else None,
                range_use=used.use if used else None,
                clipped=used.clipped if used else None,
                **_worst_channel(model.graph, unit, weights.get(unit.output), kernels),
            )
        )
    return layers


def _worst_channel(graph: ir.Graph, unit: Unit, rounded: np.ndarray | None, kernels: KernelSet) -> dict:
    """The figures of the weight's worst channel; a channel of zeros has no SNR."""
    if rounded is None or unit.weight is None:
        return {"weight_snr_db": None, "weight_channel": None}
    weight = array(graph.initializers[unit.weight]).astype(np.float64)
    axis = kernels.of_type(unit.precision)[unit.kind].weight_axis or 0
    others = tuple(a for a in range(weight.ndim) if a != axis)
    error = rounded - weight
    signals, noises = (np.square(numbers).sum(axis=others) for numbers in (weight, error))
    figures = {int(c): decibel(signals[c], noises[c]) for c in np.flatnonzero(signals)}
    worst = min(figures, key=lambda channel: figures[channel], default=None)
    return {"weight_snr_db": None if worst is None else figures[worst], "weight_channel": worst}


class _Tally:
    """float64 sums over the samples of one value, for each channel: (n, c, h, w) has c, (..., c) has c."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.signal = self.noise = self.other = self.dot = np.zeros(())

    def add(self, real: np.ndarray, other: np.ndarray) -> None:
        axis = 1 if real.ndim == 4 else real.ndim - 1
        others = tuple(a for a in range(real.ndim) if a != axis)
        real, other = (self.function(array.astype(np.float64)) for array in (real, other))
        self.signal = self.signal + np.square(real).sum(axis=others)
        self.noise = self.noise + np.square(real - other).sum(axis=others)
        self.other = self.other + np.square(other).sum(axis=others)
        self.dot = self.dot + (real * other).sum(axis=others)

    def likeness(self) -> Likeness | None:
        """None where nothing was compared, or what was is not finite."""
        signal, noise, other, dot = (float(np.sum(each)) for each in (self.signal, self.noise, self.other, self.dot))
        if not np.ndim(self.signal) or not math.isfinite(noise):
            return None
        channels = [decibel(s, n) for s, n in zip(self.signal, self.noise, strict=True) if s > 0]
        norms = math.sqrt(signal * other)
        return Likeness(
            snr_db=decibel(signal, noise),
            cosine=dot / norms if norms else float(signal == other),
            typical_channel_db=float(np.median(channels)) if channels else decibel(signal, noise),
        )


class _Range:
    """How the values of one encoding use it."""

    def __init__(self, encoding: QParams) -> None:
        self.encoding = encoding
        self.low, self.high = math.inf, -math.inf
        self.beyond = self.count = 0

    def add(self, real: np.ndarray) -> None:
        lowest, highest = self.encoding.limits
        steps = real / np.float32(self.encoding.scale) + self.encoding.zero_point
        self.low, self.high = min(self.low, float(steps.min())), max(self.high, float(steps.max()))
        self.beyond += int(np.count_nonzero((steps < lowest - 0.5) | (steps > highest + 0.5)))
        self.count += steps.size

    @property
    def use(self) -> float:
        lowest, highest = self.encoding.limits
        low, high = (min(max(round(step), lowest), highest) for step in (self.low, self.high))
        return (high - low + 1) / (highest - lowest + 1)

    @property
    def clipped(self) -> float:
        return self.beyond / self.count
