"""This file provides the inputs that calibrate a model and the other ones that validate it."""

import hashlib
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..models import PreprocessSpec
from .console import Console
from .exit_codes import UsageError
from .pixels import from_pixels, to_pixels

GENERATED = "generated"
NUM_CALIBRATION = 300  # NNCF's default, which users know
NUM_GENERATED = 32  # more of the same noise teaches nothing
_VALIDATION_SEEDS = 1_000_000  # generated inputs that validate are others than those that calibrate
EVERY = 5  # of a folder that has to do for both, each fifth input validates
NOT_REAL = (
    "int8 was calibrated on GENERATED inputs, not on images: measure its accuracy before you trust it, "
    "and give your own images with --calibration-data"
)


@dataclass(frozen=True)
class Inputs:
    """Model inputs that are made when they are asked for, one at a time.

    Attributes:
        source: where they come from, for the manifest.
        items: one of something for each input: a path, a row, a seed.
        load: item -> float32 (1, c, h, w). Raises UsageError or ImageError, naming the item.
        content: item -> bytes that are the same for the same input.
    """

    source: str
    items: Sequence[Any]
    load: Callable[[Any], np.ndarray]
    content: Callable[[Any], bytes]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self.load, self.items)

    def feeds(self, name: str, advance: Callable[[int], None] = lambda done: None) -> Iterator[dict[str, np.ndarray]]:
        """{name: array} one after the other; `advance` hears how many were used."""
        for done, array in enumerate(self):
            advance(done)
            yield {name: array}

    def take(self, count: int) -> "Inputs":
        """At most `count` of them, evenly spaced, so that folders sorted by class give all classes."""
        if len(self) <= count:
            return self
        return replace(self, items=[self.items[i * len(self) // count] for i in range(count)])

    def in_pixels(self, preprocess: PreprocessSpec) -> "Inputs":
        """The same inputs with every value rounded to what an image of 8 bits can hold."""
        load = self.load
        return replace(self, load=lambda item: from_pixels(to_pixels(load(item), preprocess), preprocess))

    def split(self) -> tuple["Inputs", "Inputs"]:
        """(four fifths to calibrate, one fifth to validate), the same ones each time."""
        if len(self) < 2:
            raise UsageError(f"{self.source}: needs at least 2 inputs, one to calibrate and another to validate")
        every = min(EVERY, len(self))
        validates = [i % every == every - 1 for i in range(len(self))]
        return (
            replace(self, items=[item for item, v in zip(self.items, validates, strict=True) if not v]),
            replace(self, items=[item for item, v in zip(self.items, validates, strict=True) if v]),
        )

    def digests(self) -> list[str]:
        """What tells each input from others: the beginning of its content's sha256."""
        return [hashlib.sha256(self.content(item)).hexdigest()[:16] for item in self.items]

    def without(self, known: Collection[str]) -> "Inputs":
        """Those whose digest is not among `known`. Raises UsageError where none is left."""
        kept = [item for item, digest in zip(self.items, self.digests(), strict=True) if digest not in known]
        if not kept:
            raise UsageError(f"{self.source}: all its inputs calibrate too; validation needs other ones")
        return replace(self, items=kept)


def open_inputs(source: str, preprocess: PreprocessSpec) -> Inputs:
    """All images of a folder, preprocessed as the model wants it, or all rows of an .npz, taken as they are.

    Raises UsageError and ImageError: neither of both, empty, or not what the model takes.
    """
    from ..models import preprocess as images

    if Path(source).suffix == ".npz":
        rows = NpzRows(Path(source), (1, *preprocess.input_size))
        return Inputs(source, range(rows.count), rows.load, lambda row: rows.load(row).tobytes())
    if preprocess.input_size[0] not in (1, 3):
        raise UsageError(f"{source}: images cannot fill {preprocess.input_size[0]} channels; give an .npz")
    return Inputs(
        source,
        images.list_images(source),
        lambda path: images.preprocess(images.load_image(path), preprocess)[None],
        lambda path: path.read_bytes(),
    )


def generated(preprocess: PreprocessSpec, count: int, seed: int) -> Inputs:
    """Image-like inputs: coarse structure, fine grain and brightness, as pixels in 0..1, then normalised."""
    import torch

    from ..models.weights import image_like

    mean, std = (np.array(values, np.float32).reshape(-1, 1, 1) for values in (preprocess.mean, preprocess.std))

    def load(item: int) -> np.ndarray:
        noise = image_like(1, preprocess.input_size, torch.Generator().manual_seed(item)).numpy()
        pixels = np.clip(0.45 + 0.22 * noise, 0, 1)  # about the mean and spread of photographs' pixels
        return ((pixels - mean) / std).astype(np.float32)

    return Inputs(GENERATED, range(seed, seed + count), load, lambda item: str(item).encode())


def to_validate(preprocess: PreprocessSpec, console: Console, *, data: str | None, count: int, seed: int) -> Inputs:
    """The inputs that may validate: all of `data`, or `count` generated ones."""
    if data:
        return open_inputs(data, preprocess)
    console.note("validation uses generated inputs; give images with --validation-data")
    return generated(preprocess, count, seed + _VALIDATION_SEEDS)


def to_calibrate(
    preprocess: PreprocessSpec, console: Console, *, data: str | None, count: int | None, seed: int
) -> Inputs:
    """The inputs that may calibrate: all of `data`, or generated ones, which is said loudly."""
    if data:
        return open_inputs(data, preprocess)
    console.warn(NOT_REAL)
    return generated(preprocess, count or NUM_GENERATED, seed)


def apart(calibration: Inputs, validation: Inputs, counts: tuple[int, int], console: Console) -> tuple[Inputs, Inputs]:
    """At most counts[0] that calibrate and counts[1] other ones that validate; one source for both is split."""
    if calibration.source != GENERATED and Path(calibration.source).resolve() == Path(validation.source).resolve():
        source = calibration.source
        calibration, validation = calibration.split()
        console.note(f"{source}: {len(calibration)} inputs may calibrate, the other {len(validation)} validate")
    calibration = calibration.take(counts[0])
    return calibration, validation.take(sum(counts)).without(set(calibration.digests())).take(counts[1])


class NpzRows:
    """The rows of the one array in an .npz, read from disk one at a time. Raises UsageError."""

    def __init__(self, path: Path, input_shape: tuple[int, ...]):
        self.path, wanted = path, ", ".join(map(str, input_shape[1:]))
        try:
            archive = zipfile.ZipFile(path)
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            if len(names) != 1:
                raise UsageError(f"{path}: must hold one array, it holds {len(names)}")
            self._file = archive.open(names[0])
            version = np.lib.format.read_magic(self._file)
            read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, fortran, self._dtype = read_header[version](self._file)
        except OSError as e:
            raise UsageError(f"{path}: cannot be read ({e.strerror or e})") from e
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as e:
            raise UsageError(f"{path}: is not a readable .npz file") from e
        if shape[1:] != tuple(input_shape[1:]):
            raise UsageError(f"{path}: its array has shape {shape}, the model wants (n, {wanted})")
        if self._dtype.kind != "f" or fortran:
            raise UsageError(f"{path}: its array must be float in C order (preprocessed), not {self._dtype}")
        if not shape[0]:
            raise UsageError(f"{path}: its array is empty")
        self.count, self._shape, self._start = shape[0], (1, *shape[1:]), self._file.tell()

    def load(self, row: int) -> np.ndarray:
        """Row `row` as float32 (1, c, h, w)."""
        size = int(np.prod(self._shape)) * self._dtype.itemsize
        try:
            self._file.seek(self._start + row * size)
            content = self._file.read(size)
        except (zipfile.BadZipFile, OSError, EOFError, ValueError) as e:
            raise UsageError(f"{self.path}: row {row} cannot be read; the file is damaged") from e
        if len(content) != size:
            raise UsageError(f"{self.path}: ends before row {row}; the file is damaged")
        array = np.frombuffer(content, self._dtype).reshape(self._shape).astype(np.float32)
        if not np.isfinite(array).all():
            raise UsageError(f"{self.path}: row {row} holds NaN or infinite values")
        return array
