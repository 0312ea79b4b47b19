"""Write how an image becomes the input, in C++."""

from .facts import Facts
from .literals import truth


def write_preprocessing(known: Facts) -> str:
    """The definition of kPreprocessing, of preprocess.h's struct."""
    how = known.to_json()["preprocessing"]
    mean, std = (", ".join(f"{number!r}f" for number in _three(how[key])) for key in ("mean", "std"))
    sizes = ", ".join(str(how[key]) for key in ("channels", "height", "width", "cover_height", "cover_width"))
    return f"""inline constexpr Preprocessing kPreprocessing{{
    {sizes}, Resize::{how["resize"]}, {how["pad_value"]}, Filter::{how["interpolation"]},
    {how["divisor"]!r}f, {{{mean}}}, {{{std}}}, {truth(how["bgr"])}, {truth(how["normalises"])}, {truth(known.nhwc)}}};
"""


def _three(numbers: list[float]) -> list[float]:
    return [*numbers, *[0.0, 0.0]][:3] if len(numbers) < 3 else numbers
