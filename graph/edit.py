"""Read and edit an onnx_ir graph in small steps, for the passes, the quantiser and the converters."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from ..artifacts.errors import DynamicShape, NotCanonical

# operators of which the data decide how much they give
DATA_DEPENDENT = frozenset({"NonMaxSuppression", "NonZero", "Unique", "Compress"})
NAME_SCOPES = "pkg.torch.onnx.name_scopes"  # what torch.onnx calls a node's path of modules; the last entry is the call
STEP = "/step:"  # in the name of a tensor that stands for no value of the graph: a step on the way to one
SOURCE_LINE = "edgeport.source_line"  # file and line of the user's code that a traced node comes from: "net.py:31"
EXACT = "edgeport.exact"  # why a node is computed in float32 where others are in half precision
FLOATING = "edgeport.float"  # why a node is computed in float where others are in integers, if the device has float
PART = "edgeport.part"  # which part of its module's layer a node computes, where a pass has split that layer: "0", "1"


Operand = ir.Value | None  # how onnx_ir types a node's input: None is one that is left out
Owner = ir.Graph | ir.Function | None  # how onnx_ir types what a node stands in


def given(value: Operand) -> ir.Value:
    """An input that is not left out. Raises NotCanonical where it is, which ONNX's checker does not look at."""
    if value is None:
        raise NotCanonical("an operator of the graph lacks an operand that it needs; give it.")
    return value


def owner(node: ir.Node) -> ir.Graph:
    """The graph in which the node stands."""
    assert isinstance(node.graph, ir.Graph), "the node stands in no graph"
    return node.graph


def name_of(value: Operand) -> str:
    """The name that every value of a model has."""
    name = given(value).name
    assert name is not None, "the value stands in no graph"
    return name


def module_path(node: ir.Node) -> str:
    """The PyTorch module that the node comes from, as in `stages.2.1.conv_kxk.conv`; "" where it is not known."""
    scopes = node.metadata_props.get(NAME_SCOPES)
    return ast.literal_eval(scopes)[-2] if scopes and scopes.count(",") else ""


def slashed(path: str) -> str:
    """A module's path as a name in a file: viewers group by "/", and take what stands between ";" for several names."""
    return path.translate({ord("."): "/", ord(";"): "_"})


def where(node: ir.Node) -> str:
    """`Conv 'node_Conv_7' (at 'stem.conv', net.py:31)`: how messages name a node."""
    path, line = module_path(node), node.metadata_props.get(SOURCE_LINE, "")
    place = ", ".join(filter(None, (path and repr(path), line)))
    return f"{node.op_type} {node.name or node.outputs[0].name!r}" + (f" (at {place})" if place else "")


def producer(value: Operand, op_type: str | None = None) -> ir.Node | None:
    """The node that computes the value; None for inputs and constants, and where its type is not `op_type`."""
    node = value.producer() if value is not None else None
    return node if node is not None and op_type in (None, node.op_type) else None


def maker(value: Operand) -> ir.Node:
    """The node that computes what is known to be computed."""
    node = given(value).producer()
    assert node is not None, "the value is an input or a constant"
    return node


def consumers(value: Operand) -> list[ir.Node]:
    """The nodes that read the value, each once, in the order in which they came to read it."""
    return list(dict.fromkeys(node for node, _ in given(value).uses()))


def sole_consumer(value: Operand, op_type: str | None = None) -> ir.Node | None:
    """The one node that reads the value once; None where others do, where the graph returns it, or for another type."""
    uses = tuple(given(value).uses())
    if len(uses) != 1 or given(value).is_graph_output():
        return None
    node = uses[0].node
    return node if op_type in (None, node.op_type) else None


def const_value(value: Operand) -> np.ndarray | None:
    """The array of a constant (an initializer, or the output of a Constant node); None for anything computed."""
    if value is None or value.const_value is None:
        return None
    return value.const_value.numpy()


def array(value: Operand) -> np.ndarray:
    """The array of what is known to be a constant."""
    numbers = const_value(value)
    assert numbers is not None, "the operand is computed"
    return numbers


def scalar(value: Operand) -> float | None:
    """The number in a constant of one element; None for anything else."""
    if value is None or value.const_value is None or value.const_value.size != 1:
        return None
    return float(value.const_value.numpy().reshape(()))


def shape(value: Operand) -> tuple[int, ...]:
    """The static shape. Raises DynamicShape where a dimension is symbolic or nothing is known."""
    value = given(value)
    dims = value.const_value.shape if value.const_value is not None else value.shape
    sizes = tuple(dim for dim in dims or () if isinstance(dim, int))
    if dims is None or len(sizes) != len(dims):
        node = value.producer()
        place = f"{where(node)}: " if node is not None else ""
        known = "no known shape" if dims is None else f"shape {dims}"
        maker = _data_dependent(value)
        if maker is not None:
            raise DynamicShape(
                f"{where(maker)} gives as many results as the data decide, so nothing behind it has a size; let the "
                "application do it behind the model, or keep all of them and mark those that count."
            )
        raise DynamicShape(f"{place}value {value.name!r} has {known}; export with fixed sizes.")
    return sizes


def _data_dependent(value: ir.Value) -> ir.Node | None:
    """The node among those that compute the value whose number of results depends on the data."""
    seen: set[ir.Node] = set()
    left = [value.producer()]
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        if node.op_type in DATA_DEPENDENT:
            return node
        seen.add(node)
        left += [each.producer() for each in node.inputs if each is not None]
    return None


def attribute(node: ir.Node, name: str, default: Any = None) -> Any:
    """The Python value of a node's attribute (lists as tuples), or `default` where the node does not set it."""
    attr = node.attributes.get(name)
    if attr is None:
        return default
    return tuple(attr.value) if isinstance(attr.value, Sequence) and not isinstance(attr.value, str) else attr.value


def constant(graph: Owner, array: np.ndarray, name: str | None) -> ir.Value:
    """A new initializer that holds a copy-free `array`; a number is added to `name` where it is taken."""
    assert isinstance(graph, ir.Graph)
    name = name or "constant"
    unique, count = name, len(graph.initializers)
    while unique in graph.initializers:
        count += 1
        unique = f"{name}_{count}"
    tensor = ir.Tensor(np.asarray(array), name=unique)
    value = ir.Value(name=unique, shape=ir.Shape(tensor.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def emit(
    before: ir.Node,
    op_type: str,
    inputs: Sequence[Operand],
    shape: Sequence[int],
    attributes: Mapping[str, Any] | None = None,
    *,
    like: ir.Node | None = None,
    dtype: ir.DataType | None = ir.DataType.FLOAT,
) -> ir.Value:
    """Insert a node in front of `before` and return its one output.

    The new node takes the metadata, so the module, of `like` (`before` if not given).
    """
    origin = like or before
    node = ir.node(op_type, inputs, attributes or None, metadata_props=dict(origin.metadata_props))
    node.outputs[0].shape, node.outputs[0].dtype = ir.Shape(shape), dtype or ir.DataType.UNDEFINED
    owner(before).insert_before(before, node)  # the graph names the node and its output
    return node.outputs[0]


def reshape(value: Operand, to: Sequence[int], before: ir.Node, *, like: ir.Node | None = None) -> ir.Value:
    """`value` in another shape: a Reshape in front of `before`, or nothing if it has that shape."""
    value = given(value)
    if shape(value) == tuple(to):
        return value
    target = constant(before.graph, np.array(to, np.int64), "shape")
    return emit(before, "Reshape", [value, target], to, like=like, dtype=value.dtype)


def transpose(value: Operand, perm: Sequence[int], before: ir.Node, *, like: ir.Node | None = None) -> ir.Value:
    """`value` with its axes in the order `perm`: a Transpose in front of `before`, or nothing if they are in it."""
    value = given(value)
    if list(perm) == sorted(perm):
        return value
    dims = shape(value)
    return emit(
        before, "Transpose", [value], [dims[p] for p in perm], {"perm": list(perm)}, like=like, dtype=value.dtype
    )


def can_replace(old: ir.Value, new: Operand) -> bool:
    """Whether `new` can stand for `old`: a graph output must be computed, and be one output only."""
    new = given(new)
    return not old.is_graph_output() or (
        not new.is_graph_input() and not new.is_initializer() and not new.is_graph_output()
    )


def replace(old: ir.Value, new: Operand) -> None:
    """Let every reader of `old` read `new`; where `old` is a graph output, `new` becomes it and takes its name."""
    new = given(new)
    if old.is_graph_output():
        name, old.name = old.name, f"{old.name}_replaced"
        new.name = name
    old.replace_all_uses_with(new, replace_graph_outputs=True)


def remove_dead(graph: ir.Graph) -> int:
    """Remove nodes and initializers that no output depends on; how many nodes went."""
    removed = 0
    for node in reversed(graph):
        if not any(out.uses() or out.is_graph_output() for out in node.outputs):
            graph.remove(node, safe=True)
            removed += 1
    for name, value in list(graph.initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[name]
    return removed
