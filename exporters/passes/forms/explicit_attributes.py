"""op(without an attribute) -> op(with the dialect's default); axis=-1 -> axis=rank-1; an attribute without effect goes

Leaves an attribute alone that the dialect does not have and that has an effect: the check names it.
"""

import onnx_ir as ir

from ....graph.dialect import OPS
from ....graph.edit import attribute, shape

WITHOUT_EFFECT = {  # op -> attribute -> the value that changes nothing
    "LayerNormalization": {"stash_type": 1},
    **{f"Reduce{name}": {"noop_with_empty_axes": 0} for name in ("Mean", "Sum", "Max", "Min", "Prod")},
    "Cast": {"saturate": 1, "round_mode": "up"},
    "AveragePool": {"dilations": (1, 1), "ceil_mode": 0, "auto_pad": "NOTSET"},
    "MaxPool": {"storage_order": 0, "ceil_mode": 0, "auto_pad": "NOTSET"},
    "Conv": {"auto_pad": "NOTSET"},
}


def rewrite(model: ir.Model) -> int:
    return sum(explicit(node) for node in model.graph)


def explicit(node: ir.Node) -> int:
    op = OPS.get(node.op_type)
    if op is None:
        return 0
    before = dict(node.attributes)
    if node.op_type == "Transpose" and "perm" not in node.attributes:
        node.attributes["perm"] = ir.AttrInt64s("perm", list(reversed(range(len(shape(node.inputs[0]))))))
    for name, value in WITHOUT_EFFECT.get(node.op_type, {}).items():
        if name in node.attributes and (attribute(node, name) == value or name == "noop_with_empty_axes"):
            del node.attributes[name]
    for name, default in op.defaults.items():
        if name not in node.attributes:
            node.attributes[name] = ir.convenience.convert_attribute(name, default)
    if "axis" in op.attributes and attribute(node, "axis") < 0:
        node.attributes["axis"] = ir.AttrInt64("axis", attribute(node, "axis") + len(shape(node.inputs[0])))
    return int(before != dict(node.attributes))
