"""Find the values of a graph whose channels can be scaled, because only layers with weights notice it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import onnx_ir as ir

from ...graph.activated import is_activated
from ...graph.edit import array, attribute, const_value, consumers, given, name_of, scalar, shape
from ...graph.fusion import CONVOLUTIONS
from ...graph.layers import Weighted, is_matmul, weighted

_HOMOGENEOUS = frozenset({"Relu", "LeakyRelu", "MaxPool", "AveragePool", "Resize"})


@dataclass
class Site:
    """A value whose channels can be scaled, by its name. `kind`: of what computes it, a key of GAIN."""

    value: str
    kind: str
    channels: int
    readers: list[tuple[ir.Node, int]] = field(default_factory=list)  # layers, and the channels' axis of what they read


def find_sites(graph: ir.Graph) -> list[Site]:
    """The values whose scale only layers notice: of layers, LayerNorms and activation functions, in the order there."""
    sites = []
    for node in graph:
        if node.op_type == "LayerNormalization" and const_value(node.inputs[1]) is not None:
            value, kind, axis = node.outputs[0], node.op_type, len(shape(node.outputs[0])) - 1
        elif is_activated(node):
            value, kind = node.outputs[0], "activation"
            axis = 1 if len(shape(value)) == 4 else len(shape(value)) - 1
        else:
            layer = _layer_of(node)
            if layer is None:
                continue
            value, kind, axis = layer.output, "layer", layer.channel_axis
        site = Site(name_of(value), kind, shape(value)[axis])
        if site.channels > 1 and _follow(value, axis, site) and site.readers:
            sites.append(site)
    return sites


def _layer_of(node: ir.Node) -> Weighted | None:
    """The layer whose last node is `node`."""
    layer = weighted(node.outputs[0])
    if layer is None or (layer.add or layer.node) is not node:
        return None
    if layer.add is None and not layer.is_conv:
        after = [weighted(reader.outputs[0]) for reader in consumers(node.outputs[0])]
        if any(other is not None and other.node is node for other in after):
            return None  # its bias comes
    return layer


def _follow(value: ir.Value, axis: int, site: Site) -> bool:
    """Collect the readers behind `value`; False where something notices the scale."""
    if value.is_graph_output():
        return False
    for node in consumers(value):
        if node.inputs[0] is not value or any(v is value for v in node.inputs[1:]):
            return False
        if _reads(node, axis):
            if len(given(node.inputs[1]).uses()) > 1:
                return False
            site.readers.append((node, axis))
            continue
        through = _through(node, axis)
        if through is None:
            return False
        if not _follow(node.outputs[0], through, site):
            return False
    return True


def _reads(node: ir.Node, axis: int) -> bool:
    if node.op_type in CONVOLUTIONS:
        return axis == 1 and const_value(node.inputs[1]) is not None
    return is_matmul(node) and axis == len(shape(node.inputs[0])) - 1


def _through(node: ir.Node, axis: int) -> int | None:
    """The channels' axis behind a node that lets factors through, None for others."""
    op_type = node.op_type
    if op_type in _HOMOGENEOUS or (op_type == "PRelu" and axis == 1):
        return axis
    if op_type == "Pad" and scalar(node.inputs[2]) == 0:
        pads = array(node.inputs[1])
        return axis if not (pads[axis] or pads[axis + len(pads) // 2]) else None
    if op_type == "ReduceMean":
        return axis if axis not in array(node.inputs[1]).tolist() else None
    if op_type == "Transpose":
        return attribute(node, "perm").index(axis)
    if op_type == "Reshape":
        before, after = shape(node.inputs[0]), shape(node.outputs[0])
        outer = prod(before[:axis])
        places = [i for i, size in enumerate(after) if size == before[axis] and prod(after[:i]) == outer]
        return places[0] if places else None
    return None
