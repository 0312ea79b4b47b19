"""op(constants) -> initializer

Evaluates every node that reads constants only, Constant nodes and Shape of a static value included. Leaves a node alone
that is random, holds a subgraph, or is a quantised weight's DequantizeLinear.
"""

import math

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from ....artifacts.errors import NotCanonical
from ....graph.edit import attribute, const_value, constant, emit, given, owner, producer, replace, where

LARGEST = 2**29  # numbers: 2 GiB in float32, what the formats hold in one file
LEFT = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"} | {
    "DequantizeLinear",
    "QuantizeLinear",
    "SplitToSequence",
    "SequenceConstruct",
    "SequenceEmpty",
}


def _shape(node: ir.Node, dims: tuple[int, ...]) -> np.ndarray:
    return np.array(dims[slice(attribute(node, "start", 0), attribute(node, "end"))], np.int64)


def _eye(node: ir.Node, dims: tuple[int, ...]) -> np.ndarray:
    dtype = ir.DataType(attribute(node, "dtype", given(node.inputs[0]).dtype or ir.DataType.FLOAT))
    return np.eye(*dims, k=attribute(node, "k", 0), dtype=dtype.numpy())


OF_SHAPE = {  # op -> what it is of the sizes of its input, whatever that holds
    "Shape": _shape,
    "Size": lambda node, dims: np.array(math.prod(dims), np.int64),
    "EyeLike": _eye,
}


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        results = evaluate(node)
        if results is None:
            continue
        if node.op_type == "Identity" and node.outputs[0].is_graph_output():
            for reader, index in tuple(node.outputs[0].uses()):
                reader.replace_input_with(index, node.inputs[0])
                count += 1
            continue
        for out, array in zip(node.outputs, results, strict=True):
            if out.is_graph_output():
                copy = emit(node, "Identity", [constant(graph, array, "constant")], array.shape, dtype=out.dtype)
                replace(out, copy)
            elif out.uses():
                replace(out, constant(graph, array, out.name or node.op_type))
        graph.remove(node, safe=True)
        count += 1
    return count


def evaluate(node: ir.Node) -> list[np.ndarray] | None:
    """The node's outputs as arrays, or None where they depend on the graph's inputs."""
    if node.op_type == "Constant":
        return [constant_of(node)]
    if node.op_type in OF_SHAPE:
        dims = given(node.inputs[0]).shape
        return [OF_SHAPE[node.op_type](node, dims.numpy())] if dims is not None and dims.is_static() else None
    inputs = [const_value(value) for value in node.inputs]
    if node.op_type in LEFT or any(a is None and v is not None for a, v in zip(inputs, node.inputs, strict=True)):
        return None
    if any(attr.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for attr in node.attributes.values()):
        return None
    _check_sizes(node)
    names = [(value.name or "") if value is not None else "" for value in node.inputs]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [ir.to_proto(node)],
            "node",
            [onnx.helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(filter(None, names))],
            [onnx.helper.make_empty_tensor_value_info(out.name or "") for out in node.outputs],
        ),
        opset_imports=[onnx.helper.make_opsetid(d, v) for d, v in owner(node).opset_imports.items()],
    )
    try:
        results = ReferenceEvaluator(model).run(None, {n: a for n, a in zip(names, inputs, strict=True) if n})
    except Exception as e:  # onnx has no one kind of error for operands that do not fit the operator
        raise NotCanonical(
            f"{where(node)} cannot be computed from its constants ({str(e).partition(chr(10))[0]})."
        ) from e
    return [np.asarray(result) for result in results]


def _check_sizes(node: ir.Node) -> None:
    """Raises NotCanonical where the result is larger than any file could hold it: it is not worth to be computed."""
    for out in node.outputs:
        count = math.prod(out.shape.numpy()) if out.shape is not None and out.shape.is_static() else 0
        if count > LARGEST:
            raise NotCanonical(f"{where(node)} makes {count} numbers of constants; at most {LARGEST} are folded.")


def constant_of(node: ir.Node) -> np.ndarray:
    """The array of a Constant node, in whichever attribute it is (float and int lists and scalars, or a tensor)."""
    (name,) = node.attributes
    value = node.attributes[name].value
    if name == "value":
        return value.numpy()
    return np.array(value, {"f": np.float32, "i": np.int64, "s": object}[name.removeprefix("value_")[0]])


def number(value: ir.Value | None) -> np.ndarray | None:
    """What a constant holds, also that of a Constant node; None for anything computed."""
    node = producer(given(value), "Constant")
    return const_value(value) if node is None else constant_of(node)
