"""Embedding: a vector for the whole image, which is compared with those of other images."""

from collections.abc import Mapping, Sequence

import numpy as np

from .agreement import FigureSpec
from .task import Arrays, Head, Meaning, Port, Roles, Size, Task, limits, only

NEIGHBOURS = 5  # of each image, among the others


def _match(ports: Sequence[Port], size: Size) -> Roles | None:
    return only(ports, "vector", lambda s: len(s) in (2, 4) and all(side == 1 for side in s[2:]))


def decode(meaning: Meaning, outputs: Arrays) -> np.ndarray:
    """(d,) of length 1."""
    vector = outputs["vector"].astype(np.float64).ravel()
    return vector / (np.linalg.norm(vector) or 1.0)


def compare(meaning: Meaning, ref: np.ndarray, cand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both vectors: neighbours are known when all are there."""
    return ref, cand


def reduce(records: Sequence[tuple[np.ndarray, np.ndarray]]) -> Mapping[str, float]:
    """The mean cosine, and the share of each image's nearest neighbours that are the same for both."""
    ref, cand = (np.stack(side) for side in zip(*records, strict=True))
    figures = {"cosine": float((ref * cand).sum(1).mean())}
    count = min(NEIGHBOURS, (len(ref) - 1) // 2)  # of three images each is near every other
    if count:
        near = [_nearest(vectors, count) for vectors in (ref, cand)]
        figures["neighbours"] = float(np.mean([len(set(a) & set(b)) / count for a, b in zip(*near, strict=True)]))
    return figures


def _nearest(vectors: np.ndarray, count: int) -> np.ndarray:
    """(n, count) the other images with the largest cosines."""
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    return np.argsort(-likeness, 1, kind="stable")[:, :count]


TASK = Task(
    name="embed",
    position=5,
    about="a vector to compare images by",
    heads=(Head(name="vector", about="(1, d) or (1, d, 1, 1)", match=_match),),
    figures=(
        FigureSpec("cosine", "mean cosine", form=".4f"),
        FigureSpec("neighbours", "same nearest neighbours", form=".1%"),
    ),
    decode=decode,
    compare=compare,
    reduce=reduce,
    must=limits(fp32={"cosine": 0.9999}, fp16={"cosine": 0.999}, rounded={"cosine": 0.9}),
    should=limits(fp32={}, fp16={}, rounded={"cosine": 0.98}),
    budgets={"min_cosine": "cosine"},
)
