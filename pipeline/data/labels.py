"""The names of a model's classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...artifacts.errors import UsageError
from ...artifacts.files import read_regular

if TYPE_CHECKING:
    import onnx_ir as ir


LARGEST = 16 << 20  # bytes of a file of labels


def read_labels(labels: str | Path | Sequence[str]) -> tuple[str, ...]:
    """The names in class order: of a file, one a line, or as they are given. Raises UsageError."""
    if not isinstance(labels, str | Path):
        names = tuple(str(label) for label in labels)
        if not names or not all(name.strip() for name in names):
            raise UsageError("labels: every class needs a name")
        return names
    try:
        lines = read_regular(labels, LARGEST).decode("utf-8-sig").splitlines()
    except OSError as e:
        raise UsageError(f"{labels}: cannot be read ({e.strerror})") from e
    except UnicodeDecodeError as e:
        raise UsageError(f"{labels}: is not a text file of labels, one a line") from e
    names = tuple(line.strip() for line in lines)
    if not names or not all(names):
        where = f"line {names.index('') + 1} is empty" if names else "is empty"
        raise UsageError(f"{labels}: {where}; every class needs a label on a line of its own")
    return names


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
