"""Checks of single arguments, with one sentence where one is wrong."""

import difflib
import math
from collections.abc import Sequence
from pathlib import Path

from ..artifacts.errors import UsageError
from ..targets.registry import is_artifact


def check_choice(name: str, value: object, choices: Sequence[str | int]) -> None:
    """Raises UsageError unless the value is one of the choices; names the nearest."""
    if value not in choices:
        names = [str(choice) for choice in choices]
        near = difflib.get_close_matches(str(value), names, 1)
        raise UsageError(
            f"{name}: {value!r} is none of {', '.join(names)}{f'; did you mean {near[0]!r}?' if near else ''}"
        )


def check_share(name: str, value: object, most: float = 1.0) -> None:
    """Raises UsageError unless the value is None or a number from 0 to `most`."""
    if value is None:
        return
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (0 <= value <= most and math.isfinite(value))
    ):
        limits = "of at least 0" if math.isinf(most) else f"from 0 to {most:g}"
        raise UsageError(f"{name}: must be a number {limits}, not {value!r}")


def check_model_name(name: str) -> None:
    """Raises UsageError for what cannot be a model's name: a path, to an artifact or to something that is there."""
    wanted = "a model is a name of `edgeport list`, FILE.py:NAME, an .onnx or .pt2 file"
    if is_artifact(name):
        raise UsageError(f"{name}: is an artifact by its name, which is made of a model; {wanted}")
    if name and Path(name).exists():
        raise UsageError(f"{name}: is a {'folder' if Path(name).is_dir() else 'file'}, not a model; {wanted}")
