"""LayerNormalization(x, one factor, one addend) -> its mean, its variance and the quotient, in operators of their own

That of all numbers of a map, or of a group of its channels, has a factor and an addend for each of them, as many as the
map has: it is of one size, its parts are of any. Leaves one alone whose factors or addends differ.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ....graph.edit import FLOATING, array, attribute, given, owner, replace, shape
from .steps import Steps

SQUARES = "a variance needs more than 8 bits"


def is_uniform(node: ir.Node) -> bool:
    """Whether it has one factor and one addend."""
    return node.op_type == "LayerNormalization" and all(np.ptp(array(value)) == 0 for value in node.inputs[1:])


def expand_normalization(node: ir.Node) -> None:
    """Puts the parts in the place of a node that `is_uniform`."""
    x, (scale, bias) = given(node.inputs[0]), (array(value).flat[0] for value in node.inputs[1:])
    at, (*outer, _) = Steps(node, {FLOATING: SQUARES}), shape(x)
    axes, row = at.sizes(len(outer)), (*outer, 1)
    apart = at.sub(x, at.run("ReduceMean", x, axes, to=row, keepdims=1))
    variance = at.run("ReduceMean", at.mul(apart, apart), axes, to=row, keepdims=1)
    result = at.run("Div", apart, at.run("Sqrt", at.add(variance, attribute(node, "epsilon"))))
    result = at.mul(result, scale) if scale != 1 else result
    result = at.add(result, bias) if bias != 0 else result
    name = node.outputs[0].name
    replace(node.outputs[0], result)
    owner(node).remove(node, safe=True)
    result.name = name
