"""Depth, and other dense regression: a number for each pixel."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .agreement import FigureSpec
from .pictures import draw_numbers
from .task import Arrays, Head, Meaning, Port, Roles, Size, Task, limits, only

LEAST = 1e-3  # of the reference's largest value in an image: what is below has no ratio
NEAR = 1.25  # the ratio that delta1 allows


def _match(ports: Sequence[Port], size: Size) -> Roles | None:
    return only(ports, "depth", lambda s: len(s) == 3 or (len(s) == 4 and s[1] == 1))


def decode(meaning: Meaning, outputs: Arrays) -> np.ndarray:
    """(h, w) the numbers."""
    return outputs["depth"].reshape(outputs["depth"].shape[-2:])


def compare(meaning: Meaning, ref: np.ndarray, cand: np.ndarray) -> tuple[float, float]:
    """(mean relative error, share of pixels within a ratio of NEAR), over the pixels that have a ratio."""
    counts = ref > LEAST * max(float(ref.max()), 0.0)
    if not counts.any():
        return np.nan, np.nan
    ref, cand = ref[counts].astype(np.float64), cand[counts].astype(np.float64)
    ratio = np.maximum(cand / ref, ref / np.maximum(cand, LEAST * ref))
    return float((np.abs(ref - cand) / ref).mean()), float((ratio < NEAR).mean())


def reduce(records: Sequence[tuple[float, float]]) -> Mapping[str, float]:
    """The means over the images, as Eigen et al. (2014) define them."""
    known = np.array([each for each in records if not np.isnan(each[0])])
    return {"abs_rel": float(known[:, 0].mean()), "delta1": float(known[:, 1].mean())} if len(known) else {}


def draw(meaning: Meaning, image: Any, answer: np.ndarray) -> Any:
    """The numbers as colours, from the least to the largest."""
    return draw_numbers(image, answer)


TASK = Task(
    name="depth",
    position=4,
    about="a number for each pixel",
    heads=(Head(name="map", about="(1, 1, h, w) or (1, h, w)", match=_match),),
    figures=(FigureSpec("abs_rel", "AbsRel", -1, ".4f"), FigureSpec("delta1", "delta1", form=".1%")),
    decode=decode,
    compare=compare,
    reduce=reduce,
    must=limits(fp32={"abs_rel": 0.01}, fp16={"abs_rel": 0.02}, rounded={"abs_rel": 0.3}),
    should=limits(fp32={}, fp16={}, rounded={"abs_rel": 0.1}),
    budgets={"max_abs_rel": "abs_rel"},
    unknown="the float model gives no numbers above 0 on these inputs",
    draw=draw,
)
