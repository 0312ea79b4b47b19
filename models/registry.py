"""Every model by name: what it takes in, which family file builds it, and where it was registered."""

import importlib
import sys
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
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
    foreign: tuple[Rename, ...] | None


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
    foreign: tuple[Rename, ...] | None = None,
) -> None:
    """Make `name` known as `build(cfg, num_classes)`; the family is the file of the caller.

    Args:
        name: of the model. One that ends in `_test` is a tiny variant for tests: every function knows it,
            `list_models` leaves it out.
        build: makes the module, (cfg, num_classes) -> nn.Module; in most families the module's class.
        cfg: what `build` gets first, of any type.
        paper: "arXiv:NUMBER", "doi:..." or a URL.
        spec: the preprocessing; the default is `PreprocessSpec()`.
        num_classes: how many classes the published weights have.
        foreign: renames checkpoints of other sources, whose layers compute what this variant's do; None: the family
            file's FOREIGN.

    Raises:
        ValueError: the name is taken; the message names both places.

    Example:
        >>> from edgeport.models import register
        >>> from edgeport.models.lenet import Cfg, LeNet
        >>> register("lenet_wide", LeNet, Cfg(image=32, c1=8, c3=16), paper="none", num_classes=3)
    """
    caller = sys._getframe(1)
    place = f"{caller.f_code.co_filename}:{caller.f_lineno}"
    if name in _recipes:
        raise ValueError(f"model {name!r} is registered twice: at {_recipes[name].place} and at {place}")
    spec = spec or PreprocessSpec()
    family = caller.f_globals["__name__"].rpartition(".")[2]
    variant = Variant(name=name, family=family, paper=paper, num_classes=num_classes, **vars(spec))
    _recipes[name] = _Recipe(build, cfg, variant, place, caller.f_globals, foreign)


def list_models(family: str | None = None) -> list[str]:
    """List the names of all models, or of one family's. It does not import torch.

    Args:
        family: a family's name, as `Variant.family` has it; None: all of them.

    Returns:
        The names in alphabetical order, without the tiny variants for tests.

    Raises:
        UnknownModel: there is no such family; the message names the nearest.

    Example:
        >>> from edgeport.models import list_models
        >>> list_models("mobilevit")
        ['mobilevit_s', 'mobilevit_xs', 'mobilevit_xxs']
    """
    listed = {v.name: v.family for v in _known().values() if not v.name.endswith("_test")}
    if family is not None and family not in listed.values():
        raise UnknownModel(_unknown("family", family, set(listed.values())))
    return sorted(name for name, its in listed.items() if family in (None, its))


def get_variant(name: str) -> Variant:
    """Look up what is known of a model: its input, preprocessing, size and paper. It does not import torch.

    Args:
        name: of the model, as `list_models` gives it.

    Returns:
        Its row of the index.

    Raises:
        UnknownModel: there is no such model; the message names the nearest.

    Example:
        >>> from edgeport.models import get_variant
        >>> variant = get_variant("mobilevit_s")
        >>> variant.input_size, variant.crop_pct, variant.paper
        ((3, 256, 256), 0.9, 'arXiv:2110.02178')
    """
    known = _known()
    if name not in known:
        raise UnknownModel(_unknown("model", name, {n for n in known if not n.endswith("_test")}))
    return known[name]


def create_model(name: str, *, num_classes: int | None = None) -> "nn.Module":
    """Build the model of that name, with PyTorch's default random initialisation.

    Args:
        name: of the model, as `list_models` gives it.
        num_classes: how many classes it tells apart; the default is that of the published weights. 0: no classifier;
            the model gives what it would read, an embedding (n, width), and has the tensors that timm's has then.

    Returns:
        The model in eval mode, float32, on the CPU. It takes images (n, *input_size), normalised as its variant
        says, and returns logits (n, num_classes).

    Raises:
        UnknownModel: there is no such model; the message names the nearest.
        ValueError: `num_classes` is negative.

    Example:
        >>> import torch
        >>> from edgeport.models import create_model
        >>> model = create_model("lenet5", num_classes=7)
        >>> model(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 7])
    """
    variant = get_variant(name)
    classes = variant.num_classes if num_classes is None else num_classes
    if classes < 0:
        raise ValueError(f"num_classes must be 0 or more, not {classes}")
    if name not in _recipes:
        importlib.import_module(f".{variant.family}", __package__)
    recipe = _recipes[name]
    model = recipe.build(recipe.cfg, classes or variant.num_classes).eval()
    _built[model] = recipe
    if not classes:
        from .headless import remove_classifier

        remove_classifier(model, partial(recipe.build, recipe.cfg))
    return model


def find_renames(model: "nn.Module") -> tuple[Rename, ...]:
    """The renaming functions for checkpoints of other sources: a zoo model's own, or its family file's FOREIGN."""
    recipe = _built.get(model)
    if recipe is None:
        return ()
    return recipe.file.get("FOREIGN", ()) if recipe.foreign is None else recipe.foreign


def find_relatives(model: "nn.Module") -> list[str]:
    """The other variants in the family file of a zoo model."""
    recipe = _built.get(model)
    names = list_models(recipe.variant.family) if recipe else []
    return [name for name in names if recipe and name != recipe.variant.name]


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
