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
from ..preprocess_question import Question
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
HELD_EVERY = 4  # of the inputs that fit corrections, each fourth judges them
FEWEST_TO_HOLD = 48  # with fewer all are needed to fit
LARGEST_IMAGE = 1 << 30  # bytes of an image's file
_RANGES = {"uint8": (0, 256), "int8": (-128, 128), "bool": (0, 2)} | dict.fromkeys(
    ("int16", "uint16", "int32", "uint32", "int64", "uint64"), (0, 10)
)

_PIXEL_MEAN, _PIXEL_STD = 0.45, 0.22  # about those of photographs, as pixels in 0..1

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
        preprocess: how an image becomes a feed; None where the data are no images.
    """

    source: str
    items: Sequence[Any]
    load: Callable[[Any], Feed]
    content: Callable[[Any], bytes]
    in_memory: bool = False
    label: Callable[[Any], int] | None = None
    preprocess: PreprocessSpec | None = None
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

    def hold_back(self) -> tuple["Dataset", "Dataset"]:
        """(three quarters to fit, a quarter to judge the fit on), the same ones each time; of few none judge."""
        if len(self) < FEWEST_TO_HOLD:
            return self, replace(self, items=[])
        held = [i % HELD_EVERY == HELD_EVERY - 1 for i in range(len(self))]
        fit, judge = ([item for item, h in zip(self.items, held, strict=True) if h == which] for which in (False, True))
        return replace(self, items=fit), replace(self, items=judge)

    def shards(self, chosen: Collection[int], count: int) -> "Dataset":
        """Of `count` shards, to which the inputs go in turn, the chosen ones."""
        return replace(self, items=[item for i, item in enumerate(self.items) if i % count in chosen])

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


def open_folder(source: str, spec: InputSpec, question: Question = Question()) -> Dataset:  # noqa: B008  (frozen)
    """All images of a folder, preprocessed as the model wants it, or all rows of an .npz, taken as they are.

    Raises UsageError and ImageError: neither of both, empty, not what the model takes, or images of a model of which
    nobody has said how an image becomes its input.
    """
    from ...models import preprocess as images

    if Path(source).suffix == ".npz":
        rows = NpzRows(Path(source), spec.inputs)
        return Dataset(source, range(rows.count), rows.load, lambda row: bytes_of(rows.load(row)))
    if spec.image_size is None:
        raise UsageError(f"{source}: {spec.explain_no_image()}")
    if not spec.takes_pictures:
        raise UsageError(f"{source}: images cannot fill {spec.image_size[0]} channels; give an .npz")
    files = images.list_images(source)
    wanted, name = spec.preprocess, spec.inputs[0].name
    if wanted is None:
        raise question.ask(f"the images in {source}", spec)
    return Dataset(
        source,
        files,
        lambda path: {name: images.preprocess(images.load_image(path), wanted)[None]},
        lambda path: read_regular(path, LARGEST_IMAGE),
        preprocess=wanted,
    )


def bytes_of(feed: Mapping[str, np.ndarray]) -> bytes:
    """What a feed consists of."""
    return b"".join(array.tobytes() for array in feed.values())


def generate_dataset(spec: InputSpec, count: int, seed: int) -> Dataset:
    """Image-like inputs for an image, random numbers of the right type and range for anything else."""
    size = spec.image_size
    load = _noise(spec.inputs) if size is None else _image_like(spec.inputs[0].name, size, spec.preprocess)
    return Dataset(
        GENERATED, range(seed, seed + count), load, lambda item: str(item).encode(), preprocess=spec.preprocess
    )


def describe_generated(spec: InputSpec) -> str:
    """What generated inputs look like, where that is not plain from what is known of the model."""
    if spec.image_size is None or spec.preprocess:
        return ""
    return " (image-like, of mean 0 and standard deviation 1: how an image becomes this model's input is not known)"


def _image_like(name: str, size: tuple[int, int, int], spec: PreprocessSpec | None) -> Callable[[int], Feed]:
    """Coarse structure, fine grain and brightness, as pixels in 0..1, then normalised; of an unknown normalisation to
    mean 0 and standard deviation 1."""
    import torch

    from ...models.weights import image_like

    known = (spec.pixel_mean, spec.pixel_std) if spec else ((255 * _PIXEL_MEAN,), (255 * _PIXEL_STD,))
    mean, std = (np.array([value / 255 for value in values], np.float32).reshape(-1, 1, 1) for values in known)

    def load(item: int) -> Feed:
        noise = image_like(1, size, torch.Generator().manual_seed(item)).numpy()
        pixels = np.clip(_PIXEL_MEAN + _PIXEL_STD * noise, 0, 1)
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
