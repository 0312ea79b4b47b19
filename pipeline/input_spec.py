"""This file says what a model takes: its inputs and, where that is one image, how an image becomes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..artifacts.errors import UsageError
from ..models import PreprocessSpec
from ..runtime.session import TensorSpec

IMAGE = "image"  # what the one input of a model is called that nobody has named

Shapes = Mapping[str, tuple[int, ...]]  # as given by --input-shape: {name, or "" for none: sizes}


@dataclass(frozen=True)
class Takes:
    """The inputs of a model, static shapes each. `preprocess` is None where they are not one image."""

    inputs: tuple[TensorSpec, ...]
    preprocess: PreprocessSpec | None = None

    @classmethod
    def image(cls, preprocess: PreprocessSpec, name: str = IMAGE) -> "Takes":
        """One image (1, c, h, w)."""
        return cls((TensorSpec(name, (1, *preprocess.input_size), "float32"),), preprocess)

    @classmethod
    def of(cls, inputs: tuple[TensorSpec, ...], preprocess: PreprocessSpec | None = None) -> "Takes":
        """Inputs; a single float (1, c, h, w) is an image, preprocessed like ImageNet's where nobody says how."""
        match inputs:
            case (TensorSpec(_, (1, int(channels), int(height), int(width)), "float32"),):
                pass
            case _:
                return cls(inputs)
        return cls(inputs, resized(preprocess or PreprocessSpec(), (channels, height, width)))

    def __str__(self) -> str:
        return ", ".join(f"{spec.name!r} {'x'.join(map(str, spec.shape))}" for spec in self.inputs)


def resized(spec: PreprocessSpec, input_size: tuple[int, int, int]) -> PreprocessSpec:
    """The same preprocessing for another input size."""
    channels = input_size[0]
    mean, std = spec.mean, spec.std
    if channels != len(mean):  # nobody's convention: one value for all channels
        mean, std = (sum(mean) / len(mean),) * channels, (sum(std) / len(std),) * channels
    return PreprocessSpec(
        input_size=input_size, mean=mean, std=std, interpolation=spec.interpolation, crop_pct=spec.crop_pct
    )


def named(given: Sequence[tuple[str, tuple[int, ...]]]) -> dict[str, tuple[int, ...]]:
    """What --input-shape was given, by name. Raises UsageError where a name comes twice."""
    shapes = dict(given)
    if len(shapes) < len(given):
        raise UsageError(
            "--input-shape: each input has one shape; of several inputs each needs its name (NAME=1xCxHxW)"
        )
    return shapes


def whole(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that nameless sizes mean: three are an image's (c, h, w), with a batch of 1 in front."""
    return (1, *sizes) if len(sizes) == 3 else sizes


def image_size(shapes: Shapes, model: str) -> tuple[int, int, int] | None:
    """(c, h, w) for a model that takes one image; None where no shape is given. Raises UsageError."""
    if not shapes:
        return None
    (name, sizes), *others = shapes.items()
    sizes = whole(sizes)
    if others or name not in ("", IMAGE) or len(sizes) != 4 or sizes[0] != 1:
        raise UsageError(f"{model}: takes one input, {IMAGE!r}; give --input-shape C,H,W")
    return sizes[1], sizes[2], sizes[3]
