"""This file reads the names of a model's classes."""

from pathlib import Path
from typing import TYPE_CHECKING

from ...artifacts.errors import UsageError

if TYPE_CHECKING:
    import onnx_ir as ir


def read_labels(file: str) -> tuple[str, ...]:
    """One name a line, in class order. Raises UsageError."""
    try:
        lines = Path(file).read_text("utf-8-sig").splitlines()
    except OSError as e:
        raise UsageError(f"{file}: cannot be read ({e.strerror})") from e
    except UnicodeDecodeError as e:
        raise UsageError(f"{file}: is not a text file of labels, one a line") from e
    labels = tuple(line.strip() for line in lines)
    if not labels or not all(labels):
        where = f"line {labels.index('') + 1} is empty" if labels else "is empty"
        raise UsageError(f"{file}: {where}; every class needs a label on a line of its own")
    return labels


def check_labels(labels: tuple[str, ...], file: str, graph: "ir.Model") -> None:
    """Raises UsageError unless the model is a classifier of so many classes."""
    from ...graph.edit import shape

    shapes = [shape(value) for value in graph.graph.outputs]
    if len(shapes) != 1 or len(shapes[0]) != 2:
        raise UsageError(f"{file}: labels are for one output of shape (1, classes); the model has {shapes}")
    if shapes[0][1] != len(labels):
        raise UsageError(f"{file}: has {len(labels)} labels, the model has {shapes[0][1]} classes")
