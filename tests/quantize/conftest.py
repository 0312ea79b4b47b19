"""Tiny canonical graphs as ONNX text."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from graphs import run_onnx


def _build(text: str, *, seed: int = 0, **constants) -> ir.Model:
    """`(inputs) => (outputs) <constants> { nodes }` -> model, opset 20, shapes inferred.

    A constant is declared `float[4,3,3,3] w`; its values are given by name, else drawn from N(0, 1/fan_in).
    """
    rng = np.random.default_rng(seed)
    proto = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 20]> test {text}')
    made = {name for node in proto.graph.node for name in node.output} | {v.name for v in proto.graph.input}
    for info in [v for v in proto.graph.value_info if v.name not in made]:
        shape = [d.dim_value for d in info.type.tensor_type.shape.dim]
        if info.name in constants:
            array = np.asarray(constants[info.name])
        else:
            array = rng.normal(0, max(1, int(np.prod(shape[1:]))) ** -0.5, shape)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array.astype(dtype).reshape(shape), info.name))
        proto.graph.value_info.remove(info)
    for node in proto.graph.node:
        if not node.name:
            node.name = f"node_{node.output[0]}"
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto, strict_mode=True))


def _feeds(model: ir.Model, count: int = 4, *, seed: int = 1):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield {v.name: rng.normal(size=tuple(v.shape)).astype(np.float32) for v in model.graph.inputs}


@pytest.fixture(scope="session")
def build():
    return _build


@pytest.fixture(scope="session")
def feeds():
    return _feeds


@pytest.fixture(scope="session")
def run():
    return run_onnx
