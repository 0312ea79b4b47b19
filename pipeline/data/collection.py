"""Opens what a caller gives as data: a folder, a file, arrays, a generator, a PyTorch DataLoader or Dataset."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np

from ...artifacts.errors import UsageError
from ...runtime.session import TensorSpec
from ..input_spec import InputSpec
from ..preprocess_question import Question
from .dataset import Dataset, Feed, bytes_of, open_folder

if TYPE_CHECKING:
    import PIL.Image
    import torch
    import torch.utils.data


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder, at any depth; each is preprocessed as the model wants it. `edgeport.images` makes one.

    Attributes:
        path: of the folder.
        limit: at most so many, evenly spaced; None for all.
    """

    path: str
    limit: int | None = None

    def __len__(self) -> int:
        from ...models.preprocess import list_images

        count = len(list_images(self.path))
        return count if self.limit is None else min(count, self.limit)


Array: TypeAlias = Union[np.ndarray, "torch.Tensor"]

Sample: TypeAlias = Union[Array, "PIL.Image.Image", Mapping[str, Array], Sequence[Any]]
"""One input of a model or a batch of them: an array, a picture, arrays by name, or a tuple of these with a label."""

DataLike: TypeAlias = Union[
    str, Path, ImageFolder, Array, Mapping[str, Array], Iterable[Sample], "torch.utils.data.Dataset[Any]"
]
"""What data may be given as: a folder of images or an .npz, an array (n, ...), a dict of such arrays by input, or what
yields samples or batches (a DataLoader, a Dataset, a list, a generator). Arrays are the model's inputs, preprocessed.
"""


def images(folder: str | Path, limit: int | None = None) -> ImageFolder:
    """The images of a folder, to calibrate or validate with.

    Args:
        folder: with JPEG, PNG, ... files, at any depth; one folder per class where true classes are needed.
        limit: at most so many of them, evenly spaced.

    Raises:
        ImageError: no such folder, or no images in it.
        UsageError: a limit below 1.

    Example:
        >>> photos = edgeport.images("photos/")
        >>> edgeport.export("mobilevit_s", "tflite", precision="int8", calibration=photos)
    """
    from ...models.preprocess import list_images

    if limit is not None and limit < 1:
        raise UsageError(f"limit: must be at least 1, not {limit}")
    list_images(str(folder))
    return ImageFolder(str(folder), limit)


def open_data(data: DataLike, spec: InputSpec, count: int, question: Question = Question()) -> Dataset:  # noqa: B008
    """The data as inputs of a model.

    Args:
        data: a folder of images or an .npz; an array (n, ...) for a model of one input; a dict of such arrays by the
            inputs' names; or anything that yields samples or batches: arrays or tensors, dicts of them, PIL images, or
            tuples of these with a label (a DataLoader, a Dataset, a list, a generator).
        spec: what the model takes.
        count: of what yields samples, at most so many are read and kept in memory.
        question: about the model, for images of which nobody has said how they become its input.

    Raises:
        UsageError: nothing in it, or not what the model takes.
        ImageError: as `open_folder`.
    """
    if isinstance(data, ImageFolder):
        opened = open_folder(data.path, spec, question)
        return opened if data.limit is None else opened.take(data.limit)
    if isinstance(data, str | Path):
        return open_folder(str(data), spec, question)
    name = type(data).__name__
    if isinstance(data, np.ndarray) or _is_tensor(data):
        feeds, labels = _rows({_only(spec, name): _as_array(data)}, spec, name), []
    elif isinstance(data, Mapping):
        feeds, labels = _rows({str(key): _as_array(value) for key, value in data.items()}, spec, name), []
    elif isinstance(data, Iterable) or hasattr(data, "__getitem__"):
        feeds, labels = _read_samples(_iterate(data), spec, count, name, question)
    else:
        raise UsageError(f"a {name} is no data: give a folder, an .npz, arrays, or what yields samples")
    if not feeds:
        raise UsageError(f"the {name} given holds no samples")
    return Dataset(
        f"{name} in memory",
        range(len(feeds)),
        lambda item: feeds[item],
        lambda item: bytes_of(feeds[item]),
        in_memory=True,
        label=labels.__getitem__ if len(labels) == len(feeds) else None,
    )


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _is_picture(value: Any) -> bool:
    return hasattr(value, "convert") and hasattr(value, "size") and hasattr(value, "mode")


def _as_array(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if _is_tensor(value) else np.asarray(value)


def _only(spec: InputSpec, name: str) -> str:
    if len(spec.inputs) != 1:
        wanted = ", ".join(repr(each.name) for each in spec.inputs)
        raise UsageError(f"the {name} given holds one array, the model takes {wanted}; give a dict of arrays")
    return spec.inputs[0].name


def _iterate(data: Any) -> Iterator[Any]:
    """The samples, in order; a Dataset of PyTorch's has only an index."""
    if isinstance(data, Iterable):
        yield from data
        return
    for i in range(len(data)):
        yield data[i]


def _read_samples(
    samples: Iterator[Any], spec: InputSpec, count: int, name: str, question: Question
) -> tuple[list[Feed], list[int]]:
    """(at most `count` feeds, the label of each, or fewer labels where some have none)."""
    feeds: list[Feed] = []
    labels: list[int] = []
    for sample in samples:
        taken, label = _parts(sample, spec, name, question)
        rows = _rows(taken, spec, name)
        feeds += rows
        labels += _labels(label, len(rows))
        if len(feeds) >= count:
            break
    return feeds[:count], labels[:count]


def _parts(sample: Any, spec: InputSpec, name: str, question: Question) -> tuple[dict[str, np.ndarray], Any]:
    """({input: array}, the label or None) of a sample or a batch."""
    label = None
    if isinstance(sample, Sequence) and not isinstance(sample, str | bytes):
        parts = list(sample)
        wanted = len(spec.inputs)
        if parts and isinstance(parts[0], Mapping):
            sample, label = parts[0], parts[1] if len(parts) > 1 else None
        elif len(parts) == wanted + 1 or (wanted == 1 and len(parts) > 1):
            sample, label = parts[:wanted], parts[wanted]
        elif len(parts) == wanted:
            sample = parts
        else:
            raise UsageError(f"the {name} given yields {len(parts)} values, the model takes {spec}")
        if isinstance(sample, list):
            sample = dict(zip((each.name for each in spec.inputs), sample, strict=True))
    if isinstance(sample, Mapping):
        missing = [each.name for each in spec.inputs if each.name not in sample]
        if missing and len(spec.inputs) == 1 and len(sample) == 1:
            sample, missing = {spec.inputs[0].name: next(iter(sample.values()))}, []
        if missing:
            held = ", ".join(map(str, sample))
            raise UsageError(f"the {name} given yields no {missing[0]!r}, which the model takes; it yields: {held}")
        label = sample.get("label", sample.get("labels")) if label is None else label
        return {each.name: _one(sample[each.name], spec, name, question) for each in spec.inputs}, label
    return {_only(spec, name): _one(sample, spec, name, question)}, label


def _one(value: Any, spec: InputSpec, name: str, question: Question) -> np.ndarray:
    """An array, or a picture preprocessed as the model wants it."""
    if not _is_picture(value):
        return _as_array(value)
    from ...models.preprocess import preprocess

    if not spec.takes_pictures:
        raise UsageError(f"pictures were given, but {spec.explain_no_image()}")
    if spec.preprocess is None:
        raise question.ask(f"the pictures in the {name} given", spec)
    return preprocess(value.convert("RGB"), spec.preprocess)[None]


def _rows(arrays: Mapping[str, np.ndarray], spec: InputSpec, name: str) -> list[Feed]:
    """The single feeds of arrays that hold one sample or many: (c, h, w), (1, c, h, w) or (n, c, h, w)."""
    columns: dict[str, list[np.ndarray]] = {}
    for each in spec.inputs:
        if each.name not in arrays:
            held = ", ".join(arrays)
            raise UsageError(f"the {name} given holds no array {each.name!r}, which the model takes; it holds: {held}")
        columns[each.name] = _split(arrays[each.name], each, name)
    counts = {key: len(column) for key, column in columns.items()}
    if len(set(counts.values())) > 1:
        raise UsageError(f"the {name} given has different numbers of rows: {counts}")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _split(array: np.ndarray, spec: TensorSpec, name: str) -> list[np.ndarray]:
    shape = tuple(1 if dim is None else dim for dim in spec.shape)
    row = shape[1:] if shape[:1] == (1,) else shape
    if array.shape == row or array.shape == shape:
        parts = [array.reshape(shape)]
    elif array.shape[1:] == row:
        parts = [part.reshape(shape) for part in array]
    else:
        wanted = ", ".join(map(str, row))
        raise UsageError(f"the {name} given holds an array of shape {array.shape}, the model wants (n, {wanted})")
    kinds, words = ("f", "float") if spec.dtype.startswith("float") else ("iub", "integers")
    if array.dtype.kind not in kinds:
        raise UsageError(f"the {name} given holds {array.dtype}; the model wants {words} (preprocessed)")
    if not np.isfinite(array).all():
        raise UsageError(f"the {name} given holds NaN or infinite values")
    return [np.ascontiguousarray(part, np.float32) for part in parts]


def _labels(label: Any, count: int) -> list[int]:
    """The classes of a batch; none where there are not as many whole numbers."""
    if label is None:
        return []
    numbers = np.atleast_1d(_as_array(label))
    if numbers.shape != (count,) or numbers.dtype.kind not in "iub":
        return []
    return [int(number) for number in numbers]
