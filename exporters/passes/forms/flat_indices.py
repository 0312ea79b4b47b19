"""GatherElements | GatherND(x, i) -> Gather(flattened x, i as one index into it);
ScatterElements | ScatterND(x, i, u) at constant i -> Gather(Concat(x, u), which of the two each element is);
ScatterElements at computed i -> ScatterND(flattened x, i as one index, u)

With a reduction, what is scattered to a constant place is combined first, one round for each time that a place comes.
Leaves ScatterND with computed indices alone.
"""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from ....artifacts.errors import NotCanonical
from ....graph.edit import attribute, const_value, constant, emit, given, reshape, shape, where
from ....graph.replacing import replace_each
from .index_forms import gathered
from .number_forms import cast

INT64 = ir.DataType.INT64
COMBINE = {"add": "Add", "mul": "Mul", "max": "Max", "min": "Min"}


def rewrite(model: ir.Model) -> int:
    return replace_each(model.graph, REWRITES)


def _gather_elements(node: ir.Node) -> ir.Value:
    x, indices = map(given, node.inputs)
    _check_axes(node)
    axis = attribute(node, "axis", 0) % len(shape(x))
    places = _flat_along(indices, shape(x), axis, node)
    return _taken(reshape(x, (prod(shape(x)),), node), places, shape(node.outputs[0]), node)


def _check_integers(node: ir.Node) -> None:
    """Raise NotCanonical where constant indices are no integers, which ONNX's checker does not look at."""
    numbers = const_value(node.inputs[1])
    if numbers is not None and numbers.dtype.kind not in "iu":
        raise NotCanonical(f"{where(node)} takes indices of {numbers.dtype}; give integers.")


def _check_axes(node: ir.Node) -> None:
    """Raise NotCanonical where an element has no index along each axis."""
    _check_integers(node)
    x, indices = map(given, node.inputs[:2])
    if len(shape(x)) != len(shape(indices)):
        raise NotCanonical(f"{where(node)} takes from {shape(x)} at {shape(indices)}; give indices of as many axes.")


def _gather_nd(node: ir.Node) -> ir.Value | None:
    x, indices = map(given, node.inputs)
    _check_integers(node)
    dims, places = shape(x), shape(indices)
    batch, depth = attribute(node, "batch_dims", 0), places[-1]
    flat = _flat_vectors(indices, dims[batch : batch + depth], node)
    size = prod(dims[batch : batch + depth])
    if batch:
        starts = np.arange(prod(dims[:batch])).reshape(*dims[:batch], *(1,) * (len(places) - 1 - batch)) * size
        flat = _with_constant(flat, "Add", starts, node)
    rows = reshape(x, (prod(dims[: batch + depth]), *dims[batch + depth :]), node)
    return _taken(rows, flat, shape(node.outputs[0]), node)


def _taken(rows: ir.Value, places: ir.Value, to: tuple[int, ...], node: ir.Node) -> ir.Value:
    count = (prod(shape(places)), *shape(rows)[1:])
    places = reshape(places, count[:1], node)
    return reshape(emit(node, "Gather", [rows, places], count, {"axis": 0}, dtype=rows.dtype), to, node)


def _with_constant(value: ir.Value, op_type: str, numbers: np.ndarray, node: ir.Node) -> ir.Value:
    to = np.broadcast_shapes(shape(value), numbers.shape)
    return emit(node, op_type, [value, constant(node.graph, numbers.astype(np.int64), "places")], to, dtype=INT64)


def _flat_along(indices: ir.Value, dims: tuple[int, ...], axis: int, node: ir.Node) -> ir.Value:
    """Indices along `axis` of a tensor of the sizes `dims`, one per element -> indices into it when it is flattened."""
    strides = [prod(dims[i + 1 :]) for i in range(len(dims))]
    grid = np.indices(shape(indices), np.int64)
    others = sum((grid[i] * strides[i] for i in range(len(dims)) if i != axis), np.zeros(shape(indices), np.int64))
    wrapped = _with_constant(cast(indices, INT64, node), "Mod", np.array(dims[axis]), node)
    return _with_constant(_with_constant(wrapped, "Mul", np.array(strides[axis]), node), "Add", others, node)


def _flat_vectors(indices: ir.Value, dims: tuple[int, ...], node: ir.Node) -> ir.Value:
    """(..., d) indices into axes of the sizes `dims` -> (...) indices into them as one axis."""
    strides = np.array([prod(dims[i + 1 :]) for i in range(len(dims))])
    wrapped = _with_constant(cast(indices, INT64, node), "Mod", np.array(dims), node)
    scaled = _with_constant(wrapped, "Mul", strides, node)
    axis = len(shape(scaled)) - 1
    operand = constant(node.graph, np.array([axis]), "axes")
    total = emit(node, "ReduceSum", [scaled, operand], (*shape(scaled)[:-1], 1), {"keepdims": 1}, dtype=INT64)
    return reshape(total, shape(scaled)[:-1], node)


def _scatter_elements(node: ir.Node) -> ir.Value | None:
    x, indices, updates = map(given, node.inputs)
    _check_axes(node)
    dims = shape(x)
    axis, reduction = attribute(node, "axis", 0) % len(dims), attribute(node, "reduction", "none")
    size, count = prod(dims), prod(shape(indices))
    rows, new = reshape(x, (size,), node), reshape(updates, (count,), node)
    numbers = const_value(indices)
    if numbers is not None:
        grid = np.indices(numbers.shape)
        grid[axis] = np.mod(numbers, dims[axis])
        places = np.ravel_multi_index(tuple(grid), dims).reshape(-1)
        return reshape(_scattered(rows, places, new, reduction, node), dims, node)
    flat = reshape(_flat_along(indices, dims, axis, node), (count, 1), node)
    y = emit(node, "ScatterND", [rows, flat, new], (size,), {"reduction": reduction}, dtype=x.dtype)
    return reshape(y, dims, node)


def _scatter_nd(node: ir.Node) -> ir.Value | None:
    x, indices, updates = map(given, node.inputs)
    _check_integers(node)
    dims, numbers = shape(x), const_value(indices)
    if numbers is None:
        return None
    depth = numbers.shape[-1]
    inner = prod(dims[depth:])
    places = np.zeros(numbers.shape[:-1], np.int64)
    for i in range(depth):
        places = places * dims[i] + np.mod(numbers[..., i].astype(np.int64), dims[i])
    rows = reshape(x, (prod(dims[:depth]), inner), node)
    new = reshape(updates, (places.size, inner), node)
    return reshape(_scattered(rows, places.reshape(-1), new, attribute(node, "reduction", "none"), node), dims, node)


def _scattered(rows: ir.Value, places: np.ndarray, new: ir.Value, reduction: str, node: ir.Node) -> ir.Value:
    """rows (n, ...) with new (k, ...) at the constant `places` (k,). Each round takes every place's next update."""
    seen: dict[int, int] = {}
    turn = np.zeros(len(places), np.int64)  # how often the place came before
    for i, place in enumerate(places.tolist()):
        turn[i] = seen[place] = seen.get(place, -1) + 1
    rounds = range(turn.max(initial=-1) + 1)
    for current in rounds if reduction != "none" else (-1,):
        chosen = np.arange(len(places)) if current < 0 else np.flatnonzero(turn == current)
        part = new if len(chosen) == len(places) else gathered(new, chosen, 0, node)
        if reduction != "none":
            old = gathered(rows, places[chosen], 0, node)
            part = emit(node, COMBINE[reduction], [old, part], shape(part), dtype=rows.dtype)
        source = np.arange(shape(rows)[0])
        source[places[chosen]] = shape(rows)[0] + np.arange(len(chosen))  # of equal places the last one counts
        if (source >= shape(rows)[0]).all():  # nothing of what was there is left
            rows = gathered(part, source - shape(rows)[0], 0, node)
            continue
        joined = (shape(rows)[0] + len(chosen), *shape(rows)[1:])
        both = emit(node, "Concat", [rows, part], joined, {"axis": 0}, dtype=rows.dtype)
        rows = gathered(both, source, 0, node)
    return rows


REWRITES = {
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Scatter": _scatter_elements,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
}
