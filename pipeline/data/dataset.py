"""The inputs that calibrate a model and the other ones that validate it, whatever they come as."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.digest import sha256_of
from ...artifacts.errors import UsageError
from ...artifacts.files import read_regular
from ...models import PreprocessSpec
from ...runtime.pixels import all_to_pixels, from_pixels, to_pixels
from ...runtime.session import TensorSpec
from ..input_spec import InputSpec
from .npz import NpzRows

GENERATED = "generated"
NUM_CALIBRATION = 300  # NNCF's default, which users know
NUM_GENERATED = 32  # more of the same noise teaches nothing
VALIDATION_SEEDS = 1_000_000  # generated inputs that validate are others than those that calibrate
EVERY = 5  # of a folder that has to do for both, each fifth input validates
NOT_REAL = (
    "int8 was calibrated on GENERATED inputs, not on images: measure its accuracy before you trust it, "
    "and give your own images with --calibration-data"
)
# What random inputs are drawn from, half-open; of any other type normal noise. An index of unknown meaning is small.
MOST_NUMBERS = 2**31  # of one input
LARGEST_IMAGE = 1 << 30  # bytes of an image's file
_RANGES = {"uint8": (0, 256), "int8": (-128, 128), "bool": (0, 2)} | dict.fromkeys(
    ("int16", "uint16", "int32", "uint32", "int64", "uint64"), (0, 10)
)

Feed = dict[str, np.ndarray]  # {input name: float32 array}, whatever the model's own type is


@dataclass(frozen=True)
class Dataset:
    """Model inputs that are made when they are asked for, one at a time.

    Attributes:
        source: where they come from, for the manifest.
        items: one of something for each input: a path, a row, a seed.
        load: item -> a feed. Raises UsageError or ImageError, naming the item.
        content: item -> bytes that are the same for the same input.
        in_memory: `source` is no path.
        label: item -> the index of its class, None where the data do not say it.
    """

    source: str
    items: Sequence[Any]
    load: Callable[[Any], Feed]
    content: Callable[[Any], bytes]
    in_memory: bool = False
    label: Callable[[Any], int] | None = None
    _digests: dict[Any, str] = field(default_factory=dict, repr=False, compare=False)  # shared by all its parts

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Feed]:
        return map(self.load, self.items)

    def feeds(self, advance: Callable[[int], None] = lambda done: None) -> Iterator[Feed]:
        """One feed after the other; `advance` hears how many were used."""
        for done, feed in enumerate(self):
            advance(done)
            yield feed

    def take(self, count: int) -> "Dataset":
        """At most `count` of them, evenly spaced, so that folders sorted by class give all classes."""
        if len(self) <= count:
            return self
        return replace(self, items=[self.items[i * len(self) // count] for i in range(count)])

    def round_to_pixels(self, preprocess: PreprocessSpec) -> "Dataset":
        """The same inputs with every value rounded to what an image of 8 bits can hold."""
        load = self.load

        def rounded(item: Any) -> Feed:
            return {name: from_pixels(to_pixels(array, preprocess), preprocess) for name, array in load(item).items()}

        return replace(self, load=rounded)

    def as_pixels(self, preprocess: PreprocessSpec) -> "Dataset":
        """The images before their normalisation: whole numbers from 0 to 255."""
        load = self.load
        return replace(self, load=lambda item: all_to_pixels(load(item), preprocess))

    def split(self) -> tuple["Dataset", "Dataset"]:
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
        """What tells each input from others: the beginning of its content's sha256; of each, read once."""
        for item in self.items:
            if item not in self._digests:
                self._digests[item] = sha256_of(self.content(item))[:16]
        return [self._digests[item] for item in self.items]

    def without(self, known: Collection[str]) -> "Dataset":
        """Those whose digest is not among `known`. Raises UsageError where none is left."""
        kept = [item for item, digest in zip(self.items, self.digests(), strict=True) if digest not in known]
        if not kept:
            raise UsageError(f"{self.source}: all its inputs calibrate too; validation needs other ones")
        return replace(self, items=kept)


def open_folder(source: str, spec: InputSpec) -> Dataset:
    """All images of a folder, preprocessed as the model wants it, or all rows of an .npz, taken as they are.

    Raises UsageError and ImageError: neither of both, empty, or not what the model takes.
    """
    from ...models import preprocess as images

    if Path(source).suffix == ".npz":
        rows = NpzRows(Path(source), spec.inputs)
        return Dataset(source, range(rows.count), rows.load, lambda row: bytes_of(rows.load(row)))
    wanted = spec.preprocess
    if wanted is None:
        raise UsageError(f"{source}: the model takes no image but {spec}; give an .npz with an array for each input")
    if wanted.input_size[0] not in (1, 3):
        raise UsageError(f"{source}: images cannot fill {wanted.input_size[0]} channels; give an .npz")
    name = spec.inputs[0].name
    return Dataset(
        source,
        images.list_images(source),
        lambda path: {name: images.preprocess(images.load_image(path), wanted)[None]},
        lambda path: read_regular(path, LARGEST_IMAGE),
    )


def bytes_of(feed: Mapping[str, np.ndarray]) -> bytes:
    """What a feed consists of."""
    return b"".join(array.tobytes() for array in feed.values())


def generate_dataset(spec: InputSpec, count: int, seed: int) -> Dataset:
    """Image-like inputs for an image, random numbers of the right type and range for anything else."""
    wanted = spec.preprocess
    load = _noise(spec.inputs) if wanted is None else _image_like(spec.inputs[0].name, wanted)
    return Dataset(GENERATED, range(seed, seed + count), load, lambda item: str(item).encode())


def _image_like(name: str, spec: PreprocessSpec) -> Callable[[int], Feed]:
    """Coarse structure, fine grain and brightness, as pixels in 0..1, then normalised."""
    import torch

    from ...models.weights import image_like

    mean, std = (np.array(values, np.float32).reshape(-1, 1, 1) for values in (spec.mean, spec.std))

    def load(item: int) -> Feed:
        noise = image_like(1, spec.input_size, torch.Generator().manual_seed(item)).numpy()
        pixels = np.clip(0.45 + 0.22 * noise, 0, 1)  # about the mean and spread of photographs' pixels
        return {name: ((pixels - mean) / std).astype(np.float32)}

    return load


def _noise(inputs: Sequence[TensorSpec]) -> Callable[[int], Feed]:
    def load(item: int) -> Feed:
        rng = np.random.default_rng(item)
        return {spec.name: random_array(spec, rng).astype(np.float32) for spec in inputs}

    return load


def random_array(spec: TensorSpec, rng: np.random.Generator) -> np.ndarray:
    """Normal noise, or whole numbers for an integer type; float32, an image's pixels uint8; an open dimension is 1.

    Raises UsageError where no input can be so large.
    """
    shape = [1 if dim is None else dim for dim in spec.shape]
    if math.prod(shape) > MOST_NUMBERS or min(shape, default=0) < 0:
        raise UsageError(f"input {spec.name!r} has shape {tuple(shape)}, which is no size that an input can have")
    drawn = rng.integers(*_RANGES[spec.dtype], shape) if spec.dtype in _RANGES else rng.standard_normal(shape)
    return drawn.astype(np.uint8 if spec.dtype == "uint8" else np.float32)
