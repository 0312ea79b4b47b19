"""Run a canonical graph as a GPU does in float16: every result is rounded to it, and so is each step of layers' sums.

What LiteRT's GPU accelerator adds up in which precision was measured on crafted files: convolutions and matrix products
add one product after the other in float16; means, sums, pools and softmaxes add in float32 and round once.
`sums="float16"` is a GPU that rounds those sums, too, and takes a LayerNormalization apart.
"""

import numpy as np
import onnx_ir as ir
import torch
from edgeport.graph.edit import array, attribute, name_of, shape
from edgeport.runtime.graph_session import open_graph, run

STEP = 1  # products that are summed before the total is rounded


def run_float16(model: ir.Model, feeds, *, layers="float16", sums="float32") -> dict[str, np.ndarray]:
    """{output: its array} of one run; `layers`: what convolutions and linears add up in."""
    values = {name: rounded(np.asarray(array)) for name, array in feeds.items()}
    for value in model.graph.initializers.values():
        values[value.name] = rounded(array(value))
    for node in model.graph:
        operands = [None if value is None else values[value.name] for value in node.inputs]
        for output, result in zip(node.outputs, compute(node, operands, layers, sums), strict=False):
            values[output.name] = rounded(result)
    return {name_of(output): values[name_of(output)] for output in model.graph.outputs}


def rounded(numbers: np.ndarray) -> np.ndarray:
    """To float16, still stored as float32."""
    if numbers.dtype != np.float32:
        return numbers
    with np.errstate(over="ignore"):
        return numbers.astype(np.float16).astype(np.float32)


def compute(node, operands, layers, sums):
    if node.op_type == "Conv" and layers == "float16":
        return [convolve(node, *operands)]
    if node.op_type == "MatMul" and layers == "float16":
        return [multiply(*operands)]
    if node.op_type == "Mish":
        return [mish(*operands)]
    if node.op_type in ("ReduceMean", "ReduceSum") and sums == "float16":
        return [total(node, *operands)]
    if node.op_type == "LayerNormalization" and sums == "float16":
        return [layer_norm(node, *operands)]
    return alone(node, operands)


def alone(node, operands):
    """The node's results in float32."""
    inputs = [
        None if value is None else ir.val(f"i{k}", ir.DataType.from_numpy(x.dtype), x.shape)
        for k, (value, x) in enumerate(zip(node.inputs, operands, strict=True))
    ]
    copy = ir.node(
        node.op_type, inputs, {a.name: a.value for a in node.attributes.values()}, num_outputs=len(node.outputs)
    )
    for k, output in enumerate(copy.outputs):
        output.name, output.dtype = f"o{k}", node.outputs[k].dtype
    given = [value for value in inputs if value is not None]
    graph = ir.Graph(given, copy.outputs, nodes=[copy], opset_imports={"": 20})
    names = [output.name for output in copy.outputs]
    feed = {value.name: x for value, x in zip(inputs, operands, strict=True) if value is not None}
    with np.errstate(all="ignore"):
        return run(open_graph(ir.to_proto(ir.Model(graph, ir_version=10))), names, feed)


def half(x: torch.Tensor) -> torch.Tensor:
    return x.half().float()


def convolve(node, x, weight, bias):
    group, strides, dilations = attribute(node, "group"), attribute(node, "strides"), attribute(node, "dilations")
    top, left, bottom, right = attribute(node, "pads")
    x = torch.nn.functional.pad(torch.tensor(x), (left, right, top, bottom))
    n, _, height, width = shape(node.outputs[0])
    out, per_group, kh, kw = weight.shape
    weight, acc = torch.tensor(weight), torch.zeros((n, out, height, width))
    members = out // group
    grouped = acc.view(n, group, members, height, width)
    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dilations[0], i * dilations[0] + (height - 1) * strides[0] + 1, strides[0])
            columns = slice(j * dilations[1], j * dilations[1] + (width - 1) * strides[1] + 1, strides[1])
            taken = x[:, :, rows, columns].reshape(n, group, per_group, height, width)
            taps = weight[:, :, i, j].reshape(group, members, per_group)
            for k in range(0, per_group, STEP):
                products = torch.einsum("ngkhw,gmk->ngmhw", taken[:, :, k : k + STEP], taps[:, :, k : k + STEP])
                grouped = half(grouped + products)
    return half(grouped.reshape(acc.shape) + torch.tensor(bias).reshape(1, -1, 1, 1)).numpy()


def multiply(a, b):
    a, b = torch.tensor(a), torch.tensor(b)
    acc = torch.zeros(1)
    for k in range(0, a.shape[-1], STEP):
        acc = half(acc + a[..., k : k + STEP] @ b[..., k : k + STEP, :])
    return acc.numpy()


def mish(x):
    e = rounded(np.exp(np.minimum(x, 20, dtype=np.float32)))
    with np.errstate(all="ignore"):
        n = rounded(e * rounded(e + 2))
        return x * rounded(n / rounded(n + 2))


def total(node, x, axes):
    with np.errstate(all="ignore"):
        found = rounded(x.sum(axis=tuple(axes), keepdims=True, dtype=np.float32))
        count = np.float32(np.prod([x.shape[axis] for axis in axes])) if node.op_type == "ReduceMean" else np.float32(1)
        return found / count


def layer_norm(node, x, gamma, beta):
    """As its seven operators."""
    axis, epsilon = len(x.shape) - 1, np.float32(attribute(node, "epsilon"))
    with np.errstate(all="ignore"):
        centred = rounded(x - rounded(x.mean(axis, keepdims=True)))
        variance = rounded(rounded(centred * centred).mean(axis, keepdims=True))
        factor = rounded(1 / np.sqrt(rounded(variance + rounded(np.full_like(variance, epsilon)))))
        return rounded(rounded(centred * factor) * gamma) + beta
