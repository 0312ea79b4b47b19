"""Mul(views(layer(x)), 2^k) -> views(layer'(x)), for a scale that was put in and a Conv, linear, Mul or norm before it

Leaves a scale alone where something else reads the layer's result, where the sum inside the layer would leave float16's
range, as where the scale undoes what was done against that, or where the weights would become too small for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log2

import numpy as np
import onnx_ir as ir

from ...graph.edit import array, can_replace, const_value, given, producer, replace, scalar, sole_consumer
from ...graph.fusion import VIEWS
from ...graph.layers import rescale, weighted
from ..float16_range import LARGEST
from .scales import Scales, flushes


def fold_scales(scales: Scales) -> None:
    """Fold what can be folded of the scales that were inserted."""
    for node in scales.inserted:
        if node.graph is not None:
            _fold(scales, node)


def _fold(scales: Scales, node: ir.Node) -> None:
    factor = scalar(node.inputs[1])
    assert factor is not None
    values = list(_behind(given(node.inputs[0])))
    if not values or not can_replace(node.outputs[0], node.inputs[0]):
        return
    change = round(-log2(factor))
    if not all(scales.bounds(value).low <= scales.exponent(value) + change for value in values):
        return
    if not _scale(scales, values[-1], factor):
        return
    for value in values:
        scales.exponents[value] = scales.exponent(value) + change
    replace(node.outputs[0], node.inputs[0])
    scales.graph.remove(node, safe=True)


def _behind(value: ir.Value) -> Iterable[ir.Value]:
    """The value and those that it shows, up to what computes them, as long as each has one reader."""
    while sole_consumer(value) is not None:
        yield value
        node = producer(value)
        if node is None or node.op_type not in VIEWS:
            return
        value = given(node.inputs[0])


def _scale(scales: Scales, value: ir.Value, factor: float) -> bool:
    """Multiply what computes the value by the factor, if it has constants for that."""
    node, layer = producer(value), weighted(value)
    if layer is not None:
        inner = layer.node.outputs[0]
        scaled = layer.weight * np.float32(factor)
        if flushes(scaled) or np.abs(scaled).max(initial=0) > LARGEST:
            return False
        if scales.bounds(inner).low > scales.exponent(inner) - log2(factor):
            return False
        rescale(layer, factor)
        scales.exponents[inner] = scales.exponent(inner) - round(log2(factor))
        return True
    if node is None:
        return False
    places = {"LayerNormalization": (1, 2), "Mul": (1,)}.get(node.op_type, ())
    if not places or const_value(node.inputs[places[0]]) is None:
        return False
    numbers = array(node.inputs[places[0]]) * np.float32(factor)
    if flushes(numbers) or np.abs(numbers).max(initial=0) > LARGEST:
        return False
    for index in places:
        scales.multiply_constant(node, index, factor)
    return True
