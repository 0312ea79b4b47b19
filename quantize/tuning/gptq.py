"""Round weights so that what a layer computes is kept, not each weight by itself.

Second-order weight rounding (Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
Transformers", ICLR 2023, algorithm 1, columns in the order of falling curvature): of the layer's inputs x it needs
H = E[x x^T]; each weight that is rounded hands its error on to those that are not yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import onnx_ir as ir

from ...artifacts.errors import QuantizeError
from ...graph.edit import array as constant_array
from ...graph.edit import attribute, maker, name_of
from ...runtime.graph_session import open_graph, run
from ..plan import Plan

KINDS = ("Conv", "Linear", "ConvTranspose")
POSITIONS = 512  # rows of x taken from one input, spread evenly: neighbouring pixels say little new
DAMPING = 0.01  # of H's mean diagonal, added to the diagonal: the paper's
_BLOCK = 128  # columns whose errors are handed on together: the paper's


def round_weights(
    model: ir.Model,
    plan: Plan,
    feeds: Iterable[Mapping[str, np.ndarray]],
    *,
    progress: Callable[[int], None] | None = None,
) -> ir.Model:
    """A copy of the float `model` whose int8 layers' weights lie on the plan's grids, rounded as a layer at a time.

    `apply(copy, plan)` then rounds nothing more. The inputs are taken from the float graph, one at a time; memory holds
    H of every layer, (inputs * kernel size)^2 float32. A weight that two layers share is rounded for their inputs
    together. `progress` is called with the number of inputs done. Raises QuantizeError without inputs.
    """
    values = {name_of(output): output for node in model.graph for output in node.outputs}
    layers = [  # (weight, kind, node)
        (unit.weight, unit.kind, maker(values[unit.nodes[0]]))
        for unit in plan.units
        if unit.is_integer and unit.weight in plan.weights and unit.kind in KINDS
    ]
    layers = [layer for layer in layers if layer[1] != "ConvTranspose" or _whole_phases(layer[2])]
    reads = [name_of(node.inputs[0]) for _, _, node in layers]
    computed = [name for name in dict.fromkeys(reads) if name in values]
    session = open_graph(model, computed)
    moments: dict[str, np.ndarray] = {}
    samples = 0
    for samples, feed in enumerate(feeds, start=1):
        arrays = {**feed, **dict(zip(computed, run(session, computed, feed), strict=True))}
        for (weight, kind, node), read in zip(layers, reads, strict=True):
            rows = _rows(node, kind, arrays[read])  # (groups, positions, k)
            moment = rows.transpose(0, 2, 1) @ rows
            moments[weight] = moments[weight] + moment if weight in moments else moment
        if progress is not None:
            progress(samples)
    if not samples:
        raise QuantizeError("round_weights: no calibration inputs; give at least one")
    rounded = model.clone()
    nodes = {weight: (kind, node) for weight, kind, node in layers}
    for name, moment in moments.items():
        old = rounded.graph.initializers[name]
        array, (kind, node) = constant_array(old), nodes[name]
        matrix = _as_matrices(array, kind, node, len(moment))
        params = plan.weights[name]
        rows = matrix.shape[0] * matrix.shape[1]
        scales = np.repeat(np.asarray(params.scales, np.float64), rows // len(params.scales))
        scales = scales.reshape(*matrix.shape[:2], 1)
        matrix = np.stack([_rounded(w, h, s) for w, h, s in zip(matrix, moment, scales, strict=True)])
        exact = params.dequantize(params.quantize(_as_weight(matrix, array.shape, kind, node)))
        old.const_value = ir.Tensor(np.ascontiguousarray(exact), name=name)
    return rounded


def _whole_phases(node: ir.Node) -> bool:
    """Whether all outputs of a ConvTranspose sum as many products, those that lie between two strides, too."""
    return all(k % s == 0 for k, s in zip(attribute(node, "kernel_shape"), attribute(node, "strides"), strict=True))


def _as_matrices(weight: np.ndarray, kind: str, node: ir.Node, groups: int) -> np.ndarray:
    """(groups, outputs, k) float64: Conv's OIHW, the transpose of a linear's (in, out), and of ConvTranspose's IOHW a
    row for each output and phase between two strides."""
    weight = weight.astype(np.float64)
    if kind == "Linear":
        return weight.T[None]
    if kind == "Conv":
        return weight.reshape(groups, weight.shape[0] // groups, -1)
    inputs, outputs, *kernel = weight.shape
    (sh, sw), (kh, kw) = attribute(node, "strides"), kernel
    phases = weight.reshape(inputs, outputs, kh // sh, sh, kw // sw, sw).transpose(1, 3, 5, 0, 2, 4)
    return phases.reshape(1, outputs * sh * sw, -1)


def _as_weight(matrices: np.ndarray, shape: tuple[int, ...], kind: str, node: ir.Node) -> np.ndarray:
    """The inverse of `_as_matrices`."""
    if kind == "Linear":
        return matrices[0].T
    if kind == "Conv":
        return matrices.reshape(shape)
    inputs, outputs, kh, kw = shape
    sh, sw = attribute(node, "strides")
    phases = matrices.reshape(outputs, sh, sw, inputs, kh // sh, kw // sw)
    return phases.transpose(3, 0, 4, 1, 5, 2).reshape(shape)


def _rows(node: ir.Node, kind: str, x: np.ndarray) -> np.ndarray:
    """What the layer multiplies its weights with, at up to POSITIONS places: (groups, positions, k) float32."""
    if kind == "Linear":
        rows = x.reshape(-1, x.shape[-1])
        return rows[_spread(len(rows))][None]
    if kind == "ConvTranspose":
        return _phase_rows(node, x)
    group = attribute(node, "group", 1)
    kernel, strides, dilations = (attribute(node, n) for n in ("kernel_shape", "strides", "dilations"))
    top, left, bottom, right = attribute(node, "pads")
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    n, _, h, w = x.shape
    rows = (h - dilations[0] * (kernel[0] - 1) - 1) // strides[0] + 1
    columns = (w - dilations[1] * (kernel[1] - 1) - 1) // strides[1] + 1
    batch, row, column = np.unravel_index(_spread(n * rows * columns), (n, rows, columns))
    taps = [
        x[batch, :, row * strides[0] + i * dilations[0], column * strides[1] + j * dilations[1]]
        for i in range(kernel[0])
        for j in range(kernel[1])
    ]
    patches = np.stack(taps, axis=-1)  # (positions, c, kh * kw)
    return patches.reshape(len(patches), group, -1).transpose(1, 0, 2)


def _phase_rows(node: ir.Node, x: np.ndarray) -> np.ndarray:
    """What every phase of a ConvTranspose multiplies with: its tap m reads m places before."""
    kernel, strides = attribute(node, "kernel_shape"), attribute(node, "strides")
    taps = [k // s for k, s in zip(kernel, strides, strict=True)]
    x = np.pad(x, ((0, 0), (0, 0), *((t - 1, t - 1) for t in taps)))
    n, _, h, w = x.shape
    places = (n, h - taps[0] + 1, w - taps[1] + 1)
    batch, row, column = np.unravel_index(_spread(int(np.prod(places))), places)
    read = [x[batch, :, row + taps[0] - 1 - i, column + taps[1] - 1 - j] for i, j in np.ndindex(*taps)]
    patches = np.stack(read, axis=-1)  # (positions, c, taps)
    return patches.reshape(1, len(patches), -1)


def _spread(count: int) -> np.ndarray:
    """Up to POSITIONS indices below `count`, evenly spread with a step that shares no factor with image sizes."""
    if count <= POSITIONS:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, POSITIONS).astype(np.int64))


def _rounded(weight: np.ndarray, moment: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """One group's (outputs, k) on the grid of `scale` (outputs, 1), for inputs with H = `moment` (k, k)."""
    h = moment.astype(np.float64)
    dead = np.diag(h) == 0  # inputs that are always 0: their weights do not matter
    h[dead, dead] = 1
    h[np.diag_indices_from(h)] += DAMPING * np.diag(h).mean()
    order = np.argsort(-np.diag(h), kind="stable")
    w, h = weight[:, order].copy(), h[np.ix_(order, order)]
    upper = np.linalg.cholesky(np.linalg.inv(h)).T
    k = len(h)
    for start in range(0, k, _BLOCK):
        stop = min(start + _BLOCK, k)
        errors = np.empty((len(w), stop - start))
        for i in range(start, stop):
            q = np.clip(np.rint(w[:, i] / scale[:, 0]), -127, 127) * scale[:, 0]
            errors[:, i - start] = (w[:, i] - q) / upper[i, i]
            w[:, i + 1 : stop] -= np.outer(errors[:, i - start], upper[i, i + 1 : stop])
            w[:, i] = q
        w[:, stop:] -= errors @ upper[start:stop, stop:]
    out = np.empty_like(w)
    out[:, order] = w
    return out
