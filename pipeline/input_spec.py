"""What a model takes: its inputs and, where that is one image, how an image becomes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

from ..artifacts.errors import UsageError
from ..artifacts.sizes import Size
from ..models import PreprocessSpec
from ..models.stated_preprocess import Preprocess
from ..runtime.session import TensorSpec

IMAGE = "image"  # what the one input of a model is called that nobody has named

Shapes = Mapping[str, tuple[int, ...]]  # {name of an input, or "" for none: sizes}

ShapesLike: TypeAlias = Sequence[int] | Mapping[str, Sequence[int]] | Sequence[tuple[str, Sequence[int]]]
"""What shapes may be given as: the one input's, or each input's by its name."""


@dataclass(frozen=True)
class InputSpec:
    """The inputs of a model, static shapes each, and how an image becomes the only one.

    Attributes:
        preprocess: None where the inputs are not one image, and where nobody says it.
        stated_by: who says it, for messages.
    """

    inputs: tuple[TensorSpec, ...]
    preprocess: PreprocessSpec | None = None
    stated_by: str = ""

    @classmethod
    def of_image(cls, preprocess: PreprocessSpec, stated_by: str = "the model", name: str = IMAGE) -> "InputSpec":
        """One image (1, c, h, w)."""
        return cls((TensorSpec(name, (1, *preprocess.input_size), "float32"),), preprocess, stated_by)

    @property
    def image_size(self) -> tuple[int, int, int] | None:
        """(c, h, w) of the only input, a float (1, c, h, w), which may be an image; None for any other."""
        match self.inputs:
            case (TensorSpec(_, (1, int(channels), int(height), int(width)), "float32"),):
                return channels, height, width
        return None

    @property
    def takes_pictures(self) -> bool:
        """Whether a picture could be the input: one of 1 or 3 channels."""
        return self.image_size is not None and self.image_size[0] in (1, 3)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """{input: its sizes}, an open first one as 1."""
        return {each.name: tuple(dim or 1 for dim in each.shape) for each in self.inputs}

    def resized(self, size: Size) -> "InputSpec":
        """One image (1, c, h, w) of another (h, w), which becomes it in the same way."""
        (image,) = self.inputs
        n, channels, *_ = image.shape
        taken = (replace(image, shape=(n, channels, *size)),)
        preprocess = self.preprocess and resize_spec(self.preprocess, (int(channels or 1), *size))
        return replace(self, inputs=taken, preprocess=preprocess)

    def recorded(self, preprocess: PreprocessSpec | None, by: str) -> "InputSpec":
        """The same inputs with what is known to be right for them; as they are where that is None, or for no image."""
        if preprocess is None or self.image_size is None:
            return self
        return replace(self, preprocess=resize_spec(preprocess, self.image_size), stated_by=by)

    def stated(self, said: Preprocess, by: str, model: str) -> "InputSpec":
        """The same inputs with what `by` says; what it does not say stays as it is.

        Raises UsageError where that does not fit the model.
        """
        if self.image_size is None:
            raise UsageError(f"{model}: takes no image but {self}; {', '.join(said.said)} would say how one becomes it")
        try:
            spec, unsaid = said.complete(self.image_size, self.preprocess)
        except UsageError as e:
            raise UsageError(f"{model}: {e} (said by {by})") from e
        by = f"{by} and {self.stated_by}" if self.preprocess else by
        return replace(self, preprocess=spec, stated_by=f"{by}; by default {', '.join(unsaid)}" if unsaid else by)

    def explain_no_image(self) -> str:
        """Why photographs are nothing for these inputs, and what would work."""
        match self.inputs:
            case (TensorSpec(_, (int(count), 1 | 3 as channels, height, width), "float32"),) if count > 1:
                return (
                    f"the model takes {count} images at once ({self}) and photographs are given one at a time; "
                    f"export it with --input-shape {channels},{height},{width} and let the application run it for "
                    "each, or give an .npz of such batches"
                )
        return f"the model takes no image but {self}; give an .npz with an array for each input"

    def __str__(self) -> str:
        return ", ".join(f"{spec.name!r} {'x'.join(map(str, spec.shape))}" for spec in self.inputs)


def resize_spec(spec: PreprocessSpec, input_size: tuple[int, int, int]) -> PreprocessSpec:
    """The same preprocessing for another input size."""
    channels = input_size[0]
    mean, std = spec.mean, spec.std
    if channels != len(mean):  # nobody's convention: one value for all channels
        mean, std = (sum(mean) / len(mean),) * channels, (sum(std) / len(std),) * channels
    same = {each.name: getattr(spec, each.name) for each in fields(PreprocessSpec)}
    return PreprocessSpec(**same | {"input_size": input_size, "mean": mean, "std": std})


def read_shapes(given: object) -> dict[str, tuple[int, ...]]:
    """The input shapes that a caller gives, by name.

    Args:
        given: (3, 224, 224) for the one input of a model, {"left": (1, 3, 64, 64), ...}, a sequence of such pairs, or
            None.

    Raises:
        UsageError: anything else, or a name twice.
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        pairs = list(given.items())
    elif isinstance(given, Sequence) and not isinstance(given, str) and given and isinstance(given[0], int):
        pairs = [("", given)]
    elif isinstance(given, Sequence) and not isinstance(given, str):
        pairs = list(given)
    else:
        raise UsageError(f"input_shape: must be sizes such as (3, 224, 224), or a dict of them, not {given!r}")
    shapes: dict[str, tuple[int, ...]] = {}
    for pair in pairs:
        name, sizes = pair if isinstance(pair, Sequence) and len(pair) == 2 else ("", None)
        good = isinstance(name, str) and isinstance(sizes, Sequence) and not isinstance(sizes, str)
        if not good or not sizes or not all(isinstance(size, int) and size > 0 for size in sizes):
            raise UsageError(f"input_shape: must be sizes such as (3, 224, 224), or a dict of them, not {given!r}")
        if name in shapes:
            raise UsageError(
                "--input-shape: each input has one shape; of several inputs each needs its name (NAME=1xCxHxW)"
            )
        shapes[name] = tuple(sizes)
    return shapes


def with_batch(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that nameless sizes mean: three are an image's (c, h, w), with a batch of 1 in front."""
    return (1, *sizes) if len(sizes) == 3 else sizes


def image_size(shapes: Shapes, model: str) -> tuple[int, int, int] | None:
    """(c, h, w) for a model that takes one image; None where no shape is given. Raises UsageError."""
    if not shapes:
        return None
    (name, sizes), *others = shapes.items()
    sizes = with_batch(sizes)
    if others or name not in ("", IMAGE) or len(sizes) != 4 or sizes[0] != 1:
        raise UsageError(f"{model}: takes one input, {IMAGE!r}; give --input-shape C,H,W")
    return sizes[1], sizes[2], sizes[3]
