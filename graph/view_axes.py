"""Follow a tensor's axes through Reshapes and Transposes, as products of atoms that only change order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import onnx_ir as ir

from .edit import attribute, shape

VIEWS = {"Reshape", "Transpose"}
Step = tuple[str, tuple[int, ...]]  # ("Reshape", shape) or ("Transpose", perm)


class ViewAxes:
    """The axes of a view of a tensor: `source` and `dims` hold the same atoms, by axis of the tensor and of the view.

    An atom is a key into `sizes`; a reshape may split one in two, in both lists. Atoms of size 1 are not kept.
    """

    def __init__(self, source: Sequence[int]) -> None:
        self.sizes: list[int] = []
        self.source: list[list[int]] = [[self._atom(size)] if size != 1 else [] for size in source]
        self.dims: list[list[int]] = [list(axis) for axis in self.source]

    def _atom(self, size: int) -> int:
        self.sizes.append(size)
        return len(self.sizes) - 1

    def shape(self) -> tuple[int, ...]:
        return tuple(math.prod(self.sizes[atom] for atom in axis) for axis in self.dims)

    def transpose(self, perm: Sequence[int]) -> None:
        self.dims = [self.dims[p] for p in perm]

    def reshape(self, to: Sequence[int]) -> bool:
        """Regroup the atoms into axes of the sizes `to`; False, and nothing usable, where that cuts across atoms."""
        waiting = [atom for axis in self.dims for atom in axis]
        dims: list[list[int]] = []
        for size in to:
            axis: list[int] = []
            while size > 1:
                if not waiting:
                    return False
                atom = waiting.pop(0)
                have = self.sizes[atom]
                if have > size:
                    if have % size:
                        return False
                    waiting.insert(0, self._split(atom, size))
                elif size % have:
                    return False
                size //= self.sizes[atom]
                axis.append(atom)
            dims.append(axis)
        self.dims = dims
        return not waiting

    def _split(self, atom: int, outer: int) -> int:
        """Cut the atom into an outer part, which keeps its key, and an inner one, whose key is returned."""
        inner = self._atom(self.sizes[atom] // outer)
        self.sizes[atom] = outer
        for axis in self.source:
            if atom in axis:
                axis.insert(axis.index(atom) + 1, inner)
        return inner

    def apply(self, node: ir.Node) -> bool:
        """Follow one Reshape or Transpose; False where its axes cannot be followed."""
        if node.op_type == "Transpose":
            self.transpose(attribute(node, "perm", tuple(reversed(range(len(self.dims))))))
            return True
        return self.reshape(shape(node.outputs[0]))

    def steps(self) -> list[Step]:
        """The chain from the tensor to the view with the fewest nodes (three at most), then transposed axes."""
        bounds = [_bounds(self.source), _bounds(self.dims)]
        choices = [self._steps(cuts) for cuts in (set(), *bounds, bounds[0] | bounds[1])]
        return min(choices, key=cost)

    def _steps(self, cuts: set[tuple[int, int]]) -> list[Step]:
        """A chain that moves neighbouring atoms together where it can, but for the pairs in `cuts`."""
        before, after = self._runs(cuts)
        order = [before.index(run) for run in after]
        sizes = [math.prod(self.sizes[atom] for atom in run) for run in before]
        source = tuple(math.prod(self.sizes[atom] for atom in axis) for axis in self.source)
        view = self.shape()
        if order == sorted(order):
            return [("Reshape", view)] if source != view else []
        moved = [sizes[i] for i in order]
        fits_source, fits_view = _without_ones(source) == sizes, _without_ones(view) == moved
        if fits_source and (not fits_view or len(source) == len(view)):  # the tensor's own axes of size 1 come along
            perm = _with_ones(source, order, view if fits_view else source)
            out = tuple(source[p] for p in perm)
            return [("Transpose", perm)] + ([("Reshape", view)] if out != view else [])
        if fits_view:  # the view's axes of size 1 are made by the first reshape, where they will stand
            back = _with_ones(view, [order.index(i) for i in range(len(order))], view)
            first, perm = tuple(view[p] for p in back), tuple(back.index(i) for i in range(len(back)))
            return [("Reshape", first), ("Transpose", perm)]
        return [("Reshape", tuple(sizes)), ("Transpose", tuple(order)), ("Reshape", view)]

    def _runs(self, cuts: set[tuple[int, int]]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """Runs of atoms that stay together, in the tensor's order and in the view's."""
        before = [atom for axis in self.source for atom in axis]
        follows = set(itertools.pairwise(before)) - cuts
        runs: list[tuple[int, ...]] = []
        for atom in (atom for axis in self.dims for atom in axis):
            if runs and (runs[-1][-1], atom) in follows:
                runs[-1] = (*runs[-1], atom)
            else:
                runs.append((atom,))
        return sorted(runs, key=lambda run: before.index(run[0])), runs

    def narrow(self, atom: int, size: int) -> None:
        """Let the atom be smaller, in the tensor and in the view; it goes where nothing is left to move."""
        self.sizes[atom] = size
        if size == 1:
            for axis in (*self.source, *self.dims):
                if atom in axis:
                    axis.remove(atom)


def cost(steps: Sequence[Step]) -> tuple[int, int]:
    """Nodes, then the axes that transposes move."""
    return len(steps), sum(len(argument) for op_type, argument in steps if op_type == "Transpose")


def _bounds(dims: list[list[int]]) -> set[tuple[int, int]]:
    """The neighbouring atoms that belong to different axes."""
    return {(a[-1], b[0]) for a, b in itertools.pairwise(axis for axis in dims if axis)}


def _without_ones(sizes: Sequence[int]) -> list[int]:
    return [size for size in sizes if size != 1]


def _with_ones(source: Sequence[int], order: Sequence[int], places: Sequence[int]) -> tuple[int, ...]:
    """The permutation of `source` that moves its axes other than 1 as `order` does, and its ones to where `places` has
    ones."""
    real = [i for i, size in enumerate(source) if size != 1]
    moved, ones = iter([real[i] for i in order]), (i for i, size in enumerate(source) if size == 1)
    return tuple(next(ones) if size == 1 else next(moved) for size in places)
