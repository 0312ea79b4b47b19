"""Every model by name: what it takes in, which family file builds it, and where it was registered."""

import importlib
import sys
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..artifacts.errors import UnknownModel
from .spec import PreprocessSpec, Variant

if TYPE_CHECKING:
    from torch import Tensor, nn

# Names of another source's checkpoint -> ours, or None where the tensors are not of that source.
Rename = Callable[[Mapping[str, "Tensor"]], "dict[str, Tensor] | None"]


@dataclass(frozen=True)
class _Recipe:
    build: Callable[[Any, int], "nn.Module"]
    cfg: Any
    variant: Variant
    place: str
    file: dict[str, Any]  # the globals of the family file


_recipes: dict[str, _Recipe] = {}
_built: "weakref.WeakKeyDictionary[nn.Module, _Recipe]" = weakref.WeakKeyDictionary()


def register(
    name: str,
    build: Callable[[Any, int], "nn.Module"],
    cfg: Any,
    *,
    paper: str,
    spec: PreprocessSpec | None = None,
    num_classes: int = 1000,
) -> None:
    """Make `name` known as `build(cfg, num_classes)`; the family is the file of the caller.

    Names that end in `_test` are tiny variants for tests: every function knows them, list_models leaves them out.
    Raises ValueError, naming both places, where the name is taken.
    """
    caller = sys._getframe(1)
    place = f"{caller.f_code.co_filename}:{caller.f_lineno}"
    if name in _recipes:
        raise ValueError(f"model {name!r} is registered twice: at {_recipes[name].place} and at {place}")
    spec = spec or PreprocessSpec()
    family = caller.f_globals["__name__"].rpartition(".")[2]
    variant = Variant(name=name, family=family, paper=paper, num_classes=num_classes, **vars(spec))
    _recipes[name] = _Recipe(build, cfg, variant, place, caller.f_globals)


def list_models(family: str | None = None) -> list[str]:
    """Names of all models, or of one family's, sorted. Does not import torch.

    Raises UnknownModel for a family that does not exist.
    """
    listed = {v.name: v.family for v in _known().values() if not v.name.endswith("_test")}
    if family is not None and family not in listed.values():
        raise UnknownModel(_unknown("family", family, set(listed.values())))
    return sorted(name for name, its in listed.items() if family in (None, its))


def get_variant(name: str) -> Variant:
    """The variant of that name. Does not import torch. Raises UnknownModel, which names the nearest."""
    known = _known()
    if name not in known:
        raise UnknownModel(_unknown("model", name, {n for n in known if not n.endswith("_test")}))
    return known[name]


def create_model(name: str, *, num_classes: int | None = None) -> "nn.Module":
    """The model of that name in eval mode, float32, with PyTorch's default random initialisation.

    It takes (n, *input_size) and returns logits (n, num_classes); num_classes defaults to that of the published
    weights. Raises UnknownModel, which names the nearest, and ValueError where num_classes is below 1.
    """
    variant = get_variant(name)
    classes = variant.num_classes if num_classes is None else num_classes
    if classes < 1:
        raise ValueError(f"num_classes must be at least 1, not {classes}")
    if name not in _recipes:
        importlib.import_module(f".{variant.family}", __package__)
    recipe = _recipes[name]
    model = recipe.build(recipe.cfg, classes).eval()
    _built[model] = recipe
    return model


def renames(model: "nn.Module") -> tuple[Rename, ...]:
    """The renaming functions for checkpoints of other sources that the family file of a zoo model lists as FOREIGN."""
    recipe = _built.get(model)
    return recipe.file.get("FOREIGN", ()) if recipe else ()


def _known() -> dict[str, Variant]:
    """The index of the family files, and whatever was registered since from elsewhere."""
    from .index import VARIANTS

    return {name: recipe.variant for name, recipe in _recipes.items()} | {v.name: v for v in VARIANTS}


def _unknown(kind: str, name: str, known: set[str]) -> str:
    import difflib

    longer = sorted((each for each in known if name and each.startswith(name.lower())), key=len)
    alike = difflib.get_close_matches(name.lower(), sorted(known), n=3, cutoff=0.5)
    near = list(dict.fromkeys([*longer[:2], *alike]))[:3]
    return f"there is no {kind} {name!r}" + (f"; the nearest: {', '.join(near)}" if near else "; see `edgeport list`")
