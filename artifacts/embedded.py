"""What edgeport writes into an artifact about itself, as JSON, as far as its own readers use it."""

from dataclasses import dataclass

from .json_reader import convert, parse_json
from .preprocessing import check_preprocessing
from .sizes import Sizes


@dataclass(frozen=True, kw_only=True)
class Port:
    """An input or output of a .tflite, and in which order the file has its axes: "nchw" or "nhwc"."""

    name: str
    layout: str | None = None


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How an image becomes the input, in the words of manifest.Input."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop: tuple[int, int]
    crop_pct: float
    interpolation: str
    scale: float | None = None
    color: str | None = None
    resize_mode: str | None = None
    pad_value: int | None = None

    def __post_init__(self) -> None:
        check_preprocessing(self)


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """The facts. `layout`: "nhwc" where the one input of an .onnx takes an image as a camera gives it. `kernels`: the
    kernel set that a file was made for, where another runtime than the format's usual one has it. `sizes`: of the image
    that it takes, where they are open."""

    layout: str | None = None
    kernels: str | None = None
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    preprocess: Preprocess | None = None
    sizes: Sizes | None = None


def read_embedded(text: bytes | str | None) -> Embedded:
    """The facts in a file; none where it has no such entry. Raises NotJson."""
    return convert(parse_json(text), Embedded) if text else Embedded()
