"""Says how an image becomes a model's input, and asks where an image is there and nobody has said it."""

from dataclasses import dataclass
from pathlib import Path

from ..artifacts.errors import UsageError
from .input_spec import InputSpec

# what a model often takes, as an example: of three channels, of one
_EXAMPLES = {
    3: "--scale 1/255 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --color rgb --resize crop --crop-pct 0.875",
    1: "--scale 1/255 --mean 0.5 --std 0.5 --color gray --resize stretch",
}


@dataclass(frozen=True)
class Question:
    """The question about one model.

    Attributes:
        model: as the user named it.
        command: that the user gave, as far as it matters: "edgeport export net.py:make --input-shape 3,128,128".
    """

    model: str = "the model"
    command: str = "edgeport export MODEL"

    def ask(self, what: str, spec: InputSpec) -> UsageError:
        """The error that asks; `what` needs the answer: "--input uint8", "the images in photos/"."""
        channels = spec.image_size[0] if spec.image_size else 3
        return UsageError(
            f"{self.model}: how an image becomes its input is not known, and {what} cannot do without it; say how it "
            "was trained: --scale, --mean and --std (value = (pixel * scale - mean) / std; pixels / 255 alone is "
            "--scale 1/255), --color rgb|bgr|gray, --resize stretch|crop|letterbox, --interpolation, --crop-pct; "
            f"for example: {self.command} {_EXAMPLES.get(channels, _EXAMPLES[3])}; in Python: "
            "preprocess={'scale': '1/255', 'mean': ..., 'std': ...}"
        )


def shape_option(model: str, spec: InputSpec) -> list[str]:
    """--input-shape as the user's own code needs it; a file knows its shape."""
    if spec.image_size is None or ":" not in model:
        return []
    return ["--input-shape", ",".join(map(str, spec.image_size))]


def data_options(*given: tuple[str, object]) -> list[str]:
    """Options with the paths among their values; what is in memory has no words on a command line."""
    paths = ((option, getattr(value, "path", value)) for option, value in given)
    return [word for option, path in paths if isinstance(path, str | Path) for word in (option, str(path))]


def describe_preprocessing(spec: InputSpec) -> str:
    """How images become the input, and who says so, for a note."""
    return f"images become the input so: {spec.preprocess} (said by {spec.stated_by})"
