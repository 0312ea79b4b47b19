"""Move biases by what the rounding of the weights alone does to every channel's mean.

Analytic bias correction (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV
2019, section 4.2.1): a layer of weights W + e has the mean output of W where e * E[x] is taken from its bias. Theirs
follows from the batch norm in front; here E[x] is the mean of the float graph over some inputs, which needs no batch
norm. What rounding the activations shifts stays: correct_biases sees that, at the price of walking the quantised graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx_ir as ir

from ...artifacts.errors import QuantizeError
from ...graph.edit import array, constant, maker, name_of, remove_dead
from ...graph.fusion import Unit
from ...runtime.graph_session import open_graph, run
from ..plan import Plan
from .bias_correction import per_channel


def correct_for_weights(model: ir.Model, plan: Plan, feeds: Iterable[Mapping[str, np.ndarray]]) -> ir.Model:
    """A copy of the float `model` whose biases make up for the rounding of its weights under `plan`.

    Runs every input once through the float graph; memory holds what the layers of one input read. Layers without a
    bias and transposed convolutions are left alone. Borders count as if their padding were the channel's mean.
    Raises QuantizeError without inputs.
    """
    corrected = model.clone()
    values = {name_of(output): output for node in corrected.graph for output in node.outputs}
    layers = {
        unit: name_of(maker(values[unit.nodes[0]]).inputs[0])
        for unit in plan.units
        if unit.is_integer and unit.kind in ("Conv", "Linear") and unit.accumulates and unit.weight
    }
    means = _means(model, layers, feeds)
    for unit, read in layers.items():
        weight = array(corrected.graph.initializers[unit.weight or ""]).astype(np.float64)
        params = plan.weights[unit.weight or ""]
        error = params.dequantize(params.quantize(weight)) - weight
        node = maker(values[unit.accumulates or ""])
        bias = node.inputs[unit.bias_input]
        moved = (array(bias) - _shift(unit, error, means[read, unit.kind])).astype(np.float32)
        node.replace_input_with(unit.bias_input, constant(corrected.graph, moved, name_of(bias)))
    remove_dead(corrected.graph)
    return corrected


def _means(
    model: ir.Model, layers: Mapping[Unit, str], feeds: Iterable[Mapping[str, np.ndarray]]
) -> dict[tuple[str, str], np.ndarray]:
    """{(value, kind of the layer that reads it): mean of each channel over all inputs}"""
    pairs = {(read, unit.kind): unit for unit, read in layers.items()}
    given = {name_of(value) for value in model.graph.inputs}
    computed = list(dict.fromkeys(read for read, _ in pairs if read not in given))
    session = open_graph(model, computed)
    sums, count = {pair: np.zeros(()) for pair in pairs}, 0
    for feed in feeds:
        arrays = {**feed, **dict(zip(computed, run(session, computed, feed), strict=True))}
        for (read, kind), unit in pairs.items():
            sums[read, kind] = sums[read, kind] + per_channel(unit, arrays[read])
        count += 1
    if not count:
        raise QuantizeError("correct_for_weights: no calibration inputs; give at least one")
    return {pair: total / count for pair, total in sums.items()}


def _shift(unit: Unit, error: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """(out,): what the error (in, out) or (out, in / groups, kh, kw) adds to the channels' means, by those of (in,)."""
    if unit.kind == "Linear":
        return mean @ error
    channels, per_group = error.shape[:2]
    groups = len(mean) // per_group
    grouped = error.reshape(groups, channels // groups, per_group, -1).sum(axis=3)
    return np.einsum("goi,gi->go", grouped, mean.reshape(groups, per_group)).reshape(-1)
