"""Move scale from a value's channels into the weights that read them: v -> W becomes v / s -> W * s.

A value has one scale for all its channels, a weight one for each of its outputs, so channels of very different size
lose by sharing and the weights behind them can take it. Where v comes from a layer, 1 / s goes into that layer's
weights (cross-layer equalisation: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, section 4.1); where it comes from a LayerNorm, into its affine part (Xiao et al., "SmoothQuant",
ICML 2023, equation 4). Behind HardSwish and GELU, which most devices compute in float, it becomes a product in float:
of PP-OCR's recogniser, whose depthwise layers read channels of very different size, int8 loses a third less by that.
The float output stays.

Squeeze-and-excite multiplies each channel by a gate, so that channels of like size become unlike. Where what it
multiplies comes from a layer, the factor goes there, through the product and into the layers that compute the gate.
Where an activation function stands between, it goes onto the gate: a product of a few numbers, which costs next to
nothing, but rounds the gate once more, so that channels cannot be made as equal.

What stands between must let a positive factor through, channel by channel: Relu, LeakyRelu, PRelu, pools, zero padding,
resizing, views, products with other values. HardSwish, SiLU, GELU and sums with other values do not: nothing is moved
across them. Nor is anything across Clip(0, 6), though it does below its corner: which channels stay there is known of
the calibration data alone. A network trained on ImageNet has many that fire for few classes; grown until they nearly
reach 6, they are clipped on the photographs of those classes (EfficientNet-Lite0, calibrated on ten photographs: 13.5
dB, without 23.4 dB).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...artifacts.errors import QuantizeError
from ...graph.edit import (
    array,
    attribute,
    constant,
    consumers,
    emit,
    given,
    maker,
    name_of,
    remove_dead,
    shape,
)
from ...graph.layers import rescale, weighted
from ...runtime.graph_session import open_checked, run, side_by_side
from .scale_sites import Site, find_sites, gate_index

Steps = dict[str, tuple[int, ...]]  # value -> per channel, log2(s) in steps of an eighth
STEPS = 8  # of one octave: s is known to within 5 %, and is a whole number that a manifest holds
MOST = 10 * STEPS  # s is between 2**-10 and 2**10
STRENGTHS = (0.25, 0.5, 0.75, 1.0)  # SmoothQuant's alpha: how far the channels are made equal
# The error must fall to such a share. Behind a LayerNorm, and an activation function, the factors cost a product more.
GAIN = {"layer": 0.7, "LayerNormalization": 0.5, "activation": 0.5, "gate": 0.7}


@dataclass(frozen=True)
class _Channels:
    """What each channel of a value took: extremes and mean square, (c,)."""

    low: np.ndarray
    high: np.ndarray
    square: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, axis: int) -> _Channels:
        """Of one input's values, the channels along `axis`."""
        others = tuple(i for i in range(values.ndim) if i != axis)
        return cls(values.min(others), values.max(others), np.square(values).mean(others, dtype=np.float64))

    def joined(self, other: _Channels) -> _Channels:
        """With those of other inputs; the squares are added up."""
        return _Channels(np.minimum(self.low, other.low), np.maximum(self.high, other.high), self.square + other.square)


def find_equalization(
    model: ir.Model,
    feeds: Iterable[Mapping[str, np.ndarray]],
    *,
    in_float: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Steps:
    """{value: log2(s) * STEPS per channel}, for the values where the expected error of their readers falls by enough.

    The error is that of rounding uniformly, both what a layer reads (to 255 steps of its range) and its weights (to 127
    of each output's largest). One pass over the inputs; memory holds a few numbers per channel. `in_float`: the device
    can multiply the result of an activation function before it rounds it. `progress` is called with the number of
    inputs done. Raises QuantizeError without inputs.
    """
    sites = [site for site in find_sites(model.graph) if in_float or site.kind != "activation"]
    seen = _observe(model, sites, feeds, progress)
    found: Steps = {}
    even: set[ir.Node] = set()  # layers that read a product of which one factor is scaled already
    for site in sorted(sites, key=lambda site: site.kind == "gate"):
        readers = {node for node, _ in site.readers}
        steps = _best(site, seen) if even.isdisjoint(readers) else None
        if steps is not None:
            found[site.value] = tuple(steps.tolist())
            even |= readers
    return found


def _factors(steps: Sequence[int] | np.ndarray, kind: str) -> np.ndarray:
    """s (c,) of steps. What a gate is multiplied by, 1 / s, are numbers that 8 bits hold exactly."""
    factor = 2.0 ** (np.asarray(steps, np.float64) / STEPS)
    return 255 / np.maximum(np.rint(255 * factor.min() / factor), 1) if kind == "gate" else factor


def observe_gates(model: ir.Model, steps: Mapping[str, Iterable[int]]) -> ir.Model:
    """A copy of `model` that also computes, for its statistics alone, what `apply_equalization` makes of products with
    gates."""
    model = model.clone()
    values = {name_of(output): output for node in model.graph for output in node.outputs}
    for name, numbers in steps.items():
        _multiply_gate(model.graph, maker(values[name]), 1 / _factors([*numbers], "gate"))
    return model


def find_gated(graph: ir.Graph) -> frozenset[str]:
    """The products with gates, by their names: what equalises them is paid for with a product more."""
    return frozenset(name_of(node.outputs[0]) for node in graph if gate_index(node) is not None)


def apply_equalization(model: ir.Model, steps: Mapping[str, Iterable[int]]) -> ir.Model:
    """A copy of the canonical float `model` with the factors of `find_equalization` in its weights.

    `model` stays as it was. Raises QuantizeError where it has no such value.
    """
    model = model.clone()
    sites = {site.value: site for site in find_sites(model.graph)}
    for name, numbers in steps.items():
        site, numbers = sites.get(name), [*numbers]
        if site is None or site.channels != len(numbers):
            raise QuantizeError(f"equalize: value {name!r} has no {len(numbers)} channels that can be scaled")
        factor = _factors(numbers, site.kind)
        _scale_source(model.graph, site, 1 / factor)
        for node, _ in site.readers:
            matrices = _matrices(node, array(node.inputs[1]))
            scaled = matrices * factor.reshape(len(matrices), 1, -1, 1)
            weight = _as_weight(node, scaled).astype(np.float32)
            node.replace_input_with(1, constant(model.graph, weight, name_of(node.inputs[1])))
    remove_dead(model.graph)
    return model


def _observe(model: ir.Model, sites: list[Site], feeds, progress) -> dict[str, _Channels]:
    """Statistics per channel of everything that a site's readers read."""
    axes = {name_of(node.inputs[0]): axis for site in sites for node, axis in site.readers}
    axes |= {name_of(v): 1 for site in sites if site.kind == "gate" for v in site.factors}
    feeds = iter(feeds)
    first = next(feeds, None)
    if first is None:
        raise QuantizeError("equalize: no calibration inputs; give at least one")
    session = open_checked(model, axes, first) if axes else None

    def look(feed: Mapping[str, np.ndarray]) -> list[_Channels]:
        arrays = run(session, list(axes), feed) if session else []
        return [_Channels.of(values, axis) for values, axis in zip(arrays, axes.values(), strict=True)]

    found: list[_Channels] = []
    count = 0
    for count, seen in enumerate(side_by_side(look, itertools.chain([first], feeds)), start=1):
        found = [old.joined(new) for old, new in zip(found, seen, strict=True)] if found else seen
        if progress is not None:
            progress(count)
    pairs = zip(axes, found, strict=True)
    return {name: _Channels(each.low, each.high, each.square / count) for name, each in pairs}


def _best(site: Site, seen: Mapping[str, _Channels]) -> np.ndarray | None:
    """log2(s) * STEPS (c,) of the strength with the least expected error; None where none gains enough."""
    reads = [(node, seen[name_of(node.inputs[0])]) for node, _ in site.readers]
    largest = np.max([np.maximum(-channels.low, channels.high) for _, channels in reads], axis=0).astype(np.float64)
    weights = np.max([_largest_weight(node) for node, _ in reads], axis=0)
    alive = (largest > 0) & (weights > 0)
    if not alive.any():
        return None
    gated = [seen[name_of(v)] for v in site.factors]
    before = _error(reads, np.ones(site.channels))
    choices = []
    with np.errstate(divide="ignore"):
        size, weight = np.log2(largest), np.log2(weights)
    for strength in STRENGTHS:
        log = np.zeros(site.channels)
        log[alive] = strength * size[alive] - (1 - strength) * weight[alive]
        log[alive] -= log[alive].mean()
        dead, unread = ~alive & (weights > 0), ~alive & (largest > 0)  # they must not set the others' scale
        log[dead] = np.median((log + weight)[alive]) - weight[dead]
        log[unread] = size[unread] - np.median((size - log)[alive])
        steps = np.clip(np.rint(log * STEPS), -MOST, MOST).astype(np.int64)
        choices.append((_error(reads, _factors(steps, site.kind), *gated), steps))
    after, steps = min(choices, key=lambda choice: choice[0])
    return steps if after < GAIN[site.kind] * before and steps.any() else None


def _error(
    reads: list[tuple[ir.Node, _Channels]],
    factor: np.ndarray,
    multiplied: _Channels | None = None,
    gate: _Channels | None = None,
) -> float:
    """The readers' expected squared error, each relative to the power of its result, for s = `factor` (c,).

    Of a product that is scaled by its gate, the error has a part from rounding that once more.
    """
    total = 0.0
    for node, channels in reads:
        weight = _matrices(node, array(node.inputs[1]))  # (g, o, c / g, taps)
        s = factor.reshape(len(weight), 1, -1, 1)
        square = channels.square.reshape(s.shape)
        span = max((channels.high / factor).max(), 0) - min((channels.low / factor).min(), 0)
        power = np.square(weight) * square
        activations = (span / 255) ** 2 * np.square(weight * s).sum()
        if gate is not None and multiplied is not None:
            again = (gate.high / factor).max() - min((gate.low / factor).min(), 0)
            activations += (again / 255) ** 2 * (np.square(weight * s) * multiplied.square.reshape(s.shape)).sum()
        step = np.abs(weight * s).max((2, 3)) / 127  # (g, o)
        of_weights = np.square(step).sum(1) * (square / np.square(s)).sum((1, 2, 3)) * weight.shape[3]
        total += (activations + of_weights.sum()) / 12 / max(power.sum(), np.finfo(np.float64).tiny)
    return total


def _largest_weight(node: ir.Node) -> np.ndarray:
    """Per input channel, (c,)."""
    return np.abs(_matrices(node, array(node.inputs[1]))).max((1, 3)).reshape(-1)


def _matrices(node: ir.Node, weight: np.ndarray) -> np.ndarray:
    """(groups, outputs, inputs, taps) float64 of a Conv's (o, c / g, kh, kw), ConvTranspose's (c, o, kh, kw) or
    linear's (c, o)."""
    weight = weight.astype(np.float64)
    if node.op_type == "Conv":
        groups = attribute(node, "group", 1)
        return weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
    return weight.reshape(*weight.shape[:2], -1).swapaxes(0, 1)[None]


def _as_weight(node: ir.Node, matrices: np.ndarray) -> np.ndarray:
    """The inverse of `_matrices`."""
    to = shape(node.inputs[1])
    return matrices.reshape(to) if node.op_type == "Conv" else matrices[0].swapaxes(0, 1).reshape(to)


def _scale_source(graph: ir.Graph, site: Site, factor: np.ndarray) -> None:
    """Multiply what computes the site's value by `factor` (c,)."""
    value = next(o for node in graph for o in node.outputs if o.name == site.value)
    if site.kind == "layer":
        layer = weighted(value)
        assert layer is not None
        rescale(layer, factor)
        return
    if site.kind == "activation":
        _multiply(graph, value, factor)
        return
    if site.kind == "gate":
        value.replace_all_uses_with(_multiply_gate(graph, maker(value), factor))
        return
    norm = maker(value)
    for index in (1, 2):
        old = given(norm.inputs[index])
        norm.replace_input_with(index, constant(graph, (array(old) * factor).astype(np.float32), old.name))


def _multiply_gate(graph: ir.Graph, node: ir.Node, factor: np.ndarray) -> ir.Value:
    """The product of `node` with its gate multiplied by `factor` (c,) before; it and the gate have new names."""
    index, name, operands = gate_index(node), name_of(node.outputs[0]), list(node.inputs)
    assert index is not None, "the node multiplies by a gate"
    numbers = constant(graph, factor.reshape(1, -1, 1, 1).astype(np.float32), f"{name}_factor")
    operands[index] = gate = emit(node, "Mul", [operands[index], numbers], shape(operands[index]))
    product = emit(node, "Mul", operands, shape(node.outputs[0]))
    gate.name, product.name = f"{name}_gate", f"{name}_even"
    return product


def _multiply(graph: ir.Graph, value: ir.Value, factor: np.ndarray) -> None:
    """Let every reader of the value read its product with one number per channel."""
    dims, readers = shape(value), consumers(value)
    numbers = factor.reshape(-1, 1, 1) if len(dims) == 4 else factor
    operands = [value, constant(graph, numbers.astype(np.float32), f"{value.name}_factor")]
    product = emit(readers[0], "Mul", operands, dims, like=maker(value))
    product.name = f"{value.name}_even"
    for reader in readers:
        reader.replace_input_with(0, product)
