"""Gemm(x, W, b) -> Add(MatMul(x, W'), b')

alpha, beta and transB go into the constants, transA becomes a Transpose; of a quantised W, transB does, too. With a
computed W or b, or one b per row: Gemm(a, b, c) -> Add(Mul(MatMul(a', b'), alpha), Mul(c, beta)).
"""

import numpy as np
import onnx_ir as ir

from ....graph.dialect import stored
from ....graph.edit import attribute, const_value, constant, emit, given, replace, reshape, shape, transpose
from ....graph.layers import emit_linear


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "Gemm":
            continue
        if is_quantized(node):
            replace(node.outputs[0], emit_quantized(node))
            graph.remove(node, safe=True)
            count += 1
            continue
        weight = const_value(node.inputs[1])
        bias = const_value(node.inputs[2]) if len(node.inputs) > 2 else None
        computed = bias is None and len(node.inputs) > 2 and node.inputs[2] is not None
        rows = bias is not None and bias.ndim == 2 and bias.shape[0] != 1  # a bias per row is no bias
        if weight is None or computed or rows:
            replace(node.outputs[0], products(node))
            graph.remove(node, safe=True)
            count += 1
            continue
        weight = weight.T if attribute(node, "transB", 0) else weight  # (out, in) -> (in, out)
        weight = weight * np.float32(attribute(node, "alpha", 1.0))
        if bias is not None:
            bias = np.broadcast_to(bias.reshape(-1), weight.shape[1:]) * np.float32(attribute(node, "beta", 1.0))
        x = transpose(node.inputs[0], (1, 0), node) if attribute(node, "transA", 0) else node.inputs[0]
        replace(
            node.outputs[0], emit_linear(x, weight, bias, node, names=(given(node.inputs[1]).name, bias_name(node)))
        )
        graph.remove(node, safe=True)
        count += 1
    return count


def products(node: ir.Node) -> ir.Value:
    """The node in its three steps, whatever its operands are."""
    to = shape(node.outputs[0])
    a, b = (
        transpose(value, (1, 0), node) if attribute(node, name, 0) else given(value)
        for value, name in zip(node.inputs[:2], ("transA", "transB"), strict=True)
    )
    y = scaled(emit(node, "MatMul", [a, b], to), attribute(node, "alpha", 1.0), node)
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return y
    return emit(node, "Add", [y, scaled(given(node.inputs[2]), attribute(node, "beta", 1.0), node)], to)


def scaled(value: ir.Value, factor: float, before: ir.Node) -> ir.Value:
    if factor == 1:
        return value
    return emit(before, "Mul", [value, constant(before.graph, np.array(factor, np.float32), "factor")], shape(value))


def bias_name(node: ir.Node) -> str | None:
    return given(node.inputs[2]).name if len(node.inputs) > 2 and node.inputs[2] is not None else "bias"


def is_quantized(node: ir.Node) -> bool:
    """Whether the weight is a quantised constant, and no more is asked for than a product and a sum."""
    operands = [value for value in node.inputs[1:] if value is not None]
    plain = attribute(node, "alpha", 1.0) == 1 and attribute(node, "beta", 1.0) == 1
    sides = all(len(shape(value)) < 2 or shape(value)[0] == 1 for value in operands[1:])
    return const_value(node.inputs[1]) is None and plain and sides and all(stored(v) is not None for v in operands)


def emit_quantized(node: ir.Node) -> ir.Value:
    """The product and the sum with the dequantised constants themselves."""
    x, weight = (
        transpose(value, (1, 0), node) if attribute(node, flag, 0) else given(value)
        for value, flag in zip(node.inputs, ("transA", "transB"), strict=False)
    )
    to = (shape(x)[0], shape(weight)[1])
    out = emit(node, "MatMul", [x, weight], to)
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return out
    return emit(node, "Add", [out, reshape(node.inputs[2], (shape(node.inputs[2])[-1:]), node)], to)
