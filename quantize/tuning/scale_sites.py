"""Find the values of a graph whose channels can be scaled, because only layers with weights notice it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import onnx_ir as ir

from ...graph.activated import is_activated
from ...graph.edit import array, attribute, const_value, consumers, given, name_of, scalar, shape
from ...graph.fusion import CONVOLUTIONS, source
from ...graph.layers import Weighted, is_matmul, weighted

_HOMOGENEOUS = frozenset({"Relu", "LeakyRelu", "MaxPool", "AveragePool", "Resize"})


@dataclass
class Site:
    """A value whose channels can be scaled, by its name. `kind`: of what computes it, a key of GAIN."""

    value: str
    kind: str
    channels: int
    readers: list[tuple[ir.Node, int]] = field(default_factory=list)  # layers, and the channels' axis of what they read
    products: list[ir.Node] = field(default_factory=list)  # with values that the scale does not reach
    scaled: set[ir.Value] = field(default_factory=set)  # what the scale reaches
    factors: tuple[ir.Value, ...] = ()  # of a product with a gate: what is multiplied, the gate


def find_sites(graph: ir.Graph) -> list[Site]:
    """The values whose scale only layers notice: of layers, LayerNorms, activation functions, and products with gates,
    in the order there."""
    sites = []
    for node in graph:
        factors = ()
        if (index := gate_index(node)) is not None:
            value, kind, axis = node.outputs[0], "gate", 1
            factors = (given(node.inputs[1 - index]), given(node.inputs[index]))
        elif node.op_type == "LayerNormalization" and const_value(node.inputs[1]) is not None:
            value, kind, axis = node.outputs[0], node.op_type, len(shape(node.outputs[0])) - 1
        elif is_activated(node):
            value, kind = node.outputs[0], "activation"
            axis = 1 if len(shape(value)) == 4 else len(shape(value)) - 1
        else:
            layer = _layer_of(node)
            if layer is None:
                continue
            value, kind, axis = layer.output, "layer", layer.channel_axis
        site = Site(name_of(value), kind, shape(value)[axis], factors=factors)
        if site.channels > 1 and _follow(value, axis, site) and site.readers and _scaled_once(site):
            sites.append(site)
    return sites


def gate_index(node: ir.Node) -> int | None:
    """Which operand of a product is a gate, as squeeze-and-excite has it: computed, one number for each channel of an
    image, for all its places."""
    if node.op_type != "Mul" or any(const_value(v) is not None for v in node.inputs):
        return None
    to, (first, second) = shape(node.outputs[0]), (shape(v) for v in node.inputs)
    if len(to) != 4 or to[2] * to[3] == 1:
        return None
    row = (*to[:2], 1, 1)
    return 1 if (first, second) == (to, row) else 0 if (first, second) == (row, to) else None


def _scaled_once(site: Site) -> bool:
    """Whether the scale reaches no product twice; and one with a gate behind nothing but views."""
    twice = any(all(v in site.scaled for v in node.inputs) for node in site.products)
    return not twice and (
        site.kind != "gate" or all(name_of(source(given(n.inputs[0]))) == site.value for n, _ in site.readers)
    )


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
    site.scaled.add(value)
    for node in consumers(value):
        if site.kind != "activation" and _multiplies(node, value, axis):  # its factors would cost more than a gate's
            site.products.append(node)
            if not _follow(node.outputs[0], axis, site):
                return False
            continue
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


def _multiplies(node: ir.Node, value: ir.Value, axis: int) -> bool:
    """Whether the node multiplies the value by another one, each channel by numbers of its own."""
    if node.op_type != "Mul" or any(const_value(v) is not None for v in node.inputs):
        return False
    dims, to = shape(value), shape(node.outputs[0])
    return node.inputs[0] is not node.inputs[1] and len(dims) == len(to) and dims[axis] == to[axis]


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
