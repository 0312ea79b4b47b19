"""Find a model's weights in what a training run saved: under which key, behind which prefix, beside what else."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import torch
from torch import Tensor

from .registry import Rename
from .torch_file import StoredTensor, Unknown, walk

# Words of a key or prefix. Weights under one of EMA are an average over the training, which is what it is kept for.
EMA = frozenset(("ema", "emas", "swa", "swad", "averaged", "average", "polyak", "shadow"))
# What a training needs beside the network that it trains: none of it is taken where something else fits.
LOSS = frozenset(("criterion", "criteria", "criterions", "loss", "losses", "metric", "metrics"))
BESIDE = LOSS | frozenset(
    (
        *("teacher", "teachers", "momentum", "target", "current", "initial", "discriminator", "critic"),
        *("optimizer", "optimizers", "scheduler", "scaler", "queue", "averaging"),
    )
)
# Modules that wrap another and put their name into its keys, wherever they stand.
WRAPPERS = frozenset(("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"))
COUNTERS = ("num_batches_tracked", "n_averaged")  # which no inference reads
_LONGEST = 1000  # characters of a key
_NAMED = 3  # keys that a sentence names before it counts

Leaf = Tensor | StoredTensor
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@dataclass(frozen=True)
class Wanted:
    """What a model takes: its tensors, which of them are parameters, and which may be of another shape (a new head)."""

    tensors: Mapping[str, Tensor]
    parameters: Collection[str] = ()
    remade: Collection[str] = ()
    renames: Sequence[Rename] = ()


@dataclass(frozen=True)
class StateDict:
    """Tensors that could be a model's.

    Attributes:
        place: the keys on the way to them, with dots.
        prefix: of their names there; it ends with a dot.
        source: those that are taken, under the names that `rename` takes.
        rename: to the model's names; None where they are.
        lead: what the model's names begin with and these do not.
        kept: names of a new head that keep the model's values.
        ignored: names in the file, which the model has no place for.
        missing, unexpected: names that do not fit.
        misshapen: {name: its shape in the file}, where it is not the model's.
        fitting: how many do.
    """

    place: str
    prefix: str
    source: Mapping[str, Leaf]
    rename: Rename | None = None
    lead: str = ""
    kept: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    fitting: int = 0

    @property
    def label(self) -> str:
        """What `--weights-key` calls it."""
        return ".".join(part for part in (self.place, self.prefix.rstrip(".")) if part)

    @property
    def fits(self) -> bool:
        """Whether nothing is missing, left over, or of another shape."""
        return not self.missing and not self.unexpected and not self.misshapen

    @property
    def order(self) -> int:
        """0 for an average, 1 for the weights themselves, 2 for what stands beside them."""
        return 2 if _words(self.label) & BESIDE else 0 if is_average(self.label) else 1


def find_state_dicts(content: object, wanted: Wanted) -> list[StateDict]:
    """Everything in the content that has tensors by name, each read in the ways that fit best."""
    found = []
    for place, value in walk(content):
        entries = value.entries if isinstance(value, Unknown) else value
        leaves = {
            _unwrapped(key): leaf
            for key, leaf in entries.items()
            if isinstance(leaf, Leaf) and isinstance(key, str) and len(key) < _LONGEST and not key.endswith(COUNTERS)
        }
        readings = _readings(place, leaves, wanted) if leaves else []
        if leaves and not any(each.fits for each in readings):
            readings += _inside_a_wrapper(place, leaves, wanted)
        found += readings
    return _with_buffers(found, wanted)


def choose(found: Sequence[StateDict], key: str | None) -> tuple[list[StateDict], list[StateDict]]:
    """(those that are to be taken, one unless several are equally good; what fits too, but is worse).

    Of those that fit, an average before the weights themselves, and both before what only a training needs.
    """
    fitting = [each for each in found if each.fits and under(each, key)]
    named = [each for each in fitting if each.label == key]
    fitting = named or fitting
    exact = {each.place for each in fitting if not each.prefix and each.order == 1}
    fitting = [each for each in fitting if not (each.prefix and each.order == 1 and each.place in exact)]
    best = min((each.order for each in fitting), default=0)
    chosen: list[StateDict] = []
    for each in fitting:
        if each.order == best and not any(_equal(each, other) for other in chosen):
            chosen.append(each)
    return chosen, [each for each in fitting if each.order > best]


def under(state: StateDict, key: str | None) -> bool:
    """Whether the key names it, or something around it."""
    return key is None or state.label == key or state.place == key or state.label.startswith(f"{key}.")


def is_average(place: str) -> bool:
    """Whether what is kept there is an average of the weights, by its name."""
    return bool(_words(place) & EMA)


def whole_modules(content: object) -> Iterator[tuple[str, str]]:
    """(place, class) of modules that were saved as objects, not as tensors by name."""
    for place, value in walk(content):
        if isinstance(value, Unknown) and isinstance(value.state, dict) and "_modules" in value.state:
            yield place, value.name


def count_elements(content: object) -> list[int]:
    """How many numbers the tensors have, of each place that has tensors by name."""
    counts = []
    for _, value in walk(content):
        entries = value.entries if isinstance(value, Unknown) else value
        counts.append(sum(prod(leaf.shape) for leaf in entries.values() if isinstance(leaf, Leaf)))
    return counts


def name_some(names: Sequence[str]) -> str:
    """The first few of them."""
    return f"{', '.join(names[:_NAMED])}{', ...' if len(names) > _NAMED else ''}"


def _readings(place: str, leaves: dict[str, Leaf], wanted: Wanted) -> list[StateDict]:
    """The tensors at one place: as they are named, behind a prefix, without `module`, or renamed."""
    found = [_read(place, prefix, leaves, wanted) for prefix in _prefixes(leaves, wanted.tensors)]
    if not any(each.fits for each in found):
        plain = {".".join(part for part in key.split(".") if part != "module"): leaf for key, leaf in leaves.items()}
        if plain.keys() != leaves.keys():
            found += [_read(place, prefix, plain, wanted) for prefix in _prefixes(plain, wanted.tensors)]
            leaves = plain
    if not any(each.fits for each in found):
        for prefix in _shared_prefixes(leaves):
            found += _renamed(place, prefix, leaves, wanted)
    return found or [_read(place, "", leaves, wanted)]


def _inside_a_wrapper(place: str, leaves: dict[str, Leaf], wanted: Wanted) -> Iterator[StateDict]:
    """The tensors as those of the one module that the model wraps ("net." before all of its names)."""
    lead, names = "", [*wanted.tensors]
    while names and all("." in name[len(lead) :] for name in names):
        lead += f"{names[0][len(lead) :].partition('.')[0]}."
        if not all(name.startswith(lead) for name in names):
            return
        inner = Wanted(
            {name.removeprefix(lead): tensor for name, tensor in wanted.tensors.items()},
            [name.removeprefix(lead) for name in wanted.parameters],
            [name.removeprefix(lead) for name in wanted.remade],
        )
        yield from (replace(each, lead=lead) for each in _readings(place, leaves, inner) if each.fits)


def _prefixes(names: Collection[str], wanted: Mapping[str, Tensor]) -> list[str]:
    """Those behind which most of the model's names are found."""
    counts: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        for depth in range(len(parts)):
            if ".".join(parts[depth:]) in wanted:
                counts["".join(f"{part}." for part in parts[:depth])] += 1
    most = max(counts.values(), default=0)
    return sorted((prefix for prefix, count in counts.items() if 4 * count > most), key=lambda p: (-counts[p], len(p)))


def _shared_prefixes(names: Collection[str]) -> list[str]:
    """Where a renaming may begin: at the start of the names, or behind what more than a third of them begin with."""
    counts: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        counts.update("".join(f"{part}." for part in parts[:depth]) for depth in range(1, min(len(parts), 4)))
    return ["", *sorted((p for p, count in counts.items() if 3 * count > len(names)), key=len)]


def _read(place: str, prefix: str, leaves: Mapping[str, Leaf], wanted: Wanted) -> StateDict:
    """The tensors behind a prefix; what stands beside it is no part of the model."""
    inside = {key.removeprefix(prefix): leaf for key, leaf in leaves.items() if key.startswith(prefix)}
    outside = tuple(key for key in leaves if not key.startswith(prefix))
    return _judge(StateDict(place, prefix, inside, ignored=outside), inside, wanted)


def _renamed(place: str, prefix: str, leaves: Mapping[str, Leaf], wanted: Wanted) -> Iterator[StateDict]:
    inside = {key.removeprefix(prefix): leaf for key, leaf in leaves.items() if key.startswith(prefix)}
    outside = tuple(key for key in leaves if not key.startswith(prefix))
    shapes = {key: torch.empty(leaf.shape, dtype=leaf.dtype, device="meta") for key, leaf in inside.items()}
    for rename in wanted.renames:
        try:
            ours = rename(shapes)
        except (LookupError, RuntimeError, ValueError):  # names of that source, but not its tensors
            continue
        if ours is not None:
            ours = {key: tensor for key, tensor in ours.items() if not key.endswith(COUNTERS)}
            yield _judge(StateDict(place, prefix, inside, rename, ignored=outside), ours, wanted)


def _judge(state: StateDict, given: Mapping[str, Leaf], wanted: Wanted) -> StateDict:
    """The state dict with what fits and what does not; of tensors that are not plain the shape is not known."""
    ours = wanted.tensors

    def misfit(key: str) -> bool:
        return not (isinstance(given[key], StoredTensor) and given[key].dtype is None) and (
            tuple(given[key].shape) != tuple(ours[key].shape)
        )

    kept = tuple(key for key in ours if key in wanted.remade and (key not in given or misfit(key)))
    needed = [key for key in ours if key not in kept]
    strays = [key for key in given if key not in ours]
    unexpected = tuple(key for key in strays if _looks_like_ours(key, ours))
    ignored = tuple(f"{state.prefix}{key}" for key in strays if key not in unexpected)
    dropped = {*kept, *strays} - set(unexpected)
    misshapen = {key: tuple(given[key].shape) for key in needed if key in given and misfit(key)}
    return replace(
        state,
        source={key: leaf for key, leaf in state.source.items() if key not in dropped},
        kept=kept,
        ignored=(*ignored, *state.ignored),
        missing=tuple(key for key in needed if key not in given),
        unexpected=unexpected,
        misshapen=misshapen,
        fitting=sum(key in given for key in needed) - len(misshapen),
    )


def _looks_like_ours(key: str, ours: Collection[str]) -> bool:
    """Whether it belongs to a module that the model has, or to one more of a row of them (layer5 beside layer4)."""
    return not _words(key) & LOSS and _top(key) in {_top(each) for each in ours}


def _top(key: str) -> str:
    return re.sub(r"\d+", "", key.partition(".")[0])


def _with_buffers(found: list[StateDict], wanted: Wanted) -> list[StateDict]:
    """The same, where an average of the parameters alone has its buffers from the weights beside it."""
    plain = [each for each in found if not each.rename and not each.lead]
    whole = next((each for each in plain if each.fits and each.order == 1), None)
    buffers = wanted.tensors.keys() - set(wanted.parameters)

    def complete(state: StateDict) -> StateDict:
        if whole is None or state.order > 0 or state.rename or not buffers.issuperset(state.missing):
            return state
        return replace(state, source={key: whole.source[key] for key in state.missing} | dict(state.source), missing=())

    return [complete(each) for each in found]


def _equal(one: StateDict, other: StateDict) -> bool:
    """Whether they are the same tensors, saved twice."""
    return one.source.keys() == other.source.keys() and all(
        leaf is other.source[key] or (isinstance(leaf, StoredTensor) and leaf == other.source[key])
        for key, leaf in one.source.items()
    )


def _unwrapped(key: str) -> str:
    return ".".join(part for part in key.split(".") if part not in WRAPPERS)


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}
