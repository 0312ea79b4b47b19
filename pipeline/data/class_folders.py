"""The true classes of images: as the data say them, or by the folders that the images lie in."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...artifacts.errors import UsageError
from .dataset import Dataset


def class_of(inputs: Dataset, labels: Sequence[str] | None, count: int) -> tuple[Callable[[Any], int], str]:
    """(item -> its class's index, how it was found), for data with labels or images in one folder per class.

    `labels`, where given, are the folders' names in class order, and may be more than there are folders; without them
    the sorted folders are the classes, all `count` of them. Raises UsageError where that cannot be.
    """
    if inputs.label is not None:
        return inputs.label, "the labels in it"
    root = Path(inputs.source)
    if not os.path.isdir(root):
        raise UsageError(f"{inputs.source}: --max-drop needs images in class folders; give them with --validation-data")
    loose = next((path for path in inputs.items if Path(path).parent == root), None)
    if loose is not None:
        raise UsageError(f"{loose}: lies in no class folder, which --max-drop needs")
    folders = sorted(path.name for path in root.iterdir() if os.path.isdir(path) and not path.name.startswith("."))
    if labels:
        unknown = next((name for name in folders if name not in labels), None)
        if unknown is not None:
            raise UsageError(f"{root / unknown}: is a class folder whose name is not among the labels")
        index, how = {name: labels.index(name) for name in folders}, "the order of --labels"
    elif len(folders) != count:
        raise UsageError(
            f"{root}: has {len(folders)} class folders, the model {count} classes; say which is which with --labels"
        )
    else:
        index, how = {name: i for i, name in enumerate(folders)}, "the sorted order of the folders"
    return lambda path: index[Path(path).relative_to(root).parts[0]], how
