"""Lower MatMul: FULLY_CONNECTED where one side is a constant matrix, else BATCH_MATMUL."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ...graph.qdq import Constant
from ...graph.qparams import QParams
from .builder import Builder, Operand, Run, Value
from .lowering_table import lower
from .reduce import reduce_dims
from .view import Shape, View, unify


def bias_tensor(mb: Builder, bias: Constant | None, x: Operand, weight: Constant, size: int) -> int:
    """The bias of a convolution or linear: float32, or in an integer unit with scale s_x * s_w, int32 beside int8
    activations and int64 beside int16 ones."""
    array = np.zeros(size, np.float32) if bias is None else bias.float()
    array = np.broadcast_to(array.reshape(-1), (size,)).astype(np.float32)
    if mb.target.quant is None:
        return mb.const(array)
    s_x, s_w = mb.quant(x), weight.quant
    assert s_x is not None, "an integer unit has integer inputs"
    assert s_w is not None, "an integer unit has int8 weights"
    scale = np.float32(s_x.scale) * np.asarray(s_w.scales, np.float32)
    quant = QParams(tuple(float(s) for s in scale), axis=0, dtype="int64" if s_x.dtype == "int16" else "int32")
    if bias is not None and bias.quant is not None and bias.array.dtype == np.int32:
        planned = np.broadcast_to(bias.quant.scales, scale.shape)
        if np.allclose(planned, scale, rtol=1e-6):
            return mb.const(np.broadcast_to(bias.array.reshape(-1), (size,)).astype(quant.dtype), quant)
    return mb.const(quant.quantize(array), quant)


@lower("MatMul")
def matmul(mb: Builder, a: Operand, b: Operand) -> Value:
    """(..., m, k) @ (k, n) or (..., k, n)"""
    if isinstance(b, Constant) and len(b.shape) == 2:
        return _fully_connected(mb, mb.value(a), b)
    a, b = mb.value(a), mb.value(b)
    long = None if mb.plain or mb.target.quant is not None else _in_parts(a, b)
    if long is None:
        return _batch_matmul(mb, a, b, mb.run)
    products = _batch_matmul(mb, *long, mb.emit)
    return reduce_dims(mb, "SUM", products, {len(a.shape) - 2}, keepdims=False)


def _fully_connected(mb: Builder, x: Value, weight: Constant) -> Value:
    """(..., k) @ (k, n). The outer dimensions stay in whatever order they lie in memory; only k has to come last."""
    view, inner = x.view, x.view.of_dim(len(x.shape) - 1)
    outer = tuple(k for k in view.order if k not in inner)
    array = weight.array
    if view.order[len(outer) :] == inner or set(view.order[len(outer) :]) == set(inner):
        tail = view.order[len(outer) :]
        if tail != inner:  # k is only permuted (Flatten after a convolution): permute the weight's rows instead
            rows = array.reshape(*(view.factors[k] for k in inner), -1)
            array = rows.transpose(*(inner.index(k) for k in tail), len(inner)).reshape(weight.shape)
        tensor = mb.memory(x)
        if mb.shape(tensor)[-1] != x.shape[-1]:
            groups = mb.groups(x)
            tensor = mb.laid_out(x, [outer, tail] if groups is None else _split_tail(groups, tail))
    else:
        x, outer = _outer_order(mb, x)
        inner = x.view.of_dim(len(x.shape) - 1)
        tensor = mb.laid_out(x, [outer, inner])
        view = x.view
    if len(mb.shape(tensor)) == 1:
        tensor = mb.reshaped(tensor, (1, x.shape[-1]))  # as the kernel makes it; the GPU's delegate does not
    n = weight.shape[1]
    last = (len(outer),) if n > 1 else ()
    result = View((*view.dims[:-1], (n,) if n > 1 else ()), _renumber(outer) + last)
    w = Constant(array.T, weight.quant and weight.quant.along(0))
    has_kernel = mb.kernels.operators is None or "FULLY_CONNECTED" in mb.kernels.operators
    # with weights that a DEQUANTIZE computes, LiteRT's GPU delegate takes it, and is wrong
    if not has_kernel or (mb.stores(w) and mb.int8_weights == "stored"):
        return Value(_pointwise(mb, tensor, w, x), result)
    w = mb.weight(w, hybrid=True)
    shape = (*mb.shape(tensor)[:-1], n)
    bias = bias_tensor(mb, mb.target.bias, x, weight, n)
    y = mb.run(
        "FULLY_CONNECTED",
        [tensor, w, bias],
        shape,
        fusedActivationFunction=mb.activation(),
        keepNumDims=len(shape) > 2,
        asymmetricQuantizeInputs=mb.tensors[w].dtype == np.int8 and mb.target.quant is None,
    )
    return Value(y, result)


def _pointwise(mb: Builder, tensor: int, weight: Constant, x: Value) -> int:
    """The same product as a convolution with windows of 1x1; `weight`: (n, k)."""
    *outer, k = mb.shape(tensor)
    n = len(weight.array)
    image = (*outer, k) if len(outer) == 3 else (1, 1, prod(outer), k)
    filters = mb.weight(Constant(weight.array.reshape(n, 1, 1, k), weight.quant))
    inputs = [mb.reshaped(tensor, image), filters, bias_tensor(mb, mb.target.bias, x, weight, n)]
    return mb.run(
        "CONV_2D",
        inputs,
        (*image[:-1], n),
        padding=1,
        strideH=1,
        strideW=1,
        dilationHFactor=1,
        dilationWFactor=1,
        fusedActivationFunction=mb.activation(),
    )


def _split_tail(groups: list[tuple[int, ...]], tail: tuple[int, ...]) -> list[tuple[int, ...]]:
    """`groups` with the factors `tail` alone in the last one."""
    outer = [tuple(k for k in g if k not in tail) for g in groups]
    return [g for g in outer if g] + [tail]


def _outer_order(mb: Builder, x: Value) -> tuple[Value, tuple[int, ...]]:
    """`x` and the order of its outer factors: that of the residual it will be added to, else the logical one."""
    hint = mb.target.order_hint
    if hint is not None and hint.shape[:-1] == x.shape[:-1]:
        both = unify([View(x.view.dims[:-1], ()), View(hint.dims[:-1], ())])
        if both is not None:
            dims = both[0].dims
            x = Value(x.tensor, x.view.refine([*dims, x.view.dims[-1]]))
            fine = hint.refine([*dims, hint.dims[-1]])
            count = sum(map(len, dims))
            return x, tuple(k for k in fine.order if k < count)
    inner = x.view.of_dim(len(x.shape) - 1)
    return x, tuple(k for k in range(len(x.view.factors)) if k not in inner)


def _renumber(order: tuple[int, ...]) -> tuple[int, ...]:
    rank = {k: i for i, k in enumerate(sorted(order))}
    return tuple(rank[k] for k in order)


# A kernel adds the products of a row and a column one after another in float32. Over the 3136 places of DaViT's channel
# attention that costs ten times the precision of the rest of the network; as sums of sums, nothing, and hardly time.
_LONG, _PART = 512, 256  # products


def _in_parts(a: Value, b: Value) -> tuple[Value, Value] | None:
    """(..., p, m, k / p) and (..., p, k / p, n) of (..., m, k) and (..., k, n), k being long.

    None where k cannot be cut, or the p results would take more memory than the operands.
    """
    *batch, m, k = a.shape
    n = b.shape[-1]
    parts = next(p for p in range(1, k + 1) if k % p == 0 and k // p <= _PART)
    if k < _LONG or a.shape[:-2] != b.shape[:-2] or parts * m * n > (m + n) * k:
        return None
    left, right = a.view.reshape((*batch, m, parts, k // parts)), b.view.reshape((*batch, parts, k // parts, n))
    if left is None or right is None:
        return None
    rank = len(a.shape)
    return Value(a.tensor, left.transpose((*range(rank - 2), rank - 1, rank - 2, rank))), Value(b.tensor, right)


def _broadcast_matmul(mb: Builder, a: Value, b: Value, run: Run) -> Value:
    """Batches that are broadcast to one another: a dimension that one side lacks is more rows, or columns, of the
    other, since LiteRT's GPU delegate repeats nothing."""
    rank = max(len(a.shape), len(b.shape))
    left, right = (View(((),) * (rank - len(x.shape)) + x.view.dims, x.view.order) for x in (a, b))
    batch = range(rank - 2)
    rows = [d for d in batch if right.shape[d] == 1 != left.shape[d]]
    columns = [d for d in batch if left.shape[d] == 1 != right.shape[d]]
    both = [d for d in batch if d not in rows and d not in columns]
    left = left.transpose([*columns, *both, *rows, rank - 2, rank - 1])
    right = right.transpose([*rows, *both, rank - 2, *columns, rank - 1])
    batches, left_rows = left.dims[len(columns) :][: len(both)], left.dims[len(columns) + len(both) : -1]
    inner, right_columns = right.dims[len(rows) + len(both)], right.dims[len(rows) + len(both) + 1 :]
    wide = View((*batches, _joined(left_rows), left.dims[-1]), left.order)
    high = View((*right.dims[len(rows) :][: len(both)], inner, _joined(right_columns)), right.order)
    y = _batch_matmul(mb, Value(a.tensor, wide), Value(b.tensor, high), run)
    places = [*both, *rows, rank - 2, *columns, rank - 1]
    whole = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    split = y.view.reshape([whole[d] for d in places])
    assert split is not None, "rows and columns are what they were joined of"
    return Value(y.tensor, split.transpose([places.index(d) for d in range(rank)]))


def _joined(dims: Sequence[Shape]) -> Shape:
    return tuple(factor for d in dims for factor in d)


def _batch_matmul(mb: Builder, a: Value, b: Value, run: Run) -> Value:
    """(..., m, k) @ (..., k, n). Rows, columns and batch keep the order they have in memory; k takes that of `a`."""
    if a.shape[:-2] != b.shape[:-2]:
        return _broadcast_matmul(mb, a, b, run)
    rank = len(a.shape)
    if mb.tensors[a.tensor].data is not None and mb.tensors[b.tensor].data is None and mb.quant(b) is None:
        swap = (*range(rank - 2), rank - 1, rank - 2)  # LiteRT's GPU delegate takes no constant on the left
        left, right = (Value(each.tensor, each.view.transpose(swap)) for each in (b, a))
        y = _batch_matmul(mb, left, right, run)
        return Value(y.tensor, y.view.transpose(swap))
    # the batch dimensions and k are shared: they need the same factors on both sides
    pair = unify([View(a.view.dims[:-2] + a.view.dims[-1:], ()), View(b.view.dims[:-2] + b.view.dims[-2:-1], ())])
    if pair is None:
        a = mb.contiguous(a)
        b = mb.contiguous(b)
        pair = [View(a.view.dims[:-2] + a.view.dims[-1:], ()), View(b.view.dims[:-2] + b.view.dims[-2:-1], ())]
    batch, k = pair[0].dims[:-1], pair[0].dims[-1]
    a = Value(a.tensor, a.view.refine([*batch, a.view.dims[-2], k]))
    b = Value(b.tensor, b.view.refine([*batch, k, b.view.dims[-1]]))
    batch_count = sum(map(len, batch))
    batch_order = tuple(f for f in a.view.order if f < batch_count)
    rows, inner = a.view.of_dim(rank - 2), a.view.of_dim(rank - 1)
    a_rows = tuple(f for f in a.view.order if f in rows)
    a_inner = tuple(f for f in a.view.order if f in inner)
    b_inner = tuple(b.view.of_dim(rank - 2)[inner.index(f)] for f in a_inner)
    columns = b.view.of_dim(rank - 1)
    b_columns = tuple(f for f in b.view.order if f in columns)
    last = b.view.order[-1] if b.view.order else -1
    adjoint = last in b_inner
    m, n = a.shape[-2], b.shape[-1]
    left = mb.laid_out(a, [(), batch_order, a_rows, a_inner])
    right = mb.laid_out(b, [(), batch_order, b_columns, b_inner] if adjoint else [(), batch_order, b_inner, b_columns])
    y = run("BATCH_MATMUL", [left, right], (1, mb.shape(left)[1], m, n), adjX=False, adjY=adjoint)
    # b's column factors are renumbered behind a's batch and row factors
    shift = batch_count + len(rows)
    order = batch_order + a_rows + tuple(shift + columns.index(f) for f in b_columns)
    return Value(y, View((*batch, a.view.dims[-2], b.view.dims[-1]), order))
