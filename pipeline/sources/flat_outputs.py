"""Makes a module return a flat tuple of tensors, whatever its code returns, and names them."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...artifacts.errors import UsageError

if TYPE_CHECKING:
    import torch

DEEPEST = 100  # levels of an output's tuples and dicts
ONLY = "logits"  # what the one output of a model is called that nobody has named
EMBEDDING = "embedding"  # and that of a model without its classifier


def iterate_tensors(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], "torch.Tensor"]]:
    """(keys, tensor) of each tensor in nested tuples, lists, mappings and dataclasses, in order; None is left out.

    Raises UsageError for anything else.
    """
    import torch

    if len(path) > DEEPEST:
        raise UsageError("the model cannot be exported: its output is nested too deeply, or within itself")
    if isinstance(value, torch.Tensor):
        yield path, value
        return
    if isinstance(value, Mapping):
        parts = [(str(key), part) for key, part in value.items()]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):  # a named tuple
        parts = list(zip(getattr(value, "_fields"), value, strict=True))  # noqa: B009
    elif isinstance(value, tuple | list):
        parts = [(str(i), part) for i, part in enumerate(value)]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    elif value is None:
        return
    else:
        where = f"output {'.'.join(path)!r}" if path else "its output"
        raise UsageError(f"the model cannot be exported: {where} is a {type(value).__name__}, not a tensor")
    for key, part in parts:
        yield from iterate_tensors(part, (*path, key))


def name_outputs(value: Any, taken: tuple[str, ...]) -> tuple[str, ...]:
    """A name for each tensor of an output: its keys, `output_0` ... for bare ones, ONLY for a single one.

    None of them is among `taken` (the inputs' names), or twice among themselves; a key's control characters become "_".
    """
    paths = [path for path, _ in iterate_tensors(value)]
    if not paths:
        raise UsageError("the model returns no tensor")
    wanted = ["_".join(("output", *path) if path[0].isdigit() else path) if path else ONLY for path in paths]
    if len(paths) == 1 and all(key.isdigit() for key in paths[0]):
        wanted = [ONLY]
    names: list[str] = []
    for name in ("".join(each if each.isprintable() else "_" for each in name) for name in wanted):
        unique, count = name, 1
        while unique in (*taken, *names):
            count += 1
            unique = f"{name}_{count}"
        names.append(unique)
    return tuple(names)


def flatten_outputs(module: "torch.nn.Module") -> None:
    """From now on `module(...)` returns a tuple of its tensors. A hook: the paths of its layers stay as they are."""
    module.register_forward_hook(lambda _, __, result: tuple(tensor for _, tensor in iterate_tensors(result)))
