"""Bring constants that stand for infinity (masks, bounds, the fill around a pool) into float16's range, where exact."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from ..graph.edit import const_value, constant, given, name_of, owner, shape
from .calibration.sentinels import is_only_pooled

HALF = float(np.finfo(np.float16).max)
MASKED = 3e4  # a score that much below the others has a probability of 0 in float32, and any score still adds to it
ORDINARY = 1e4  # scores within it stay far above MASKED


def fit_constants(model: ir.Model, largest: Mapping[str, float], limit: float = HALF) -> tuple[ir.Model, set[str]]:
    """The model with such constants made smaller, and the values that are computed from those.

    `largest`: {value: the largest magnitude that it reached}. `limit`: constants beyond it are looked at. A bound of
    Clip, Max and Min beyond what it bounds, the fill of a Pad in front of a MaxPool, and what masks the scores of a
    Softmax, if no row is masked as a whole. Such a row's probabilities depend on how the mask swallows its scores, so
    its mask stays as it is.
    """
    model = model.clone()
    found = [(node, index, fitted) for node in model.graph for index, fitted in _fit(node, largest, limit).items()]
    for node, index, fitted in found:
        old = given(node.inputs[index])
        node.replace_input_with(index, constant(owner(node), fitted, f"{name_of(old)}_fitted"))
    return model, {name_of(node.outputs[0]) for node, _, _ in found}


def is_beyond(numbers: np.ndarray | None, limit: float = HALF) -> bool:
    """Whether a constant has finite numbers that float16 does not have, or that are beyond another limit."""
    if numbers is None or numbers.dtype != np.float32:
        return False
    return bool((np.isfinite(numbers) & (np.abs(numbers) > limit)).any())


def _fit(node: ir.Node, largest: Mapping[str, float], limit: float) -> dict[int, np.ndarray]:
    """{input: the constant that takes its place}."""
    given_constants = {index: const_value(value) for index, value in enumerate(node.inputs)}
    constants = {index: c for index, c in given_constants.items() if c is not None and is_beyond(c, limit)}
    if not constants:
        return {}
    computed = [value for value in node.inputs if value is not None and const_value(value) is None]
    reached = max((largest.get(name_of(value), 0.0) for value in computed), default=np.inf)
    if node.op_type in ("Clip", "Max", "Min") and max(reached, largest[name_of(node.outputs[0])]) <= HALF:
        return {index: np.clip(numbers, -HALF, HALF) for index, numbers in constants.items()}
    if node.op_type == "Pad" and reached <= HALF and is_only_pooled(node.outputs[0]):
        return {index: np.clip(numbers, -HALF, HALF) for index, numbers in constants.items() if numbers < 0}
    if node.op_type in ("Add", "Where") and reached <= ORDINARY:
        return {index: np.maximum(c, -MASKED) for index, c in constants.items() if _only_masks(node, c)}
    return {}


def _only_masks(node: ir.Node, mask: np.ndarray) -> bool:
    """Whether all that reads the result is a Softmax, of which the mask leaves something in each row."""
    result = node.outputs[0]
    readers = [use.node for use in result.uses()]
    if result.is_graph_output() or mask.max() > ORDINARY or any(node.op_type != "Softmax" for node in readers):
        return False
    if node.op_type == "Where":  # what is masked has one number, so a row of nothing else keeps equal probabilities
        return bool((mask == mask.flat[0]).all())
    open_ = np.broadcast_to(mask >= -ORDINARY, shape(result))
    return all(open_.any(axis=reader.attributes.get_int("axis", -1)).all() for reader in readers)
