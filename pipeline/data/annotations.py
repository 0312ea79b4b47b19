"""The true boxes of images: a COCO file of instances, or a folder of YOLO's text files."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...artifacts.errors import UsageError
from ...artifacts.files import read_regular
from ...artifacts.json_reader import NotJson, read_json
from ...models import PreprocessSpec
from ...tasks.boxes import Boxes
from .dataset import Dataset

LARGEST_TEXT = 16 << 20  # bytes of one of YOLO's files


@dataclass(frozen=True)
class _Image:
    id: int
    file_name: str


@dataclass(frozen=True)
class _Category:
    id: int
    name: str = ""


@dataclass(frozen=True)
class _Instance:
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: int = 0


@dataclass(frozen=True)
class _Coco:
    """What is read of a COCO file."""

    images: tuple[_Image, ...]
    categories: tuple[_Category, ...]
    annotations: tuple[_Instance, ...] = field(default=())


# (the image's file, its width and height) -> (n, 5) class, left, top, right, bottom in its pixels; None where unknown
Truth = Callable[[Path, tuple[int, int]], "np.ndarray | None"]


def read_annotations(source: str | Path, labels: Sequence[str] | None) -> Truth:
    """The true boxes in a COCO file, or in a folder of YOLO's text files.

    COCO's categories are the model's classes of the same names, where it has names, and else in the order of their ids.
    Raises UsageError.
    """
    return _from_folder(Path(source)) if os.path.isdir(source) else _from_coco(Path(source), labels)


def _from_coco(path: Path, labels: Sequence[str] | None) -> Truth:
    try:
        coco = read_json(path, _Coco)
    except OSError as e:
        raise UsageError(f"{path}: cannot be read ({e.strerror or e})") from e
    except NotJson as e:
        raise UsageError(f"{path}: is no COCO file of instances ({e})") from e
    known = {each.id: each.name for each in coco.categories}
    by_name = labels is not None and set(known.values()) <= set(labels)
    classes = {
        id: labels.index(name) if by_name and labels else i for i, (id, name) in enumerate(sorted(known.items()))
    }
    rows: dict[int, list[tuple[float, ...]]] = {each.id: [] for each in coco.images}
    for each in coco.annotations:
        if each.image_id in rows and each.category_id in classes and not each.iscrowd:
            left, top, width, height = each.bbox
            rows[each.image_id].append((classes[each.category_id], left, top, left + width, top + height))
    files = {Path(each.file_name).name: rows[each.id] for each in coco.images}

    def truth(image: Path, size: tuple[int, int]) -> np.ndarray | None:
        return _table(files[image.name]) if image.name in files else None

    return truth


def _from_folder(folder: Path) -> Truth:
    files = {path.stem: path for path in sorted(folder.rglob("*.txt"))}
    if not files:
        raise UsageError(f"{folder}: holds no .txt files, which YOLO's labels are")

    def truth(image: Path, size: tuple[int, int]) -> np.ndarray:
        path = files.get(image.stem)  # an image without a file has no objects
        try:
            lines = read_regular(path, LARGEST_TEXT).decode().split("\n") if path else []
            rows = [tuple(map(float, line.split()[:5])) for line in lines if line.strip()]
        except (OSError, ValueError) as e:
            raise UsageError(f"{path}: is no file of YOLO's labels: a class and four shares a line ({e})") from e
        if any(len(row) != 5 for row in rows):
            raise UsageError(f"{path}: is no file of YOLO's labels: a class and four shares a line")
        table, (width, height) = _table(rows), size
        centre, sides = table[:, 1:3] * (width, height), table[:, 3:5] * (width, height)
        return np.concatenate([table[:, :1], centre - sides / 2, centre + sides / 2], 1)

    return truth


def _table(rows: Sequence[Sequence[float]]) -> np.ndarray:
    return np.array(rows, np.float64).reshape(-1, 5)


def true_boxes(truth: Truth, inputs: Dataset, source: str | Path) -> list[Boxes]:
    """What is there in each image, in pixels of the model's input. Raises UsageError where the labels do not say it."""
    from ...models.preprocess import load_image

    spec = inputs.preprocess
    if spec is None or inputs.in_memory:
        raise UsageError(f"{source}: annotations are for images in a folder; give them with --validation-data")
    boxes = []
    for item in inputs.items:
        size = load_image(item).size
        table = truth(Path(item), size)
        if table is None:
            raise UsageError(f"{source}: says nothing of {Path(item).name}")
        boxes.append(Boxes(to_input(table[:, 1:], size, spec), np.ones(len(table)), table[:, 0].astype(np.int64)))
    return boxes


def to_input(corners: np.ndarray, size: tuple[int, int], spec: PreprocessSpec) -> np.ndarray:
    """Boxes in pixels of an image of (width, height) -> the same in those of the model's input, cut off there."""
    from ...models.preprocess import resized_size

    resized, (_, height, width) = resized_size(size, spec), spec.input_size
    scale = np.array(resized) / size
    spare = np.array((width, height)) - resized
    offset = spare // 2 if spec.resize == "letterbox" else -np.round(-spare / 2)
    moved = corners * np.tile(scale, 2) + np.tile(offset, 2)
    return np.clip(moved, 0, np.tile((width, height), 2))
