"""Write index.py, the table of all variants, from the family files: `python -m edgeport.models.reindex`.

The index exists so that listing models need not import torch. A test fails while it is out of date.
"""

import dataclasses
import importlib
import pathlib
import pkgutil

import torch

from . import registry, spec
from .fusion import fuse
from .macs import count_macs
from .spec import PreprocessSpec, Variant

_GENERATED = {"index", "checkpoints"}  # tables of the families, perhaps of former ones
_FIRST = ("name", "family", "params", "macs", "num_classes")  # of a row
_USUAL = ("scale", "bgr", "resize", "pad_value")  # not in a row where they are as usual
CONSTANTS = ("HALF", "IMAGENET_MEAN", "IMAGENET_STD")


def render() -> str:
    """The text of index.py: one line for each registered variant of this package, sorted by family and name."""
    return "\n".join([*_HEAD, "VARIANTS = (", *(f"    {_row(count_variant(v))}," for v in list_registered()), ")", ""])


def list_registered() -> list[Variant]:
    """The variants of all family files, as they register them: nothing is counted."""
    here = pathlib.Path(__file__).parent
    for file in sorted({m.name for m in pkgutil.iter_modules([str(here)])} - _GENERATED):
        importlib.import_module(f".{file}", __package__)
    recipes = registry._recipes.values()
    own = (r.variant for r in recipes if pathlib.Path(r.place.rpartition(":")[0]).parent == here)
    return sorted(own, key=lambda variant: (variant.family, variant.name))


def count_variant(variant: Variant) -> Variant:
    """The variant with the parameters of its checkpoint, and the multiply-accumulates of what is exported: fused."""
    recipe = registry._recipes[variant.name]  # create_model would read the index
    with torch.device("meta"):
        model = recipe.build(recipe.cfg, variant.num_classes).eval()
        params = sum(p.numel() for p in model.parameters())
        fuse(model)
    return dataclasses.replace(variant, params=params, macs=count_macs(model, variant.input_size))


_HEAD = [
    '"""The table of all variants, written by `python -m edgeport.models.reindex`; do not edit."""',
    "",
    f"from .spec import {', '.join(CONSTANTS)}, Variant",
    "",
    "# ruff: noqa: E501",
    "# fmt: off",
]


def _row(variant: Variant) -> str:
    facts = {key: getattr(variant, key) for key in _FIRST} | vars(variant)
    facts = {key: value for key, value in facts.items() if key not in _USUAL or value != getattr(PreprocessSpec, key)}
    return f"Variant({', '.join(f'{key}={literal(value)}' for key, value in facts.items())})"


def literal(value: object) -> str:
    """Python text of a value; the channel means and deviations that spec.py names by their name."""
    for name in CONSTANTS:
        if value == getattr(spec, name):
            return name
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    pathlib.Path(__file__).with_name("index.py").write_text(render(), encoding="utf-8")
