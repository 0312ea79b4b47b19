"""The names of a model's classes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...artifacts.errors import UsageError
from ...artifacts.printable import find_unwritable

if TYPE_CHECKING:
    import onnx_ir as ir


def read_labels(labels: str | Path | Sequence[str]) -> tuple[str, ...]:
    """The names in class order: of a file, one a line, or as they are given. Raises UsageError."""
    if not isinstance(labels, str | Path):
        names = tuple(str(label) for label in labels)
        if not names or not all(name.strip() for name in names):
            raise UsageError("labels: every class needs a name")
        _check_characters(names, lambda index: f"labels: the name of class {index}")
        return names
    try:
        text = Path(labels).read_text("utf-8-sig")  # all kinds of line ends come as \n
    except OSError as e:
        raise UsageError(f"{labels}: cannot be read ({e.strerror})") from e
    except UnicodeDecodeError as e:
        raise UsageError(f"{labels}: is not a text file of labels, one a line") from e
    names = tuple(line.strip() for line in text.removesuffix("\n").split("\n")) if text else ()
    if not names or not all(names):
        where = f"line {names.index('') + 1} is empty" if names else "is empty"
        raise UsageError(f"{labels}: {where}; every class needs a label on a line of its own")
    _check_characters(names, lambda index: f"{labels}: line {index + 1}")
    return names


def _check_characters(names: Sequence[str], where: Callable[[int], str]) -> None:
    """Raises UsageError for a name that formats cannot hold or that readers of labels.txt would see as two."""
    for index, name in enumerate(names):
        wrong = find_unwritable(name)
        if wrong is not None:
            raise UsageError(f"{where(index)} has a control character or line break ({wrong}); remove it")


def check_labels(labels: tuple[str, ...], given: str | Path | Sequence[str], graph: "ir.Model") -> None:
    """Raises UsageError unless the model is a classifier of so many classes."""
    from ...graph.classifier import count_classes
    from ...graph.edit import shape

    file = given if isinstance(given, str | Path) else "labels"
    shapes = [shape(value) for value in graph.graph.outputs]
    classes = count_classes(shapes)
    if classes is None:
        raise UsageError(f"{file}: labels are for one output of shape (1, classes); the model has {shapes}")
    if classes != len(labels):
        raise UsageError(f"{file}: has {len(labels)} labels, the model has {classes} classes")
