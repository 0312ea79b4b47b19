"""The algebra of lazy views: what a logical tensor looks like inside a physical, row-major buffer.

A view factorises every logical dimension into factors (outer to inner) and says in which order the factors lie in
memory, as einops does with named axes. Transpose and Reshape then only rewrite the view. Everything here is pure
data and integers; `View.read` gives the meaning in numpy and is what the tests hold the algebra against.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import prod

import numpy as np

Shape = tuple[int, ...]


def common_factors(a: Sequence[int], b: Sequence[int]) -> Shape | None:
    """The coarsest factor list of which both `a` and `b` (equal products, factors > 1) are groupings, or None.

    (6, 4) and (2, 12) -> (2, 3, 4);  (6, 4) and (4, 6) -> None: no list of factors has a boundary behind both.
    """
    out: list[int] = []
    a, b = list(reversed(a)), list(reversed(b))
    while a and b:
        x, y = a.pop(), b.pop()
        if x == y:
            out.append(x)
        elif x % y == 0:
            out.append(y)
            a.append(x // y)
        elif y % x == 0:
            out.append(x)
            b.append(y // x)
        else:
            return None
    return tuple(out)


@dataclass(frozen=True)
class View:
    """`dims[i]`: the factors (all > 1) of logical dimension i, outer to inner; `()` is a dimension of size 1.
    `order`: indices into the concatenated factors, in the order in which they lie in memory."""

    dims: tuple[Shape, ...]
    order: Shape

    @staticmethod
    def of(shape: Iterable[int], permutation: Sequence[int] | None = None) -> View:
        """The view of a buffer that holds the logical dimensions in order `permutation` (default: as they are).

        `View.of((n, c, h, w), (0, 2, 3, 1))` is a logical NCHW tensor in an NHWC buffer.
        """
        dims = tuple((int(d),) if d > 1 else () for d in shape)
        starts = _starts(dims)
        permutation = range(len(dims)) if permutation is None else permutation
        return View(dims, tuple(starts[p] for p in permutation if dims[p]))

    @cached_property
    def shape(self) -> Shape:
        """The logical shape."""
        return tuple(prod(d) for d in self.dims)

    @cached_property
    def factors(self) -> Shape:
        """All factors, in logical order."""
        return tuple(f for d in self.dims for f in d)

    def of_dim(self, dim: int) -> Shape:
        """The indices of the factors of logical dimension `dim`, outer to inner."""
        start = _starts(self.dims)[dim]
        return tuple(range(start, start + len(self.dims[dim])))

    @property
    def is_row_major(self) -> bool:
        """Whether the buffer holds the logical tensor in its own row-major order."""
        return self.order == tuple(range(len(self.order)))

    def transpose(self, perm: Sequence[int]) -> View:
        """Logical transpose; the buffer stays."""
        new_of_old: dict[int, int] = {}
        for p in perm:
            for k in self.of_dim(p):
                new_of_old[k] = len(new_of_old)
        return View(tuple(self.dims[p] for p in perm), tuple(new_of_old[k] for k in self.order))

    def refine(self, dims: Sequence[Shape]) -> View:
        """The same view with factors split so that dimension i has exactly the factors `dims[i]`, a refinement."""
        parts: list[list[int]] = []  # per old factor: the indices of the new ones it splits into
        k = 0
        for old, new in zip(self.dims, dims, strict=True):
            sizes = list(reversed(new))
            for f in old:
                part, got = [], 1
                while got < f:
                    got *= sizes.pop()
                    part.append(k)
                    k += 1
                if got != f:
                    raise ValueError(f"{new} does not refine {old}")
                parts.append(part)
        return View(tuple(tuple(d) for d in dims), tuple(i for o in self.order for i in parts[o]))

    def reshape(self, shape: Sequence[int]) -> View | None:
        """Logical reshape; None if a new boundary falls inside a factor in a way that no split can express."""
        new = [int(s) for s in shape]
        if prod(new) != prod(self.shape):
            raise ValueError(f"cannot reshape {self.shape} to {tuple(new)}")
        flat = View((self.factors,), self.order).merged()
        fine = common_factors(flat.factors, [s for s in new if s > 1])
        return None if fine is None else View(_group(fine, new), flat.refine([fine]).order)

    def merged(self) -> View:
        """The same view with factors joined that are neighbours both in their dimension and in memory."""
        position = {k: i for i, k in enumerate(self.order)}
        dims: list[Shape] = []
        keep: dict[int, int] = {}  # first old factor of a run -> its new index
        k = 0
        for d in self.dims:
            sizes: list[int] = []
            for j, f in enumerate(d):
                if j and position[k] == position[k - 1] + 1:
                    sizes[-1] *= f
                else:
                    keep[k] = len(keep)
                    sizes.append(f)
                k += 1
            dims.append(tuple(sizes))
        return View(tuple(dims), tuple(keep[k] for k in self.order if k in keep))

    def buffer_shape(self) -> Shape:
        """The sizes of the factors in memory order."""
        return tuple(self.factors[k] for k in self.order)

    def read(self, buffer: np.ndarray) -> np.ndarray:
        """The logical tensor that `buffer` (any shape, row-major) holds under this view."""
        return buffer.reshape(self.buffer_shape()).transpose(np.argsort(self.order, kind="stable")).reshape(self.shape)

    def write(self, logical: np.ndarray) -> np.ndarray:
        """The buffer, in `buffer_shape`, that reads as `logical` under this view: the inverse of `read`."""
        return np.asarray(logical).reshape(self.factors).transpose(self.order)


def unify(views: Sequence[View]) -> list[View] | None:
    """Views of equal rank, their factors split alike in each dimension (size 1 goes with anything), or None."""
    dims = []
    for d in zip(*(v.dims for v in views), strict=True):
        fine: Shape | None = ()
        for factors in d:
            if factors:
                fine = common_factors(fine, factors) if fine else factors
                if fine is None:
                    return None
        dims.append(fine)
    return [v.refine([f if d else () for d, f in zip(v.dims, dims, strict=True)]) for v in views]


def _starts(dims: Sequence[Shape]) -> list[int]:
    return [0, *accumulate(len(d) for d in dims)]


def _group(factors: Sequence[int], shape: Sequence[int]) -> tuple[Shape, ...]:
    """`factors` dealt out, in order, to dimensions of the sizes `shape`."""
    rest, dims = list(reversed(factors)), []
    for s in shape:
        d, got = [], 1
        while got < s:
            d.append(rest.pop())
            got *= d[-1]
        dims.append(tuple(d))
    return tuple(dims)
