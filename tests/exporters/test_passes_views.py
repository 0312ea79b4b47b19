"""Passes whose inputs have a space, against numpy: view chains, slices, splits, pads, gathers."""

import math

import numpy as np
import onnx_ir as ir
from edgeport.exporters.passes.folds import merge_views
from edgeport.exporters.passes.forms import explicit_slice, gather_to_slice, no_ops, pad, split_to_slices
from edgeport.graph.dialect import OPSET
from edgeport.graph.edit import const_value, remove_dead
from edgeport.graph.view_axes import ViewAxes
from hypothesis import given, settings
from hypothesis import strategies as st

sizes = st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=4)


def model_of(dims, build) -> ir.Model:
    """A model float x[dims] -> build(graph, x), for one node or several that `build` makes with ir.node."""
    x = ir.val("x", ir.DataType.FLOAT, dims)
    nodes, outputs, constants = build(x)
    graph = ir.Graph([x], outputs, nodes=nodes, initializers=constants, opset_imports={"": OPSET}, name="g")
    return ir.Model(graph, ir_version=10)


def const(array, name) -> ir.Value:
    tensor = ir.tensor(np.asarray(array), name=name)
    return ir.Value(name=name, shape=tensor.shape, type=ir.TensorType(tensor.dtype), const_value=tensor)


def out(node, dims, name, i=0):
    node.outputs[i].shape, node.outputs[i].dtype, node.outputs[i].name = ir.Shape(dims), ir.DataType.FLOAT, name
    return node.outputs[i]


def numbers(dims):
    return np.arange(math.prod(dims), dtype=np.float32).reshape(dims)


@st.composite
def regrouped(draw, dims):
    """Another shape with as many elements: neighbouring factors grouped anew."""
    six = draw(st.sampled_from([(2, 3), (3, 2)]))  # the two ways cut across one another
    factors = [f for size in dims for f in {1: (), 4: (2, 2), 6: six}.get(size, (size,))]
    shape = []
    for factor in factors:
        if shape and draw(st.booleans()):
            shape[-1] *= factor
        else:
            shape.append(factor)
        if draw(st.integers(0, 5)) == 0:
            shape.append(1)
    return shape or [1]


@st.composite
def chains(draw):
    dims = draw(sizes)
    steps, now = [], list(dims)
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            now = draw(regrouped(now))
            steps.append(("Reshape", tuple(now)))
        else:
            perm = draw(st.permutations(range(len(now))))
            now = [now[p] for p in perm]
            steps.append(("Transpose", tuple(perm)))
    return tuple(dims), steps


def apply(steps, array):
    for op, argument in steps:
        array = array.reshape(argument) if op == "Reshape" else array.transpose(argument)
    return array


@settings(deadline=None, max_examples=300)
@given(chain=chains())
def test_view_axes_follow_any_chain(chain):
    dims, steps = chain
    axes, now = ViewAxes(dims), numbers(dims)
    for op, argument in steps:
        now = apply([(op, argument)], now)
        if op == "Transpose":
            axes.transpose(argument)
        elif not axes.reshape(argument):
            return  # it cuts across axes
    short = axes.steps()
    np.testing.assert_array_equal(apply(short, numbers(dims)), now)
    assert len(short) <= min(3, len(steps))
    assert sum(op == "Transpose" for op, _ in short) <= 1


@settings(deadline=None, max_examples=100)
@given(chain=chains())
def test_merge_views_keeps_what_a_chain_computes(chain, run):
    dims, steps = chain

    def build(x):
        nodes, constants, value, now = [ir.node("Neg", [x])], [], None, numbers(dims)
        value = out(nodes[0], dims, "v")
        for i, (op, argument) in enumerate(steps):
            now = apply([(op, argument)], now)
            if op == "Reshape":
                constants.append(const(np.array(argument, np.int64), f"c{i}"))
                nodes.append(ir.node("Reshape", [value, constants[-1]]))
            else:
                nodes.append(ir.node("Transpose", [value], {"perm": list(argument)}))
            value = out(nodes[-1], now.shape, f"v{i}")
        nodes.append(ir.node("Neg", [value]))
        return nodes, [out(nodes[-1], now.shape, "y")], constants

    model = model_of(dims, build)
    merge_views.rewrite(model)
    remove_dead(model.graph)
    assert len(list(model.graph)) <= len(steps) + 2
    np.testing.assert_array_equal(run(model, {"x": numbers(dims)})[0], apply(steps, numbers(dims)))


bounds = st.one_of(st.integers(-8, 8), st.sampled_from([2**31 - 1, 2**63 - 1, -(2**63)]))


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_slice_is_written_out(data, run):
    dims = data.draw(sizes)
    axes = data.draw(st.lists(st.integers(0, len(dims) - 1), unique=True, min_size=1))
    starts, ends = ([data.draw(bounds) for _ in axes] for _ in range(2))
    steps = [data.draw(st.integers(1, 3)) for _ in axes]
    index = [slice(None)] * len(dims)
    for axis, *triple in zip(axes, starts, ends, steps, strict=True):
        index[axis] = slice(*triple)
    expected = numbers(dims)[tuple(index)]
    if not expected.size:
        return
    negative = data.draw(st.booleans())
    operands = [starts, ends, [axis - len(dims) * negative for axis in axes], steps]
    if all(step == 1 for step in steps) and data.draw(st.booleans()):
        operands = operands[:3]

    def build(x):
        constants = [const(np.array(numbers, np.int64), f"c{i}") for i, numbers in enumerate(operands)]
        first = ir.node("Neg", [x])
        node = ir.node("Slice", [out(first, dims, "v"), *constants])
        last = ir.node("Neg", [out(node, expected.shape, "s")])
        return [first, node, last], [out(last, expected.shape, "y")], constants

    model = model_of(dims, build)
    for step in (no_ops, explicit_slice):
        step.rewrite(model)
    remove_dead(model.graph)
    np.testing.assert_array_equal(run(model, {"x": numbers(dims)})[0], expected)
    left = [node for node in model.graph if node.op_type == "Slice"]
    assert bool(left) == (expected.shape != tuple(dims))
    for node in left:
        starts, ends, axes, steps = (const_value(value).tolist() for value in node.inputs[1:])
        assert axes == sorted(set(axes))
        assert all(0 <= s < e <= dims[a] for s, e, a in zip(starts, ends, axes, strict=True))
        assert explicit_slice.rewrite(model) == 0


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_split_becomes_slices(data, run):
    dims = data.draw(sizes)
    axis = data.draw(st.integers(0, len(dims) - 1))
    cuts = sorted(data.draw(st.sets(st.integers(1, dims[axis] - 1)) if dims[axis] > 1 else st.just(set())))
    expected = np.split(numbers(dims), cuts, axis)

    def build(x):
        lengths = const(np.array([part.shape[axis] for part in expected], np.int64), "c")
        node = ir.node("Split", [x, lengths], {"axis": axis - len(dims)}, num_outputs=len(expected))
        return [node], [out(node, part.shape, f"y{i}", i) for i, part in enumerate(expected)], [lengths]

    model = model_of(dims, build)
    assert split_to_slices.rewrite(model) == 1
    assert all(node.op_type == "Slice" for node in model.graph)
    for got, want in zip(run(model, {"x": numbers(dims)}), expected, strict=True):
        np.testing.assert_array_equal(got, want)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_pad_is_written_out(data, run):
    dims = data.draw(sizes)
    axes = data.draw(st.lists(st.integers(0, len(dims) - 1), unique=True, min_size=1))
    low, high = ([data.draw(st.integers(-1, 2)) for _ in axes] for _ in range(2))
    value = data.draw(st.sampled_from([None, 0.0, -2.5]))
    expected = numbers(dims)
    for axis, before, after in zip(axes, low, high, strict=True):
        keep = slice(max(0, -before), dims[axis] - max(0, -after))
        expected = expected[(slice(None),) * axis + (keep,)]
        widths = [(0, 0)] * len(dims)
        widths[axis] = (max(0, before), max(0, after))
        if not expected.size:
            return
        expected = np.pad(expected, widths, constant_values=value or 0.0)

    def build(x):
        pads, chosen = const(np.array(low + high, np.int64), "p"), const(np.array(axes, np.int64), "a")
        fill = const(np.array(value, np.float32), "f") if value is not None else None
        first = ir.node("Neg", [x])
        node = ir.node("Pad", [out(first, dims, "v"), pads, fill, chosen])
        return [first, node], [out(node, expected.shape, "y")], [pads, chosen] + ([fill] if fill is not None else [])

    model = model_of(dims, build)
    for step in (pad, no_ops, explicit_slice):
        step.rewrite(model)
    remove_dead(model.graph)
    np.testing.assert_array_equal(run(model, {"x": -numbers(dims)})[0], expected)
    ops = [node.op_type for node in model.graph]
    assert ops == ["Neg"] + ["Slice"] * (min(low + high) < 0) + ["Pad"] * (max(low + high) > 0)
    for node in model.graph:
        if node.op_type == "Pad":
            assert (const_value(node.inputs[1]) >= 0).all()
            assert pad.rewrite(model) == 0


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_gather_of_a_range_becomes_a_slice(data, run):
    dims = data.draw(sizes)
    axis = data.draw(st.integers(0, len(dims) - 1))
    indices = data.draw(st.lists(st.integers(-dims[axis], dims[axis] - 1), min_size=1, max_size=4))
    if data.draw(st.booleans()):
        indices = list(range(dims[axis]))[data.draw(st.integers(0, dims[axis] - 1)) :: data.draw(st.integers(1, 3))]
    expected = np.take(numbers(dims), indices, axis)

    def build(x):
        chosen = const(np.array(indices, np.int64), "i")
        node = ir.node("Gather", [x, chosen], {"axis": axis})
        return [node], [out(node, expected.shape, "y")], [chosen]

    model = model_of(dims, build)
    wrapped = np.array(indices) % dims[axis]
    is_range = len(wrapped) == 1 or (len(set(np.diff(wrapped))) == 1 and wrapped[1] > wrapped[0])
    assert gather_to_slice.rewrite(model) == is_range
    np.testing.assert_array_equal(run(model, {"x": numbers(dims)})[0], expected)
