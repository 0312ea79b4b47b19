"""few_axes and short_transposes against numpy: any rank in, at most five axes (six where the order changes)."""

import math
from itertools import pairwise

import numpy as np
import onnx
import pytest
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.frontends.onnx_file import from_onnx
from edgeport.graph.axis_permutations import orders
from edgeport.graph.edit import shape
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx.reference import ReferenceEvaluator

DIMS = (2, 1, 3, 2, 2, 3, 1, 2)
FEWER = (3, 1, 2, 3, 1, 1)  # broadcast against DIMS


def numbers(*dims: int) -> np.ndarray:
    return np.random.default_rng(len(dims)).normal(size=dims).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


CASES = {  # op: (constant operands, attributes)
    "Relu": ([], {}),
    "Mul": ([numbers(*FEWER)], {}),
    "Add": ([numbers(2, 1, 1, 1, 1, 1, 1, 1)], {}),
    "Sub": ([numbers(1)], {}),
    "Softmax": ([], {"axis": 4}),
    "LayerNormalization": ([numbers(2), numbers(2)], {"axis": -1}),
    "ReduceMean": ([ints(2, 3, 7)], {"keepdims": 0}),
    "ReduceMax": ([ints(3, 5)], {"keepdims": 1}),
    "ReduceSum": ([ints(1)], {"keepdims": 1}),
    "Slice": ([ints(1, 0), ints(3, 1), ints(2, 7)], {}),
    "Pad": ([ints(0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0)], {}),
    "Gather": ([np.array([[0, 1], [2, 0]])], {"axis": 5}),
    "MatMul": ([numbers(2, 4)], {}),
    "Concat": ([numbers(*DIMS)], {"axis": 3}),
    "Transpose": ([], {"perm": [7, 5, 0, 3, 1, 4, 6, 2]}),
    "ArgMax": ([], {"axis": 2, "keepdims": 1}),
}


def model_of(op_type: str) -> onnx.ModelProto:
    """x (72 elements in 8 axes, from a vector) -> Op -> a vector"""
    operands, attributes = CASES[op_type]
    constants = [onnx.numpy_helper.from_array(array, f"c{i}") for i, array in enumerate(operands)]
    dtype = onnx.TensorProto.INT64 if op_type == "ArgMax" else onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Reshape", ["image", "dims"], ["x"]),
        helper.make_node(op_type, ["x", *(c.name for c in constants)], ["y"], **attributes),
        helper.make_node("Reshape", ["y", "flat"], ["out"]),
    ]
    shapes = [onnx.numpy_helper.from_array(ints(*DIMS), "dims"), onnx.numpy_helper.from_array(ints(-1), "flat")]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [math.prod(DIMS)])],
        [helper.make_tensor_value_info("out", dtype, ["n"])],
        [*shapes, *constants],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("op_type", CASES)
def test_many_axes_become_few(op_type, run, tmp_path):
    proto = model_of(op_type)
    onnx.save(proto, tmp_path / "m.onnx")
    model = canonicalize(from_onnx(tmp_path / "m.onnx"))
    for node in model.graph:
        for out in node.outputs:
            assert len(shape(out)) <= (6 if node.op_type in ("Reshape", "Transpose") else 5), node
    feeds = {"image": numbers(math.prod(DIMS))}
    np.testing.assert_allclose(run(model, feeds)[0], ReferenceEvaluator(proto).run(None, feeds)[0], atol=1e-5)


@settings(deadline=None, max_examples=200)
@given(order=st.permutations(range(9)), most=st.integers(3, 6))
def test_a_long_way_is_taken_in_short_steps(order, most):
    way = [tuple(range(9)), *orders(range(9), order, most)]
    assert way[-1] == tuple(order)
    for before, after in pairwise(way):
        together = set(pairwise(after))
        assert 1 + sum(pair not in together for pair in pairwise(before)) <= max(most, 4)
