"""This file writes index.py, the table of all variants, from the family files: `python -m edgeport.models.reindex`.

The index exists so that listing models need not import torch. A test fails while it is out of date.
"""

import dataclasses
import importlib
import pathlib
import pkgutil

import torch

from . import registry

# The files of this package that are no family.
_OTHERS = {
    *("branches", "fusion", "hybrid", "index", "layers", "mobile", "preprocess", "registry", "reindex", "tensorflow"),
    *("torchvision_names", "weights", "windows"),
}
_ORDER = ("name", "family", "params", "num_classes", "input_size", "mean", "std", "interpolation", "crop_pct", "paper")
_CONSTANTS = ("IMAGENET_MEAN", "IMAGENET_STD", "HALF")


def render() -> str:
    """The text of index.py: one line for each registered variant of this package, sorted by family and name."""
    here = pathlib.Path(__file__).parent
    families = {m.name for m in pkgutil.iter_modules([str(here)])} - _OTHERS
    for family in sorted(families):
        importlib.import_module(f".{family}", __package__)
    rows = sorted(
        (r for r in registry._recipes.values() if pathlib.Path(r.place.rpartition(":")[0]).parent == here),
        key=lambda r: (r.variant.family, r.variant.name),
    )
    return "\n".join([*_HEAD, "VARIANTS = (", *(f"    {_row(r)}," for r in rows), ")", ""])


_HEAD = [
    '"""This file is the table of all variants, written by `python -m edgeport.models.reindex`; do not edit."""',
    "",
    f"from .registry import {', '.join(sorted(_CONSTANTS))}, Variant",
    "",
    "# ruff: noqa: E501",
    "# fmt: off",
]


def _row(recipe: registry._Recipe) -> str:
    with torch.device("meta"):
        params = sum(p.numel() for p in recipe.build(recipe.cfg, recipe.variant.num_classes).parameters())
    variant = dataclasses.replace(recipe.variant, params=params)
    named = {getattr(registry, c): c for c in _CONSTANTS}
    return f"Variant({', '.join(f'{k}={_literal(getattr(variant, k), named)}' for k in _ORDER)})"


def _literal(value: object, named: dict[tuple[float, ...], str]) -> str:
    if isinstance(value, tuple) and value in named:
        return named[value]
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    pathlib.Path(__file__).with_name("index.py").write_text(render(), encoding="utf-8")
