"""What somebody says about how an image becomes a model's input, in parts, and the whole that follows from it."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, TypeAlias

from ..artifacts.errors import UsageError
from ..artifacts.preprocessing import COLORS, INTERPOLATIONS, RESIZES
from .spec import PreprocessSpec


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How an image becomes a model's input, as far as it is said; None where it is not.

    A value of the input is (pixel * scale - mean) / std, with pixels from 0 to 255. Where any of these three is said
    and the model itself says nothing, the others are scale 1/255, mean 0 and std 1; the rest is then RGB, or luminance
    for one channel, resize "stretch" and interpolation "bilinear". Where the model says something itself, only what is
    said here takes its place.

    Args:
        mean: of the scaled pixels: one number, or one for each channel in the order of the model's channels.
        std: in the same way.
        scale: what pixels are multiplied by first: a number, or a fraction such as "1/255" or "1/127.5".
        color: the order of the model's channels: "rgb", "bgr", or "gray" for one of luminance.
        resize: "stretch": to the input's size, each side by itself; "crop": keeps the ratio, and the centre is kept;
            "letterbox": keeps the ratio, and is padded on both sides.
        interpolation: "nearest", "bilinear", "bicubic" or "lanczos".
        crop_pct: of the centre crop: the share of the resized image's side that is kept; 1 where it is not said.
        pad_value: of a letterbox: a pixel from 0 to 255; 114 where it is not said.

    Raises:
        UsageError: a value that is none of these.

    Example:
        >>> Preprocess(scale=1, mean=(104, 117, 123), color="bgr").mean
        (104.0, 117.0, 123.0)
    """

    mean: float | str | Sequence[float] | None = None
    std: float | str | Sequence[float] | None = None
    scale: float | str | None = None
    color: str | None = None
    resize: str | None = None
    interpolation: str | None = None
    crop_pct: float | str | None = None
    pad_value: int | str | None = None

    def __post_init__(self) -> None:
        for name, (read, wanted) in _READERS.items():
            value = getattr(self, name)
            try:
                object.__setattr__(self, name, None if value is None else read(value))
            except (TypeError, ValueError, OverflowError):
                raise UsageError(f"{name}: must be {wanted}, not {value!r}") from None
        for name, known in _CHOICES.items():
            if getattr(self, name) not in (None, *known):
                raise UsageError(f"{name}: {getattr(self, name)!r} is none of {', '.join(known)}")

    @property
    def said(self) -> dict[str, Any]:
        """{name: value} of what is said."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name)) is not None}

    @property
    def normalizes(self) -> bool:
        """Whether it says how pixels become numbers."""
        return not self.said.keys().isdisjoint(_NORMALIZATION)

    def complete(
        self, input_size: tuple[int, int, int], base: PreprocessSpec | None = None
    ) -> tuple[PreprocessSpec, tuple[str, ...]]:
        """The whole, for an input of a size.

        Args:
            input_size: (channels, height, width).
            base: what the model says itself, for the same size; None where it says nothing.

        Returns:
            It, and the names of what nobody said.

        Raises:
            UsageError: it does not fit the input, or does not say how pixels become numbers and neither does `base`.
        """
        channels = input_size[0]
        if channels not in (1, 3):
            raise UsageError(f"an image has 1 or 3 channels, the model takes {channels}; give arrays as data")
        if base is None and not self.normalizes:
            raise UsageError(
                f"{' and '.join(self.said)} alone does not say how pixels become the model's numbers, which are "
                "(pixel * scale - mean) / std: say that too, by --scale, --mean and --std, for example --scale 1/255 "
                "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225, or --scale 1/255 alone"
            )
        color = self.color or (base.color if base else "gray" if channels == 1 else "rgb")
        if (color == "gray") != (channels == 1):
            raise UsageError(
                f"color {color}: is for {1 if color == 'gray' else 3} channels, the model takes {channels}"
            )
        resize, crop_pct = self._resizing(base)
        if base is None:
            base = PreprocessSpec(mean=(0.0,), std=(1.0,), interpolation="bilinear")
            unsaid = tuple(name for name in _ASSUMED if name not in self.said and (name, channels) != ("color", 1))
            unsaid = tuple(name for name in unsaid if (name, resize) != ("resize", "crop"))  # crop_pct says it
        else:
            unsaid = ()
        spec = PreprocessSpec(
            input_size=input_size,
            mean=self._per_channel("mean", base.mean, channels),
            std=self._per_channel("std", base.std, channels),
            interpolation=self.interpolation or base.interpolation,
            crop_pct=crop_pct,
            scale=base.scale if self.scale is None else float(self.scale),
            bgr=color == "bgr",
            resize=resize,
            pad_value=base.pad_value if self.pad_value is None else int(self.pad_value),
        )
        return spec, unsaid

    def _resizing(self, base: PreprocessSpec | None) -> tuple[str, float]:
        """(how it is resized, the share that the crop keeps)."""
        resize = self.resize or (base.resize if base else "crop" if self.crop_pct else "stretch")
        kept = base.crop_pct if base and base.resize == resize else 1.0
        crop_pct = kept if self.crop_pct is None else float(self.crop_pct)
        if resize == "letterbox" and self.crop_pct not in (None, 1.0):
            raise UsageError("crop_pct: a letterbox shows the whole image; leave it out")
        if resize != "letterbox" and self.pad_value is not None:
            raise UsageError(f"pad_value: is for resize letterbox, not for {resize}")
        return resize, crop_pct

    def _per_channel(self, name: str, otherwise: tuple[float, ...], channels: int) -> tuple[float, ...]:
        values = getattr(self, name) or otherwise
        if len(values) == 1:
            return values * channels
        if len(values) != channels:
            raise UsageError(
                f"{name}: has {len(values)} values, the model takes {channels} channel{'s'[: channels - 1]}"
            )
        return values


class Transforms(Protocol):
    """A preset of torchvision's weights."""

    mean: Any
    std: Any
    resize_size: Any
    interpolation: Any


class ImageProcessor(Protocol):
    """An image processor of transformers."""

    image_mean: Any

    def to_dict(self) -> dict[str, Any]: ...


PreprocessLike: TypeAlias = Preprocess | PreprocessSpec | Mapping[str, Any] | Transforms | ImageProcessor
"""What preprocessing may be given as: an `edgeport.Preprocess`, a dict of its arguments, a variant of the zoo
(`edgeport.get_variant`), the transforms of torchvision's weights (`weights.transforms()`), or an image processor of
transformers."""

_NORMALIZATION = ("mean", "std", "scale")
_ASSUMED = (*_NORMALIZATION, "color", "resize", "interpolation")
_CHOICES = {"color": COLORS, "resize": RESIZES, "interpolation": INTERPOLATIONS}
FIELDS = tuple(each.name for each in fields(Preprocess))


def of_spec(spec: PreprocessSpec) -> Preprocess:
    """All that a spec says, but for its size."""
    letterbox = spec.resize == "letterbox"
    return Preprocess(
        mean=spec.mean,
        std=spec.std,
        scale=spec.scale,
        color=spec.color,
        resize=spec.resize,
        interpolation=spec.interpolation,
        crop_pct=None if letterbox else spec.crop_pct,
        pad_value=spec.pad_value if letterbox else None,
    )


def of_mapping(given: Mapping[str, Any]) -> Preprocess:
    """The arguments of a Preprocess. Raises UsageError for a name that is none."""
    strange = next((name for name in given if name not in FIELDS), None)
    if strange is not None:
        raise UsageError(f"preprocess: has no {strange!r}; it has {', '.join(FIELDS)}")
    return Preprocess(**given)


def _number(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError
    return number


def _numbers(value: Any) -> tuple[float, ...]:
    if isinstance(value, str):
        value = value.split(",")
    numbers = tuple(map(_number, value)) if isinstance(value, Iterable) else (_number(value),)
    if not numbers:
        raise ValueError
    return numbers


def _positive_numbers(value: Any) -> tuple[float, ...]:
    return tuple(map(_positive, _numbers(value)))


def _positive(number: float) -> float:
    if number <= 0:
        raise ValueError
    return number


def _fraction(value: Any) -> float:
    if not isinstance(value, str):
        return _positive(_number(value))
    above, slash, below = value.partition("/")
    return _positive(_number(above)) / (_positive(_number(below)) if slash else 1.0)


def _share(value: Any) -> float:
    share = _positive(_number(value))
    if share > 1:
        raise ValueError
    return share


def _pixel(value: Any) -> int:
    number = _number(value)
    if number != int(number) or not 0 <= number <= 255:
        raise ValueError
    return int(number)


# {field: (what reads its value, what that may be)}
_READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "mean": (_numbers, "a number, or one for each channel (0.485,0.456,0.406)"),
    "std": (_positive_numbers, "a number above 0, or one for each channel (0.229,0.224,0.225)"),
    "scale": (_fraction, "a number above 0, or a fraction such as 1/255"),
    "crop_pct": (_share, "a share above 0 and at most 1"),
    "pad_value": (_pixel, "a whole number from 0 to 255"),
}
