"""Add(Mul(x, scale), shift) -> Conv(x, scale as (c, 1, 1, 1), shift), one group a channel; the shift may be missing

The int8 product with a constant rounds the constant to 8 bits per tensor, and its result once more than needed; a
depthwise convolution has a scale for each channel, adds in 32 bits and takes in the activation function. Such nodes are
what BatchNormalization becomes where no layer stands before it (DenseNet, pre-activation ResNets). Leaves alone what is
no image, numbers that are the same for all channels or vary along another axis, numbers that 8 bits hold exactly for
one place alone (they take a byte a channel, a convolution's scales 24), and what follows an activation function that is
computed in float: it is, too.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...graph.activated import is_activated
from ...graph.edit import array, const_value, constant, emit, remove_dead, replace, shape, sole_consumer
from ...graph.qparams import asymmetric
from ..calibration.statistics import Statistics


def rewrite(model: ir.Model, stats: Statistics) -> tuple[ir.Model, Statistics]:
    """A copy of `model`; its values keep their names, so the statistics stay."""
    model = model.clone()
    graph = model.graph
    for node in graph:
        scale = _per_channel(node, "Mul")
        if scale is None:
            continue
        add = sole_consumer(node.outputs[0], "Add")
        shift = _per_channel(add, "Add") if add is not None else None
        last = add if add is not None and shift is not None else node
        weight = constant(graph, scale.reshape(-1, 1, 1, 1), "scale")
        bias = constant(graph, np.zeros_like(scale) if shift is None else shift, "shift")
        x, y = node.inputs[0], last.outputs[0]
        attributes = {
            "dilations": (1, 1),
            "group": len(scale),
            "kernel_shape": (1, 1),
            "pads": (0,) * 4,
            "strides": (1, 1),
        }
        conv = emit(node, "Conv", [x, weight, bias], shape(y), attributes)
        name = y.name
        replace(y, conv)
        y.name, conv.name = f"{name}_affine", name
    remove_dead(graph)
    return model, stats


def _are_exact(numbers: np.ndarray) -> bool:
    """Whether rounding them to 8 bits, with one scale, leaves them as they are."""
    params = asymmetric(min(float(numbers.min()), 0.0), max(float(numbers.max()), 0.0))
    return bool(np.allclose(params.dequantize(params.quantize(numbers)), numbers, rtol=1e-6, atol=0))


def _per_channel(node: ir.Node, op_type: str) -> np.ndarray | None:
    """The constant (c,) by which the node multiplies an image (n, c, h, w), or which it adds to it."""
    if node.op_type != op_type or const_value(node.inputs[1]) is None or len(shape(node.outputs[0])) != 4:
        return None
    if is_activated(node):
        return None
    numbers, to = array(node.inputs[1]), shape(node.outputs[0])
    dims = (1,) * (4 - numbers.ndim) + numbers.shape
    if shape(node.inputs[0]) != to or dims != (1, to[1], 1, 1) or to[1] == 1:
        return None
    if to[2] * to[3] == 1 and _are_exact(numbers):
        return None
    return numbers.reshape(-1)
