"""Resize(x, ...) -> Resize(x, sizes) where the kernels have its mode, else MatMul(x, W) along each axis that changes

A resize along one axis is a constant matrix (interpolation.py), whatever its modes, scales, antialiasing or region. It
is a kernel's where the kernel's matrix is the same: linear with half_pixel, align_corners or asymmetric places, and
nearest by a whole factor, of the last two of four axes (others are brought there). Nearest by one over a whole factor
is a Slice. Leaves a node alone whose sizes, scales or region are computed, that is written so already, or whose places
depend on a size that is no whole number, where ONNX's reference and ONNX Runtime differ.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from ....artifacts.errors import NotCanonical
from ....graph.dialect import OPS
from ....graph.edit import attribute, const_value, constant, emit, given, replace, reshape, shape, transpose, where
from .explicit_slice import emit_slice
from .interpolation import CROP, Resampling, matrix

BY_SIZE = ("align_corners", "pytorch_half_pixel")  # whose places depend on the new size
LINEAR = ("half_pixel", "align_corners", "asymmetric")  # the places that the kernels have


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "Resize" or is_canonical(node):
            continue
        resamplings = resamplings_of(node)
        if resamplings is None:
            continue
        if any(each.outputs < 1 for each in resamplings.values()):
            raise NotCanonical(f"{where(node)} resizes to nothing: {[each.outputs for each in resamplings.values()]}.")
        replace(node.outputs[0], resized(node, resamplings))
        graph.remove(node, safe=True)
        count += 1
    return count


def is_canonical(node: ir.Node) -> bool:
    op = OPS["Resize"]
    left_out = {i for i, value in enumerate(node.inputs) if value is None}
    return left_out == op.absent and node.attributes.keys() == op.attributes and op.rule(node) is None


def resamplings_of(node: ir.Node) -> dict[int, Resampling] | None:
    """What is done along each axis that the node resizes; None where that is computed, or for an unknown mode."""
    roi, scales, sizes = (const_value(value) for value in [*node.inputs[1:], None, None, None][:3])
    if any(value is not None and const_value(value) is None for value in node.inputs[1:]):
        return None
    dims, to = shape(node.inputs[0]), shape(node.outputs[0])
    axes = [axis % len(dims) for axis in attribute(node, "axes", range(len(dims)))]
    coordinates = attribute(node, "coordinate_transformation_mode", "half_pixel")
    if sizes is not None and sizes.size:
        factors = np.array([size / dims[axis] for size, axis in zip(sizes.tolist(), axes, strict=True)])
        policy = attribute(node, "keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            factors[:] = factors.min() if policy == "not_larger" else factors.max()
    elif scales is not None:
        factors = scales
    else:
        return None
    wanted = np.array([dims[axis] for axis in axes]) * factors
    if coordinates in BY_SIZE and not np.allclose(wanted, [to[axis] for axis in axes], rtol=1e-5):
        return None
    regions = np.reshape(roi, (2, -1)).T.tolist() if coordinates == CROP and roi is not None else [(0, 1)] * len(axes)
    return {
        axis: Resampling(
            size=dims[axis],
            outputs=to[axis],
            scale=float(factor),
            mode=attribute(node, "mode", "nearest"),
            coordinates=coordinates,
            nearest=attribute(node, "nearest_mode", "round_prefer_floor"),
            antialias=bool(attribute(node, "antialias", 0)),
            exclude_outside=bool(attribute(node, "exclude_outside", 0)),
            cubic_coefficient=attribute(node, "cubic_coeff_a", -0.75),
            region=(region[0], region[1]),
        )
        for axis, factor, region in zip(axes, factors, regions, strict=True)
    }


def resized(node: ir.Node, resamplings: dict[int, Resampling]) -> ir.Value:
    """The node's result, by kernels and products in front of it."""
    x = given(node.inputs[0])
    matrices = {axis: matrix(r) for axis, r in resamplings.items()}
    matrices = {a: w for a, w in matrices.items() if w.shape[0] != w.shape[1] or (w != np.eye(len(w))).any()}
    outside = attribute(node, "extrapolation_value", 0.0)
    shifts = outside != 0 and any((w.sum(0) == 0).any() for w in matrices.values())
    if shifts:  # resizing x - outside gives 0 where it should be `outside`
        x = emit(node, "Add", [x, constant(node.graph, np.array(-outside, np.float32), "outside")], shape(x))
    strides = {axis: stride for axis, w in matrices.items() if (stride := every(w)) is not None}
    if strides:
        x = emit_slice(x, {axis: (0, shape(x)[axis], stride) for axis, stride in strides.items()}, node)
        matrices = {axis: w for axis, w in matrices.items() if axis not in strides}
    by_kernel: list[int] = []
    chosen = ""
    for kernel in ("nearest", *LINEAR):
        axes = [axis for axis, w in matrices.items() if is_kernel(w, kernel)]
        if len(axes) > len(by_kernel):
            by_kernel, chosen = axes[-2:], kernel
    if by_kernel:
        x = by(chosen, x, by_kernel, matrices, node)
    for axis, w in matrices.items():
        if axis not in by_kernel:
            x = along(x, axis, w, node)
    if shifts:
        x = emit(node, "Add", [x, constant(node.graph, np.array(outside, np.float32), "outside")], shape(x))
    return x


def every(w: np.ndarray) -> int | None:
    """n where the matrix takes each n-th element, the first first."""
    size, outputs = w.shape
    step = -(-size // outputs)
    if step < 2 or len(range(0, size, step)) != outputs:
        return None
    return step if (w == np.eye(size, dtype=w.dtype)[:, ::step]).all() else None


def is_kernel(w: np.ndarray, kernel: str) -> bool:
    """Whether the matrix (size, outputs) is what the kernel computes."""
    size, outputs = w.shape
    if kernel == "nearest":
        return outputs % size == 0 and (w == np.eye(size).repeat(outputs // size, axis=1)).all()
    return np.allclose(w, matrix(Resampling(size, outputs, outputs / size, "linear", kernel)), rtol=0, atol=2e-6)


def by(kernel: str, x: ir.Value, axes: list[int], matrices: dict[int, np.ndarray], node: ir.Node) -> ir.Value:
    """x resized along one or two axes: they are brought to the end, where they are (h, w) of (n, c, h, w)."""
    rank = len(shape(x))
    last = axes
    if len(axes) == 1 and rank > 3:  # with its neighbour, so that images stay as they are
        last = sorted({*axes, rank - 2 if axes == [rank - 1] else rank - 1})
    perm = [axis for axis in range(rank) if axis not in last] + last
    x = transpose(x, perm, node)
    moved = shape(x)
    lead = moved[: rank - len(last)]
    n, c = (1, math.prod(lead)) if len(lead) < 2 else (lead[0], math.prod(lead[1:]))
    h, w = moved[rank - len(last) :] if len(last) == 2 else (1, moved[-1])
    x = reshape(x, (n, c, h, w), node)
    new = [matrices[axis].shape[1] if axis in axes else moved[perm.index(axis)] for axis in last]
    to = (n, c, *([1, *new] if len(last) == 1 else new))
    attributes = {
        "mode": "nearest" if kernel == "nearest" else "linear",
        "coordinate_transformation_mode": "asymmetric" if kernel == "nearest" else kernel,
        "nearest_mode": "floor",
    }
    x = emit(node, "Resize", [x, None, None, constant(node.graph, np.array(to, np.int64), "sizes")], to, attributes)
    x = reshape(x, (*lead, *new), node)
    return transpose(x, [perm.index(axis) for axis in range(rank)], node)


def along(x: ir.Value, axis: int, w: np.ndarray, node: ir.Node) -> ir.Value:
    """x times the matrix (size, outputs) along one axis."""
    rank = len(shape(x))
    perm = [i for i in range(rank) if i != axis] + [axis]
    x = transpose(x, perm, node)
    x = reshape(x, shape(x) if rank > 1 else (1, *shape(x)), node)
    x = emit(node, "MatMul", [x, constant(node.graph, w, "resize")], (*shape(x)[:-1], w.shape[1]))
    return transpose(reshape(x, shape(x)[-rank:], node), [perm.index(i) for i in range(rank)], node)
