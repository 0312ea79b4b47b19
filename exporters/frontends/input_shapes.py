"""Decide the static shapes of a model's inputs: what the model fixes, what is given, and a batch of 1."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from ...artifacts.errors import InputShapeError
from ...graph.dialect import MOST_ELEMENTS

Open = tuple[int | None, ...] | None  # None for a dimension that the model leaves open, or for an unknown rank


def chosen_shapes(known: Mapping[str, Open], wanted: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shape of each input.

    known: as the model says. wanted: {name: sizes} as asked for; under "" for the only input. Sizes that lack just the
    first dimension get the model's own, or 1; so does an open first dimension. Raises InputShapeError.
    """
    if "" in wanted:
        if len(known) > 1 or len(wanted) > 1:
            raise InputShapeError(
                f"of several inputs each needs its name, {_shown(known)}: {_remedy(next(iter(known)))}"
            )
        wanted = {next(iter(known)): wanted[""]}
    strange = sorted(wanted.keys() - known.keys())
    if strange:
        raise InputShapeError(f"there is no input {strange[0]!r}; the inputs are {_shown(known)}")
    chosen = {name: _one(name, dims, wanted.get(name)) for name, dims in known.items()}
    for name, sizes in chosen.items():
        if prod(sizes) > MOST_ELEMENTS:
            raise InputShapeError(
                f"input {name!r} has the shape {_dims(sizes)}; artifacts hold at most {MOST_ELEMENTS} numbers"
            )
    return chosen


def _one(name: str, dims: Open, sizes: tuple[int, ...] | None) -> tuple[int, ...]:
    if dims is None:
        if sizes is None:
            raise InputShapeError(f"input {name!r} has no known shape; give {_remedy(name)}")
        return sizes
    if sizes is None:
        sizes = tuple(1 if i == 0 and dim is None else dim or 0 for i, dim in enumerate(dims))
        if 0 in sizes:
            raise InputShapeError(f"input {name!r} has the open shape {_dims(dims)}; give {_remedy(name, dims)}")
        return sizes
    if len(sizes) == len(dims) - 1:
        sizes = (1 if dims[0] is None else dims[0], *sizes)
    if len(sizes) != len(dims) or any(dim not in (None, size) for dim, size in zip(dims, sizes, strict=True)):
        raise InputShapeError(f"input {name!r} has the shape {_dims(dims)}, so it cannot be {_dims(sizes)}")
    return sizes


def _dims(dims: tuple[int | None, ...]) -> str:
    return "x".join("?" if dim is None else str(dim) for dim in dims) or "()"


def _remedy(name: str, dims: Open = None) -> str:
    sizes = _dims(tuple(dim or (1 if i == 0 else None) for i, dim in enumerate(dims))) if dims else "1x3x224x224"
    return f"--input-shape {name}={sizes.replace('?', 'N')}"


def _shown(known: Mapping[str, Open]) -> str:
    return ", ".join(f"{name!r} {_dims(dims) if dims is not None else '?'}" for name, dims in known.items())
