"""Image to image: super-resolution, denoising, style transfer."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from .agreement import FigureSpec
from .pictures import to_image
from .task import Arrays, Head, Meaning, Port, Roles, Size, Task, example, limits, only

MOST_DB = 200.0  # stands for "the same"


def _match(ports: Sequence[Port], size: Size, *, low: float, high: float) -> Roles | None:
    """A picture whose values, where the reference was run, leave the range by no more than a tenth of it."""
    roles = only(ports, "image", lambda s: len(s) == 4 and s[1] in (1, 3))
    values = example(ports, roles["image"]) if roles else None
    room = (high - low) / 10
    fits = values is None or (values.min() >= low - room and values.max() <= high + room)
    return roles if fits else None


def _plain(ports: Sequence[Port], size: Size) -> bool:
    """Whether it is a picture in colours, some whole number of times as large as the input."""
    _, channels, height, width = ports[0].shape
    if size is None or channels != 3 or not height or not width:
        return False
    return height % size[0] == 0 and width % size[1] == 0 and height // size[0] == width // size[1] > 1


def decode(meaning: Meaning, outputs: Arrays) -> np.ndarray:
    """(h, w, c) from 0 to 1, within the range of the pixels."""
    low, high = meaning.settings["low"], meaning.settings["high"]
    return np.clip((outputs["image"].astype(np.float64) - low) / (high - low), 0, 1).transpose(1, 2, 0)


def compare(meaning: Meaning, ref: np.ndarray, cand: np.ndarray) -> float:
    """PSNR in dB."""
    error = float(np.square(ref - cand).mean())
    return MOST_DB if error == 0 else min(MOST_DB, -10 * math.log10(error))


def reduce(records: Sequence[float]) -> Mapping[str, float]:
    """The mean over the images."""
    return {"psnr": float(np.mean(records))}


def draw(meaning: Meaning, image: Any, answer: np.ndarray) -> Any:
    """The picture itself."""
    return to_image(answer * 255)


def _head(name: str, low: float, high: float) -> Head:
    return Head(
        name=name,
        about=f"(1, 1 or 3, h, w) with values from {low:g} to {high:g}",
        settings={"low": low, "high": high},
        match=partial(_match, low=low, high=high),
        plain=_plain,
    )


TASK = Task(
    name="image",
    position=6,
    about="another image",
    heads=(_head("unit", 0.0, 1.0), _head("signed", -1.0, 1.0), _head("pixels", 0.0, 255.0)),
    figures=(FigureSpec("psnr", "PSNR in dB", form=".2f"),),
    decode=decode,
    compare=compare,
    reduce=reduce,
    must=limits(fp32={"psnr": 60.0}, fp16={"psnr": 40.0}, rounded={"psnr": 20.0}),
    should=limits(fp32={}, fp16={}, rounded={"psnr": 30.0}),
    budgets={"min_psnr": "psnr"},
    draw=draw,
)
