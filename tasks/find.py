"""Finds what a model's outputs mean: as somebody says it, or by their shapes and values where these are plain."""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..artifacts.errors import UsageError
from .registry import GENERIC, get_task, tasks
from .task import Head, Meaning, Port, Roles, Size, Task


@dataclass(frozen=True)
class Stated:
    """What somebody says of a model's outputs: TASK[:HEAD][,NAME=VALUE...].

    Attributes:
        task: its name.
        head: the convention's name; "" for the one that fits.
        settings: {name of a setting, or a role: value, or the output's name}.
        by: who says it, for messages.
    """

    task: str
    head: str = ""
    settings: Mapping[str, Any] | None = None
    by: str = "--task"


def read_task(text: str, by: str = "--task") -> Stated:
    """Read TASK[:HEAD][,NAME=VALUE...].

    Args:
        text: "detect", "detect:detr", "detect:yolo,score_threshold=0.4,detections=output0".
        by: who says it.

    Raises:
        UsageError: no such task, head or setting, or a value of another type than the setting's own.

    Example:
        >>> read_task("detect:yolo,nms=false").settings
        {'nms': False}
    """
    first, *parts = text.split(",")
    name, _, head = first.strip().partition(":")
    task = get_task(name)
    if head and head not in (known := [each.name for each in task.heads]):
        raise UsageError(f"{by} {text}: {name} has no head {head!r}; it has {', '.join(known)}")
    settings = {}
    for part in parts:
        key, equals, value = (each.strip() for each in part.partition("="))
        if not equals:
            raise UsageError(f"{by} {text}: {part!r} is no NAME=VALUE")
        settings[key] = _value(value)
    return Stated(name, head, settings, by)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def apply_statement(stated: Stated, ports: Sequence[Port], size: Size, model: str) -> Meaning:
    """What the outputs mean, as somebody says it.

    Raises UsageError where they are not of the shapes that this needs, or a setting is none of the head's.
    """
    task, given = get_task(stated.task), dict(stated.settings or {})
    heads = [head for head in task.heads if stated.head in ("", head.name)]
    fitting = [(head, roles) for head in heads if (roles := _match(head, ports, size, given)) is not None]
    if not fitting:
        wanted = "; ".join(f"{head.name}: {head.about}" for head in heads)
        has = ", ".join(f"{port.name} {_shape(port.shape)}" for port in ports)
        raise UsageError(f"{stated.by} {stated.task}: {model} has {has}; wanted is {wanted}")
    plain = [each for each in fitting if each[0].plain(_in_order(ports, each[1]), size)]
    head, roles = (plain or fitting)[0]
    settings = dict(head.settings)
    for name, value in given.items():
        if name in roles:
            continue
        if name not in settings:
            near = difflib.get_close_matches(name, [*settings, *roles], 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"{stated.by} {stated.task}:{head.name} has no setting {name!r}{hint}")
        settings[name] = _as(value, settings[name], task.words.get(name), f"{stated.by} {stated.task}: {name}")
    return Meaning(task=task, head=head, outputs=roles, settings=settings, size=size, told_by=stated.by)


def _match(head: Head, ports: Sequence[Port], size: Size, given: Mapping[str, Any]) -> Roles | None:
    """The roles, of the outputs that the caller names where he does, in his order."""
    names = [port.name for port in ports]
    chosen = [value for value in given.values() if value in names]
    roles = head.match([port for port in ports if port.name in chosen] if chosen else ports, size)
    if roles is None or not all(given[role] in names for role in roles if role in given):
        return None
    return {role: given.get(role, name) for role, name in roles.items()}


def _in_order(ports: Sequence[Port], roles: Roles) -> Sequence[Port]:
    """The outputs that have a role first."""
    return sorted(ports, key=lambda port: port.name not in roles.values())


def _as(value: Any, usual: Any, words: Sequence[str] | None, what: str) -> Any:
    """A value of the type of the usual one; a word is one of those. Raises UsageError."""
    if isinstance(usual, bool | str):
        fits = type(value) is type(usual)
    else:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits:
        raise UsageError(f"{what} must be like {json.dumps(usual)}, not {json.dumps(value)}")
    if words and value not in words:
        raise UsageError(f"{what} is one of {', '.join(words)}, not {value!r}")
    return type(usual)(value)


def find_meaning(ports: Sequence[Port], size: Size) -> Meaning | None:
    """What outputs mean that can mean nothing else; None for others."""
    for task in tasks().values():
        for head in task.heads:
            roles = head.match(ports, size) if task.name != GENERIC else None
            if roles and head.plain(ports, size):
                return Meaning(
                    task=task, head=head, outputs=roles, settings=head.settings, size=size, told_by="its outputs"
                )
    return None


def possible_tasks(ports: Sequence[Port], size: Size) -> list[str]:
    """The tasks that have outputs of these shapes."""
    return [
        task.name
        for task in tasks().values()
        if task.name != GENERIC and any(head.match(ports, size) for head in task.heads)
    ]


def unknown_meaning() -> Meaning:
    """That of outputs of which nobody has said what they mean."""
    task = get_task(GENERIC)
    return Meaning(task=task, head=task.heads[0], outputs={}, settings={}, told_by="nobody")


def recall(
    task: str,
    head: str,
    outputs: Roles,
    settings: Mapping[str, Any],
    ports: Sequence[Port],
    size: Size,
    labels: tuple[str, ...] | None,
) -> Meaning:
    """What was recorded of an artifact with these outputs.

    Raises UsageError for a task or head that this version does not know, and for one that the outputs do not have.
    """
    known: Task = get_task(task)
    found = next((each for each in known.heads if each.name == head), None)
    if found is None:
        raise UsageError(f"the manifest names the head {head!r} of {task}, which this version does not know")
    chosen = [port for port in ports if port.name in outputs.values()]
    wanted = found.match(chosen, size)
    if wanted is None and any(None in port.shape for port in chosen) and len(chosen) == len(set(outputs.values())):
        wanted = outputs  # of open lengths, which say nothing against it
    if wanted is None or not wanted.keys() <= outputs.keys():
        raise UsageError(f"the manifest says {task}:{head} of outputs that are not: it has {found.about}")
    whole = {
        name: _as(settings.get(name, usual), usual, known.words.get(name), f"the manifest's {task}:{head}: {name}")
        for name, usual in found.settings.items()
    }
    meaning = Meaning(task=known, head=found, outputs=outputs, settings=whole, size=size, labels=labels)
    return replace(meaning, told_by="the manifest")


def _shape(shape: Sequence[int | None]) -> str:
    return f"({', '.join('?' if dim is None else str(dim) for dim in shape)})"
