"""Lower what only moves data: Reshape and Transpose as views, Slice, Concat and Pad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...graph.qdq import Constant
from .builder import MOST_AXES, Builder, Operand, Value
from .lowering_table import lower
from .view import View, unify

MAX_CONCAT = 5  # XNNPACK's concatenation has two to five inputs; more are chained


@lower("Reshape")
def reshape(mb: Builder, x: Operand, shape: Constant) -> Operand:
    """A new view; only a boundary that no split of the memory order can express costs a copy."""
    new = tuple(int(s) for s in shape.array)
    if isinstance(x, Constant):
        return Constant(x.array.reshape(new), x.quant)
    view = x.view.reshape(new)
    if view is None:
        x = mb.stored_contiguous(x)
        view = x.view.reshape(new)
        assert view is not None
    return Value(x.tensor, view)


@lower("Transpose")
def transpose(mb: Builder, x: Operand, *, perm: tuple[int, ...]) -> Operand:
    """A new view."""
    if isinstance(x, Constant):
        return Constant(x.array.transpose(perm), x.quant)
    return Value(x.tensor, x.view.transpose(perm))


def _single_factors(mb: Builder, x: Value, dims: Sequence[int]) -> Value:
    """`x` with each logical dimension in `dims` in one stretch of memory, so that it is cut or grown in one piece."""
    merged = Value(x.tensor, x.view.merged())
    if all(len(merged.view.dims[d]) <= 1 for d in dims):
        return merged
    return mb.contiguous(x)


def _groups(mb: Builder, x: Value) -> list[tuple[int, ...]]:
    """One group per dimension of the tensor if those end where factors end, else all in one.

    Of more than four dimensions those of size 1 go: each cut could leave another.
    """
    groups = mb.groups(x) or [x.view.order]
    return groups if len(groups) <= 4 else [g for g in groups if g]


def _around(mb: Builder, x: Value, factors: Sequence[int]) -> list[tuple[int, ...]]:
    """The groups of `x` with each of the `factors` alone; what is between them is one where the axes are too many."""
    found = []
    for groups in (_groups(mb, x), [x.view.order]):
        for factor in factors:
            groups = _alone(groups, factor)
        if len(groups) <= MOST_AXES:
            return groups
        found.append(groups)
    return found[0]


def _alone(groups: list[tuple[int, ...]], factor: int) -> list[tuple[int, ...]]:
    """The groups with `factor` in one of its own."""
    out: list[tuple[int, ...]] = []
    for g in groups:
        if factor in g and len(g) > 1:
            i = g.index(factor)
            out += [p for p in (g[:i], (factor,), g[i + 1 :]) if p]
        else:
            out.append(g)
    return out


@lower("Slice")
def slice_(mb: Builder, x: Operand, starts: Constant, ends: Constant, axes: Constant, steps: Constant) -> Operand:
    """Canonical: bounds normalised, axes given."""
    where = {
        int(a): (int(s), int(e), int(t))
        for s, e, a, t in zip(starts.array, ends.array, axes.array, steps.array, strict=True)
    }
    if isinstance(x, Constant):
        index = tuple(slice(*where.get(d, (None,))) for d in range(len(x.shape)))
        return Constant(x.array[index], x.quant)
    for axis, (start, end, step) in where.items():
        if step > 1:
            x = _every(mb, x, axis, range(start, end, step))
    return _cut(mb, x, {d: (start, end) for d, (start, end, step) in where.items() if step == 1})


def _every(mb: Builder, x: Value, axis: int, places: range) -> Value:
    """Every so many elements of a dimension: the first of each group, as the delegate has no STRIDED_SLICE.

    The last of them may stand in a group that the dimension does not fill.
    """
    whole = min(len(places), (x.shape[axis] - places.start) // places.step)
    rest, end = len(places) - whole, places.start + whole * places.step
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    parts: list[Operand] = []
    if whole:
        groups = reshape(mb, _cut(mb, x, {axis: (places.start, end)}), ints(*before, whole, places.step, *after))
        assert isinstance(groups, Value)
        parts.append(reshape(mb, _cut(mb, groups, {axis + 1: (0, 1)}), ints(*before, whole, *after)))
    if rest:
        parts.append(_cut(mb, x, {axis: (end, end + 1)}))
    return concat(mb, *parts, axis=axis) if len(parts) > 1 else mb.value(parts[0])


def ints(*values: int) -> Constant:
    return Constant(np.array(values, np.int64))


def _cut(mb: Builder, x: Value, where: Mapping[int, tuple[int, int]]) -> Value:
    """Dimensions from a start to an end."""
    where = {d: w for d, w in where.items() if w != (0, x.shape[d])}
    if not where:
        return x
    x = _single_factors(mb, x, list(where))
    factor = {d: x.view.of_dim(d)[0] for d in where}
    groups = _around(mb, x, list(factor.values()))
    if len(groups) > MOST_AXES:
        for d, bounds in where.items():
            x = _cut(mb, x, {d: bounds})
        return x
    tensor = mb.laid_out(x, groups)
    begin, size, view = [0] * len(groups), list(mb.shape(tensor)), x.view
    for d, (start, end) in where.items():
        g = groups.index((factor[d],))
        begin[g], size[g] = start, end - start
        view = with_size(view, d, end - start)
    vectors = [mb.const(np.array(v, np.int32)) for v in (begin, size)]
    return Value(mb.move("SLICE", [tensor, *vectors], size), view)


def with_size(view: View, dim: int, size: int, position: int | None = None) -> View:
    """`view` with logical dimension `dim` (of at most one factor) of another size.

    A new factor goes to `position` in memory, by default in front of the dimensions behind it.
    """
    old = view.dims[dim]
    assert len(old) <= 1, "the dimension lies in one piece"
    new_dims = (*view.dims[:dim], (size,) if size > 1 else (), *view.dims[dim + 1 :])
    index = sum(map(len, view.dims[:dim]))
    if bool(old) == (size > 1):
        return View(new_dims, view.order)
    if old:
        return View(new_dims, tuple(k - (k > index) for k in view.order if k != index))
    order = [k + (k >= index) for k in view.order]
    if position is None:
        behind = [i for i, k in enumerate(order) if k > index]
        position = min(behind, default=len(order))
    order.insert(position, index)
    return View(new_dims, tuple(order))


@lower("Concat")
def concat(mb: Builder, *operands: Operand, axis: int) -> Operand:
    """All operands in the memory order of the largest; more than five are chained."""
    values = [mb.value(x) for x in operands]
    values = [_single_factors(mb, x, [axis]) for x in values]
    # every other dimension needs the same factors in all operands
    rest = unify([View((*v.view.dims[:axis], (), *v.view.dims[axis + 1 :]), ()) for v in values])
    if rest is None:
        values = [mb.contiguous(x) for x in values]
        rest = [View((*v.view.dims[:axis], (), *v.view.dims[axis + 1 :]), ()) for v in values]
    values = [
        Value(v.tensor, v.view.refine([*r.dims[:axis], v.view.dims[axis], *r.dims[axis + 1 :]]))
        for v, r in zip(values, rest, strict=True)
    ]
    lead = max(values, key=lambda v: v.shape[axis])
    total = sum(v.shape[axis] for v in values)
    index = sum(map(len, lead.view.dims[:axis]))
    view = with_size(lead.view, axis, total)
    if lead.view.dims[axis]:
        groups = _around(mb, lead, [index])
        at = groups.index((index,))
    else:  # every operand has size 1 there
        position = view.order.index(index)
        before, after = lead.view.order[:position], lead.view.order[position:]
        groups = [*([before] if before else []), (), *([after] if after else [])]
        at = groups.index(())
    grows = bool(lead.view.dims[axis])

    def groups_of(v: Value) -> list[tuple[int, ...]]:
        """The lead's groups in the numbering of `v`, which may lack the axis factor."""
        if bool(v.view.dims[axis]) == grows:
            return groups
        return [() if i == at else tuple(k - (k > index) for k in g) for i, g in enumerate(groups)]

    tensors = [mb.laid_out(v, groups_of(v)) for v in values]
    while len(tensors) > 1:
        head, tensors = tensors[:MAX_CONCAT], tensors[MAX_CONCAT:]
        shape = list(mb.shape(head[0]))
        shape[at] = sum(mb.shape(t)[at] for t in head)
        last = not tensors
        tensors.insert(0, mb.move("CONCATENATION", head, shape, named=last, axis=at, fusedActivationFunction=0))
    return Value(tensors[0], view)


@lower("Pad")
def pad(mb: Builder, x: Operand, pads: Constant, value: Constant, *, mode: str) -> Operand:
    """PAD with zeros, and in float a constant of the value around zeros on top."""
    fill = float(value.float().reshape(()))
    rank = len(x.shape)
    amounts = [(int(pads.array[d]), int(pads.array[d + rank])) for d in range(rank)]
    x = mb.value(x)
    return padded(mb, x, {d: amount for d, amount in enumerate(amounts) if amount != (0, 0)}, fill)


def _pad_groups(mb: Builder, x: Value, dims: Sequence[int]) -> tuple[list[tuple[int, ...]], list[int]]:
    """The groups of `x`, and the places of those that are the `dims`. They are four, of which the first is not padded:
    LiteRT's GPU delegate pads others wrongly, or not. They are others where the `dims` are too many at once."""
    groups: list[tuple[int, ...]]
    candidates: list[tuple[list[tuple[int, ...]], list[int]]] = []
    if all(x.view.dims[d] for d in dims):
        for groups in (_groups(mb, x), [x.view.order]):
            for d in dims:
                groups = _alone(groups, x.view.of_dim(d)[0])
            candidates.append((groups, [groups.index(x.view.of_dim(d)) for d in dims]))
    else:  # row-major, and a dimension of size 1 among them
        groups = [()]
        for d in range(len(x.shape)):
            if d in dims:
                groups += [x.view.of_dim(d), ()]
            else:
                groups[-1] += x.view.of_dim(d)
        kept = [i for i, g in enumerate(groups) if g or i % 2]  # every second one is padded
        candidates.append(([groups[i] for i in kept], [kept.index(2 * n + 1) for n in range(len(dims))]))
    for groups, places in candidates:
        ones = max(0, 4 - len(groups))
        if ones or (len(groups) == 4 and 0 not in places):
            return [()] * ones + groups, [p + ones for p in places]
    return candidates[0]


def padded(mb: Builder, x: Value, amounts: Mapping[int, tuple[int, int]], fill: float) -> Value:
    """Of few axes, and all at once where they are few enough.

    XNNPACK runs no PADV2, and LiteRT's GPU delegate makes one of it and a layer or a pool, whose padding is zeros.
    """
    if fill and len(amounts) > 1 and mb.quant(x) is None:
        for d, amount in amounts.items():
            x = padded(mb, x, {d: amount}, fill)
        return x
    x = _single_factors(mb, x, list(amounts))
    if any(not x.view.dims[d] for d in amounts):
        x = mb.contiguous(x)
    groups, places = _pad_groups(mb, x, list(amounts))
    if len(amounts) > 1 and (len(groups) > 4 or 0 in places):
        for d, amount in amounts.items():
            x = padded(mb, x, {d: amount}, fill)
        return x
    tensor = mb.laid_out(x, groups)
    table, view = [[0, 0] for _ in groups], x.view
    shape = list(mb.shape(tensor))
    for place, (d, amount) in zip(places, amounts.items(), strict=True):
        table[place] = list(amount)
        shape[place] += sum(amount)
        view = with_size(view, d, x.shape[d] + sum(amount))
    inputs, quant = [tensor, mb.const(np.array(table, np.int32))], mb.quant(tensor)
    if fill == 0:
        return Value(mb.move("PAD", inputs, shape), view)
    if quant is None:
        (place,), (before, after) = places, table[places[0]]
        frame = np.zeros(shape[place], mb.tensors[tensor].dtype)
        frame[:before] = frame[shape[place] - after :] = fill
        sizes = [-1 if i == place else 1 for i in range(len(shape))]
        zeros = mb.emit("PAD", inputs, shape)
        return Value(mb.move("ADD", [zeros, mb.const(frame.reshape(sizes))], shape, fusedActivationFunction=0), view)
    inputs.append(mb.const(quant.quantize(np.array([fill], np.float32), np.float32), quant))
    return Value(mb.move("PADV2", inputs, shape), view)
