"""Move biases so that every layer of the quantised graph has the mean output of the float graph's layer.

Sequential empirical bias correction (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, section 4.2, with measured means): rounding shifts the mean of every channel, and the shifts add
up along the network; each layer is corrected while it sees the quantised and already corrected network before it.

In front of an activation function the mean is not all. HardSwish of mostly negative numbers makes positive ones of what
is only noise, and its result is larger on the average though what it reads is not: what a network's last pool adds up
then grows, and every logit with it. So the bias of such a layer is moved further, until the mean behind the activation
function is the float graph's (`activation_means`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...artifacts.errors import QuantizeError
from ...graph.edit import array, constant, maker, name_of, remove_dead
from ...graph.fusion import Unit
from ...runtime.graph_session import open_graph, run
from ..apply import apply
from ..plan import Plan
from .activation_means import INPUTS, ActivationMeans
from .layer_walk import Arrays, Walk, per_channel
from .output_scaling import Pairs, find_ends, sample


@dataclass(frozen=True)
class Corrected:
    """A float graph with corrected biases.

    Attributes:
        model: the graph.
        pairs: what its last layers gave in float and in int8, for every input.
    """

    model: ir.Model
    pairs: Pairs


def correct_biases(
    model: ir.Model,
    plan: Plan,
    feeds: Iterable[Mapping[str, np.ndarray]],
    *,
    reference: ir.Model | None = None,
    progress: Callable[[int], None] | None = None,
) -> ir.Model:
    """A copy of the float `model` whose biases make `apply(copy, plan)` agree with `reference` in every channel's mean.

    `reference` is `model` itself, or the float model whose weights `model` has rounded.

    Every input is run once through each graph, all inputs side by side, layer by layer; memory holds what one layer
    hands to the rest, in int8, for every input: some 2 MB per 256x256 image, so 32 to 200 inputs are meant. Layers
    without a bias are left alone. `progress` is called with the number of layers done.
    """
    return correct_and_compare(model, plan, feeds, reference=reference, progress=progress).model


def correct_and_compare(
    model: ir.Model,
    plan: Plan,
    feeds: Iterable[Mapping[str, np.ndarray]],
    *,
    reference: ir.Model | None = None,
    progress: Callable[[int], None] | None = None,
) -> Corrected:
    """What `correct_biases` makes, and what its walk through the two graphs shows of the last layers."""
    feeds = [dict(feed) for feed in feeds]
    if not feeds:
        raise QuantizeError("correct_biases: no calibration inputs; give at least one")
    layers = {u.accumulates: u for u in plan.units if u.is_integer and u.accumulates is not None}
    ends, exact = find_ends(model.graph), reference or model
    activations = ActivationMeans.behind(exact.graph, layers)
    wanted, exactly = _run_float(exact, layers, feeds, activations, ends)
    corrected = model.clone()
    walk = Walk(apply(model, plan), [unit.nodes[0] for unit in layers.values()], feeds)
    values = {name_of(output): output for node in corrected.graph for output in node.outputs}
    for done, (adds, unit) in enumerate(layers.items(), start=1):
        walk.advance()
        node = maker(values[adds])
        bias = array(node.inputs[unit.bias_input])
        moved = bias + wanted[adds] - walk.mean(adds, unit)
        if adds in activations:
            moved = moved + activations[adds].shift(walk, moved - bias)
        moved = moved.astype(np.float32)
        node.replace_input_with(
            unit.bias_input, constant(corrected.graph, moved, name_of(node.inputs[unit.bias_input]))
        )
        walk.set_bias(adds, unit, moved, plan.biases[adds])
        if progress is not None:
            progress(done)
    remove_dead(corrected.graph)
    rounded = [
        {name: sample(made[name], axis, turn) for name, axis in ends.items()}
        for turn, made in enumerate(walk.finish(list(ends)) if ends else ())
    ]
    return Corrected(corrected, Pairs.of(exactly, rounded))


def _run_float(
    model: ir.Model,
    layers: Mapping[str, Unit],
    feeds: list[Arrays],
    activations: Mapping[str, ActivationMeans],
    ends: Mapping[str, int],
) -> tuple[Arrays, list[Arrays]]:
    """({what adds the bias: mean of each channel there, before the activation function, over all inputs}, what the last
    layers give for each input). Those with an activation function behind them are shown what they would compute."""
    names = list(dict.fromkeys((*layers, *ends)))
    session = open_graph(model, names)
    sums, last = {name: np.zeros(()) for name in layers}, []

    def look(given: tuple[int, Arrays]) -> tuple[Arrays, Arrays, Arrays]:
        turn, feed = given
        made = dict(zip(names, run(session, names, feed), strict=True))
        means = {name: per_channel(unit, made[name]) for name, unit in layers.items()}
        seen = {name: each.sample(made[name], turn) for name, each in activations.items() if turn < INPUTS}
        return means, seen, {name: sample(made[name], axis, turn) for name, axis in ends.items()}

    for means, seen, ending in map(look, enumerate(feeds)):  # one by one: what all layers give is large
        sums = {name: total + means[name] for name, total in sums.items()}
        for name, numbers in seen.items():
            activations[name].seen.append(numbers)
        last.append(ending)
    return {name: total / len(feeds) for name, total in sums.items()}, last
