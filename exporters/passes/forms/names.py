"""values and initializers -> the same, named after the modules they come from

The last value of a module is called as the module (`stages/2/1/conv_kxk/conv`), those before it with their op
(`stages/2/1/attn/softmax`), the parts of a layer that was split with a number (`stages/2/1/attn/qkv/0`), and what is
taken gets `_2`. The slashes are what viewers of models group by. Leaves the graph's inputs and outputs alone, and
values of nodes whose module is not known.
"""

from __future__ import annotations

import ast

import onnx_ir as ir

from ....graph.edit import NAME_SCOPES, PART, module_path, producer, slashed

OPERANDS = {  # op -> what its constant operands are called, by position
    "Conv": {1: "weight", 2: "bias"},
    "ConvTranspose": {1: "weight", 2: "bias"},
    "PRelu": {1: "weight"},
    "Resize": {3: "sizes"},
    "MatMul": {1: "weight"},
    "LayerNormalization": {1: "weight", 2: "bias"},
    "Reshape": {1: "shape"},
    "ReduceMean": {1: "axes"},
    "Clip": {1: "min", 2: "max"},
    "Slice": {1: "starts", 2: "ends", 3: "axes", 4: "steps"},
    "Pad": {1: "pads", 2: "value"},
}


def rewrite(model: ir.Model) -> int:
    graph = model.graph
    taken = {value.name or "" for value in (*graph.inputs, *graph.outputs)}
    last = {path_of(node): node for node in graph}
    names: dict[ir.Value, str] = {}
    for node in graph:
        for out in node.outputs:
            if out.is_graph_output():
                continue
            names[out] = unique(value_name(node, out, last), taken)
    for node in graph:
        owner = stem(node, names)
        for i, value in enumerate(node.inputs):
            if value is None or not value.is_initializer() or value in names or value.is_graph_output():
                continue
            is_bias = node.op_type == "Add" and i == 1 and producer(node.inputs[0], "MatMul") is not None
            role = "bias" if is_bias else OPERANDS.get(node.op_type, {}).get(i, "constant")
            names[value] = unique(f"{owner}/{role}", taken)
    changed = sum(value.name != name for value, name in names.items())
    for i, value in enumerate(names):  # out of one another's way first
        value.name = f"edgeport.renaming.{i}"
    for value, name in names.items():
        value.name = name
    for node in graph:
        node.name = node.outputs[0].name
    return changed


def path_of(node: ir.Node) -> str:
    """The node's module, and the part of its layer that a pass made of it: `stages/2/1/attn/qkv/0`."""
    part = node.metadata_props.get(PART)
    return slashed(module_path(node) + (f".{part}" if part is not None else ""))


def value_name(node: ir.Node, out: ir.Value, last: dict[str, ir.Node]) -> str:
    if NAME_SCOPES not in node.metadata_props:
        return out.name or node.op_type.lower()
    path = path_of(node)
    if path and last[path] is node:
        return path
    return f"{path}/{node.op_type.lower()}" if path else ast.literal_eval(node.metadata_props[NAME_SCOPES])[-1]


def stem(node: ir.Node, names: dict[ir.Value, str]) -> str:
    """What the constants of the node are named after: its module, or its output where it has none or shares it."""
    (out, *_) = node.outputs
    name = names.get(out, out.name or "")
    return name.removesuffix(f"/{node.op_type.lower()}") if node.op_type == "MatMul" else name


def unique(name: str, taken: set[str]) -> str:
    chosen, count = name, 1
    while chosen in taken:
        count += 1
        chosen = f"{name}_{count}"
    taken.add(chosen)
    return chosen
