"""Semantic segmentation: a class for each pixel."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .agreement import FigureSpec
from .pictures import draw_classes
from .task import Arrays, Head, Meaning, Port, Roles, Size, Task, example, limits, only, shape_of

LEAST_SIDE = 4  # of a map


def _is_map(sides: tuple[int | None, ...]) -> bool:
    return len(sides) == 2 and all(side is None or side >= LEAST_SIDE for side in sides)


def _match_logits(ports: Sequence[Port], size: Size) -> Roles | None:
    return only(ports, "scores", lambda s: len(s) == 4 and s[1] is not None and s[1] > 1 and _is_map(s[2:]))


def _match_binary(ports: Sequence[Port], size: Size) -> Roles | None:
    return only(ports, "scores", lambda s: len(s) == 4 and s[1] == 1 and _is_map(s[2:]))


def _match_probability(ports: Sequence[Port], size: Size) -> Roles | None:
    roles = _match_binary(ports, size)
    if roles and ports[0].recorded:
        return roles
    values = example(ports, roles["scores"]) if roles else None
    return roles if values is not None and values.min() >= 0 and values.max() <= 1 else None


def _match_ids(ports: Sequence[Port], size: Size) -> Roles | None:
    roles = only(
        ports, "ids", lambda s: _is_map(s[1:]) if len(s) == 3 else len(s) == 4 and s[1] == 1 and _is_map(s[2:])
    )
    return roles if roles and (ports[0].recorded or ports[0].kind == "whole numbers") else None


def decode(meaning: Meaning, outputs: Arrays) -> np.ndarray:
    """(h, w) the class of each pixel."""
    if "ids" in outputs:
        return outputs["ids"].reshape(outputs["ids"].shape[-2:]).astype(np.int64)
    scores, threshold = outputs["scores"], meaning.settings.get("threshold")
    return scores.argmax(0) if threshold is None else (scores[0] > threshold).astype(np.int64)


def compare(meaning: Meaning, ref: np.ndarray, cand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((n, 2) pairs of the reference's class and the artifact's, (n,) how many pixels have them)."""
    pairs, counts = np.unique(np.stack([ref.ravel(), cand.ravel()], 1), axis=0, return_counts=True)
    return pairs, counts


def reduce(records: Sequence[tuple[np.ndarray, np.ndarray]]) -> Mapping[str, float]:
    """Mean intersection over union of the classes that either gives, and the share of pixels that agree.

    None where the reference gives one class alone, which any map of one value would agree with.
    """
    pairs = np.concatenate([pairs for pairs, _ in records])
    counts = np.concatenate([counts for _, counts in records]).astype(np.float64)
    if len(np.unique(pairs[:, 0])) < 2:
        return {}
    same = pairs[:, 0] == pairs[:, 1]
    shares = []
    for each in np.unique(pairs):
        union = counts[(pairs == each).any(1)].sum()
        shares.append(counts[same & (pairs[:, 0] == each)].sum() / union)
    return {"miou": float(np.mean(shares)), "pixels": float(counts[same].sum() / counts.sum())}


def count_labels(meaning: Meaning, ports: Sequence[Port]) -> Sequence[int]:
    """As many as there are scores for each pixel."""
    scores = shape_of(ports, meaning.outputs["scores"])[1] if meaning.head.name == "logits" else None
    return (scores,) if scores else ()


def draw(meaning: Meaning, image: Any, answer: np.ndarray) -> Any:
    """The image under the colours of the classes."""
    return draw_classes(image, answer)


TASK = Task(
    name="segment",
    position=2,
    about="a class for each pixel",
    heads=(
        Head(
            name="ids",
            about="(1, h, w) or (1, 1, h, w): numbers of classes, after an argmax",
            match=_match_ids,
            plain=lambda ports, size: size is not None,
        ),
        Head(name="logits", about="(1, classes, h, w): a score for each class", match=_match_logits),
        Head(
            name="probability",
            about="(1, 1, h, w): the probability of one class",
            settings={"threshold": 0.5},
            match=_match_probability,
        ),
        Head(
            name="binary",
            about="(1, 1, h, w): the logit of one class",
            settings={"threshold": 0.0},
            match=_match_binary,
        ),
    ),
    figures=(FigureSpec("miou", "mIoU with float"), FigureSpec("pixels", "pixel agreement", form=".1%")),
    decode=decode,
    compare=compare,
    reduce=reduce,
    must=limits(fp32={"miou": 0.98}, fp16={"miou": 0.9}, rounded={"miou": 0.5}),
    should=limits(fp32={}, fp16={}, rounded={"miou": 0.9}),
    budgets={"min_miou": "miou"},
    unknown="the float model gives one class alone on these inputs",
    count_labels=count_labels,
    draw=draw,
)
