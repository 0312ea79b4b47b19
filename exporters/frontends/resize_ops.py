"""Translate PyTorch's upsampling operators for torch.onnx, each by what it does to every element of an axis.

They are linear and work along one axis after the other, so a matrix an axis says all of them: scale factors that do not
divide, aligned corners, antialiasing, PyTorch's own rounding of the nearest place. The matrix is the operator's result
on the unit vectors. Where it is one of ONNX's Resize to the same size, the translation is that; else products.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from onnxscript import opset20

from ..passes.forms.interpolation import Resampling, matrix

op: Any = opset20

Options = Mapping[str, Any]  # attributes of Resize
Operator = Callable[..., Any]

NAMES = (
    *(f"upsample_{kind}" for kind in ("nearest1d", "nearest2d", "nearest3d", "linear1d", "bilinear2d", "trilinear3d")),
    *(f"_upsample_nearest_exact{axes}d" for axes in (1, 2, 3)),
    *("upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"),
)
PLACES = ("half_pixel", "align_corners")
RESIZES: tuple[Options, ...] = (  # what PyTorch's operators are, most of the time
    {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    {"mode": "nearest", "coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"},
    *({"mode": mode, "coordinate_transformation_mode": where} for mode, where in product(("linear", "cubic"), PLACES)),
)
CLOSE = 2e-6  # two float32 ways to the same weight
OTHERS = 4  # elements of the axes that stay: PyTorch 2.13 antialiases an axis beside one of 1 wrongly


def translations() -> dict[Operator, Operator]:
    """{operator: its translation}, as torch.onnx.export takes them."""
    table = {}
    for name in NAMES:
        packet = getattr(torch.ops.aten, name)
        for overload in ("default", "vec"):
            if overload in packet.overloads():
                table[getattr(packet, overload)] = translation(getattr(packet, overload))
    return table


def translation(operator: torch._ops.OpOverload) -> Operator:
    """The translation of one operator: (n, c, *sizes) -> (n, c, *new sizes)."""
    names = [argument.name for argument in operator._schema.arguments]

    def translate(x: Any, *args: Any, **options: Any) -> Any:
        given = {**dict(zip(names[1:], args, strict=False)), **options}
        sizes = tuple(x.shape)
        matrices = [along_axis(operator, given, sizes[2:], axis) for axis in range(len(sizes) - 2)]
        new = (*sizes[:2], *(w.shape[1] for w in matrices))
        for attributes in RESIZES:
            if all(np.allclose(w, resized(w.shape, attributes), rtol=0, atol=CLOSE) for w in matrices):
                return op.Resize(x, None, None, op.Constant(value_ints=new), **attributes)
        for axis, w in enumerate(matrices, start=2):
            if w.shape[0] != w.shape[1] or (w != np.eye(len(w))).any():
                x = multiplied(x, axis, w, len(sizes))
        return x

    return translate


def along_axis(operator: Operator, given: Options, sizes: Sequence[int], axis: int) -> np.ndarray:
    """(size, new size) float32: what each element along an axis gives to each new one, by PyTorch itself."""
    size, axes = int(sizes[axis]), len(sizes)
    shape = [size if i == axis else OTHERS for i in range(axes)]
    units = torch.eye(size).reshape(size, 1, *(size if i == axis else 1 for i in range(axes))).expand(size, 1, *shape)
    options = {name: only(value, axis, axes) for name, value in given.items()}
    for name, value in given.items():  # one factor for each axis by its name
        if name.startswith("scales") and not isinstance(value, list | tuple):
            mine = name == ("scales" if axes == 1 else f"scales_{'dhw'[3 - axes + axis]}")
            options[name] = value if mine else None
    with torch.no_grad():
        result = operator(units.contiguous(), **options)
    return result.movedim(2 + axis, 1).flatten(2)[..., 0].numpy()


def only(value: Any, axis: int, axes: int) -> Any:
    """A list of sizes or of factors that leaves every other axis as it is."""
    if not isinstance(value, list | tuple) or len(value) != axes:
        return value
    same = 1.0 if isinstance(value[axis], float) else OTHERS
    return [each if i == axis else same for i, each in enumerate(value)]


def resized(shape: tuple[int, ...], attributes: Options) -> np.ndarray:
    """The matrix of ONNX's Resize."""
    size, outputs = shape
    where = attributes["coordinate_transformation_mode"]
    nearest = attributes.get("nearest_mode", "floor")
    return matrix(Resampling(size, outputs, outputs / size, attributes["mode"], where, nearest))


def multiplied(x: Any, axis: int, w: np.ndarray, rank: int) -> Any:
    """x times the matrix (size, new size) along one axis."""
    perm = [*(i for i in range(rank) if i != axis), axis]
    constant = op.Constant(value=ir.tensor(np.ascontiguousarray(w)))
    if axis == rank - 1:
        return op.MatMul(x, constant)
    out = op.MatMul(op.Transpose(x, perm=perm), constant)
    return op.Transpose(out, perm=[perm.index(i) for i in range(rank)])
