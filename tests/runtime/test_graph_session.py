"""ONNX Runtime on graphs in memory: optimised where that changes nothing, several inputs at once and in order."""

import threading

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from edgeport.runtime import graph_session
from edgeport.runtime.graph_session import open_checked, open_graph, run, side_by_side

TEXT = (
    '<ir_version: 10, opset_import: ["" : 20]> test (float[1,16,8,8] x) => (float[1,16,8,8] y)'
    " { c = Conv<kernel_shape=[3,3], pads=[1,1,1,1], group=16>(x, w) y = Relu(c) }"
)


@pytest.fixture
def model():
    proto = onnx.parser.parse_model(TEXT)
    weight = np.random.default_rng(0).normal(size=(16, 1, 3, 3)).astype(np.float32)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))


@pytest.fixture
def feed():
    return {"x": np.random.default_rng(1).normal(size=(1, 16, 8, 8)).astype(np.float32)}


def test_an_optimised_graph_gives_the_same(model, feed):
    plain, fast = (run(open_graph(model, ["c"], optimised=o), ["c", "y"], feed) for o in (False, True))
    for one, other in zip(plain, fast, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("harm", [0.0, 0.01])
def test_an_optimisation_that_computes_something_else_is_not_used(harm, model, feed, monkeypatch):
    """As if ONNX Runtime had fused the convolution to one of slightly other weights."""
    opened = []

    def open_harmed(graph, outputs=(), *, optimised=False):
        if optimised:
            graph = graph.clone()
            weight = graph.graph.initializers["w"]
            weight.const_value = ir.Tensor(weight.const_value.numpy() * np.float32(1 + harm), name="w")
        opened.append((open_graph(graph, outputs, optimised=optimised), optimised))
        return opened[-1][0]

    monkeypatch.setattr(graph_session, "open_graph", open_harmed)
    session = open_checked(model, ["c"], feed)
    assert dict((id(each), optimised) for each, optimised in opened)[id(session)] == (harm == 0)


def test_results_come_in_order_and_few_inputs_are_taken_ahead(monkeypatch):
    monkeypatch.setattr(graph_session, "count_threads", lambda: 3)
    taken, threads = [], set()

    def take():
        for number in range(20):
            taken.append(number)
            yield number

    def square(number):
        threads.add(threading.get_ident())
        return number * number

    results = []
    for result in side_by_side(square, take()):
        results.append(result)
        assert len(taken) <= len(results) + 4
    assert results == [number * number for number in range(20)]
    assert threading.get_ident() not in threads


def test_the_first_failure_comes_through():
    def fail(number):
        if number >= 3:
            raise ValueError(str(number))
        return number

    results = side_by_side(fail, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match=r"^3$"):
        next(results)
