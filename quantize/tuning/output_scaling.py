"""Fit a gain and a shift per channel to what a network's last layers give, and put them into their weights.

Noise inside a network does more than blur its results: what it inflates or damps on the way arrives at the outputs as a
factor that is much the same for all inputs. Least squares find it, layer by layer of those that end the graph. How far
single channels may differ from the common gain is decided by cross-validation over the inputs: a thousand classes on
64 inputs cannot tell a thousand gains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import onnx_ir as ir

from ...graph.edit import constant, consumers, given, name_of, remove_dead
from ...graph.layers import Weighted, weighted
from ...graph.qparams import QParams, float32
from ..plan import Plan

POSITIONS = 1024  # numbers per channel and input that are looked at, at most
FEWEST = 8  # inputs that a fit wants
FOLDS = 4
# (how much of the common gain, of each channel's own difference to it, of the shift) is taken; the first is none.
STRENGTHS = (
    *((0.0, 0.0, 0.0), (0.0, 0.0, 0.5), (0.0, 0.0, 1.0), (0.5, 0.0, 0.5), (1.0, 0.0, 1.0)),
    *((1.0, 0.25, 1.0), (1.0, 0.5, 1.0), (1.0, 1.0, 1.0)),
)
LARGEST = 2.0  # a gain beyond it, or below its inverse, is not what noise does

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Scaling:
    """Per channel: result * gain + shift, both (c,) float64."""

    gain: np.ndarray
    shift: np.ndarray

    def __call__(self, result: np.ndarray, axis: int = -1) -> np.ndarray:
        """Of a result with its channels along `axis`."""
        return np.moveaxis(np.moveaxis(result, axis, -1) * self.gain + self.shift, -1, axis)


Scalings = Mapping[str, Scaling]  # of last layers, by the output that they compute


@dataclass(frozen=True)
class Pairs:
    """{output that a last layer computes: ((inputs, p, c) in float, the same in int8)}"""

    of_layer: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    @classmethod
    def of(cls, exact: Sequence[Arrays], rounded: Sequence[Arrays]) -> Pairs:
        """From what each of the inputs gave."""
        names = exact[0] if exact else ()
        return cls({name: (_stack(exact, name), _stack(rounded, name)) for name in names})


def _stack(arrays: Sequence[Arrays], name: str) -> np.ndarray:
    return np.stack([each[name] for each in arrays]).astype(np.float64)


def sample(result: np.ndarray, axis: int, turn: int, count: int = POSITIONS) -> np.ndarray:
    """(p, c) of a result with its channels along `axis`: at most `count` places, evenly spread, others each turn."""
    rows = np.moveaxis(result, axis, -1).reshape(-1, result.shape[axis])
    if len(rows) <= count:
        return rows
    return rows[(np.arange(count) * len(rows) // count + 7 * turn) % len(rows)]


def find_ends(graph: ir.Graph) -> dict[str, int]:
    """{output: the axis of its channels}, of those outputs that a layer with weights and a bias of its own computes and
    that nothing in the graph reads."""
    layers = {name_of(value): weighted(value) for value in graph.outputs if not consumers(value)}
    return {
        name: layer.channel_axis if layer.is_conv else -1
        for name, layer in layers.items()
        if layer is not None and _has_own(layer)
    }


def _has_own(layer: Weighted) -> bool:
    """Whether the layer has a weight for itself, and a bias."""
    biased = layer.add is not None or (
        layer.is_conv and len(layer.node.inputs) > 2 and layer.node.inputs[2] is not None
    )
    return biased and len(given(layer.node.inputs[1]).uses()) == 1


def fit_scaling(exact: np.ndarray, rounded: np.ndarray) -> Scaling | None:
    """What brings `rounded` (inputs, p, c) nearest to `exact`, if it does so for inputs that it was not fitted to, too.

    None where nothing does, or for fewer than FEWEST inputs.
    """
    if len(exact) < FEWEST:
        return None
    moments = _moments(exact, rounded)  # (inputs, 6, c)
    fold = np.arange(len(exact)) % FOLDS
    errors = np.zeros(len(STRENGTHS))
    for each in range(FOLDS):
        inside, outside = moments[fold != each].sum(0), moments[fold == each].sum(0)
        errors += [_squared_error(_fit(inside, *strength), outside) for strength in STRENGTHS]
    best = int(np.argmin(errors))
    if best == 0 or not np.isfinite(errors[best]):
        return None
    scaling = _fit(moments.sum(0), *STRENGTHS[best])
    reasonable = np.abs(np.log(np.maximum(scaling.gain, np.finfo(np.float64).tiny))) < np.log(LARGEST)
    return scaling if reasonable.all() else None


def fit_scalings(pairs: Pairs) -> dict[str, Scaling]:
    """{output: its scaling}, of those outputs that one helps."""
    fitted = {name: fit_scaling(exact, rounded) for name, (exact, rounded) in pairs.of_layer.items()}
    return {name: scaling for name, scaling in fitted.items() if scaling is not None}


def _moments(exact: np.ndarray, rounded: np.ndarray) -> np.ndarray:
    """(inputs, 6, c): count, sums of r, q, r * q, q * q, r * r."""
    sums = (np.ones_like(exact), exact, rounded, exact * rounded, rounded * rounded, exact * exact)
    return np.stack([each.sum(1) for each in sums], axis=1)


def _fit(moments: np.ndarray, common: float, own: float, shifted: float) -> Scaling:
    n, r, q, rq, qq, _ = moments
    covariance, variance = rq - r * q / n, qq - q * q / n
    tiny = np.finfo(np.float64).tiny
    overall = covariance.sum() / max(variance.sum(), tiny)
    alone = np.where(variance > tiny, covariance / np.maximum(variance, tiny), overall)
    gain = 1 + common * (overall - 1) + own * (alone - overall)
    return Scaling(gain, shifted * (r - gain * q) / n)


def _squared_error(scaling: Scaling, moments: np.ndarray) -> float:
    """Sum of (gain * q + shift - r)^2."""
    (n, r, q, rq, qq, rr), g, s = moments, scaling.gain, scaling.shift
    return float((g * g * qq + n * s * s + rr + 2 * (g * s * q - g * rq - s * r)).sum())


def scale_outputs(model: ir.Model, plan: Plan, scalings: Scalings) -> tuple[ir.Model, Plan]:
    """(a copy of the float `model` with the scalings in its last layers' weights, its plan).

    The integers of the weights stay what they were; their scales, one per channel, take the gain.
    """
    if not scalings:
        return model, plan
    copy = model.clone()
    values = {name_of(output): output for node in copy.graph for output in node.outputs}
    weights, biases = dict(plan.weights), dict(plan.biases)
    for name, scaling in scalings.items():
        layer = weighted(values[name])
        assert layer is not None, "a last layer stays one"
        weight, along = given(layer.node.inputs[1]), [1] * layer.weight.ndim
        along[layer.weight_axis] = -1
        scaled = (layer.weight * scaling.gain.reshape(along)).astype(np.float32)
        bias = scaling(layer.bias).astype(np.float32)
        weight.const_value = ir.Tensor(scaled, name=weight.name)
        node, index = (layer.node, 2) if layer.add is None else (layer.add, 1)
        node.replace_input_with(index, constant(copy.graph, bias, name_of(node.inputs[index])))
        for params, key in ((weights, weight.name or ""), (biases, name)):
            if key in params:
                params[key] = _scaled(params[key], scaling.gain)
    remove_dead(copy.graph)
    return copy, replace(plan, weights=weights, biases=biases)


def _scaled(params: QParams, gain: np.ndarray) -> QParams:
    scales = np.asarray(params.scales, np.float64) * gain
    return replace(params, scales=tuple(float32(scale) for scale in scales))
