"""The names of a model's classes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...artifacts.errors import UsageError
from ...artifacts.files import read_regular
from ...artifacts.printable import find_unwritable

if TYPE_CHECKING:
    import onnx_ir as ir

Labels = str | Path | Sequence[str]
NUM_SHOWN = 3  # of the names that are said

LARGEST = 16 << 20  # bytes of a file of labels


def read_labels(labels: Labels) -> tuple[str, ...]:
    """The names in class order, "" for an empty line: of a file, one a line, or as given. Raises UsageError."""
    if not isinstance(labels, str | Path):
        names = [str(label).strip() for label in labels]
        if not names or not all(names):
            raise UsageError("labels: every class needs a name")
        _check_characters(names, lambda index: f"labels: the name of class {index}")
        return tuple(names)
    try:
        text = read_regular(labels, LARGEST).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        lines = text.rstrip().split("\n")
    except OSError as e:
        raise UsageError(f"{labels}: cannot be read ({e.strerror})") from e
    except UnicodeDecodeError as e:
        raise UsageError(f"{labels}: is not a text file of labels, one a line") from e
    names = [line.strip() for line in lines]
    if not any(names):
        raise UsageError(f"{labels}: is empty; every class needs a label on a line of its own")
    _check_characters(names, lambda index: f"{labels}: line {index + 1}")
    return tuple(names)


def _check_characters(names: Sequence[str], where: Callable[[int], str]) -> None:
    """Raises UsageError for a name that formats cannot hold or that readers of labels.txt would see as two."""
    for index, name in enumerate(names):
        wrong = find_unwritable(name)
        if wrong is not None:
            raise UsageError(f"{where(index)} has a control character or line break ({wrong}); remove it")


def fit_labels(names: tuple[str, ...], given: Labels, graph: "ir.Model") -> tuple[tuple[str, ...], list[str]]:
    """(a name for each class of the model, no two the same; what was changed for it, in sentences).

    Empty lines are left out where the others are as many as the classes. Raises UsageError unless the model is a
    classifier of so many classes.
    """
    from ...graph.classifier import count_classes
    from ...graph.edit import shape

    file = given if isinstance(given, str | Path) else "labels"
    shapes = [shape(value) for value in graph.graph.outputs]
    classes = count_classes(shapes)
    if classes is None:
        raise UsageError(f"{file}: labels are for one output of shape (1, classes); the model has {shapes}")
    filled = tuple(name for name in names if name)
    if len(filled) != classes:
        if len(filled) < len(names):
            raise UsageError(f"{file}: line {names.index('') + 1} is empty; every class needs a label")
        raise UsageError(f"{file}: has {len(filled)} labels, the model has {classes} classes")
    notes = []
    if len(names) > len(filled):
        notes.append(f"{file}: its empty lines are left out")
    distinct = make_distinct(filled)
    changed = [new for new, old in zip(distinct, filled, strict=True) if new != old]
    if changed:
        shown = ", ".join(map(repr, changed[:NUM_SHOWN])) + (", ..." if len(changed) > NUM_SHOWN else "")
        notes.append(f"{file}: some classes have the same name; they are told apart as {shown}")
    return distinct, notes


def read_characters(labels: Labels) -> tuple[str, ...]:
    """The characters of an alphabet in their order, one a line: a space stays one. Raises UsageError."""
    if not isinstance(labels, str | Path):
        return tuple(labels)
    try:
        text = read_regular(labels, LARGEST).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"{labels}: cannot be read as a file of characters, one a line ({e})") from e
    return tuple(text.replace("\r\n", "\n").removesuffix("\n").split("\n"))


def check_labels(names: Sequence[str], given: Labels, counts: Sequence[int]) -> None:
    """Raises UsageError unless there are as many names as the task allows; none says any number."""
    if counts and len(names) not in counts:
        file = given if isinstance(given, str | Path) else "labels"
        raise UsageError(
            f"{file}: has {len(names)} labels, the model's outputs are for {' or '.join(map(str, counts))}"
        )


def make_distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names, with a number behind each that stands before: crane, crane -> crane, crane (2)."""
    given, distinct = set(names), dict[str, None]()
    for name in names:
        chosen, count = name, 1
        while chosen in distinct or (count > 1 and chosen in given):
            count += 1
            chosen = f"{name} ({count})"
        distinct[chosen] = None
    return tuple(distinct)
