"""Average precision of boxes, as COCO defines it: over ten overlaps from 0.5 to 0.95, 101 recalls, and all classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .boxes import Boxes, overlaps

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of intersection over union
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Matches:
    """The boxes of one image against the true ones.

    Attributes:
        classes, scores: (n,) of the boxes.
        hits: (n, thresholds) whether a box is the best one for a true box of its class.
        truths: (m,) classes of the true boxes.
        score_errors: (k,) |score - true score| of the boxes that are hits at the first threshold.
    """

    classes: np.ndarray
    scores: np.ndarray
    hits: np.ndarray
    truths: np.ndarray
    score_errors: np.ndarray


def match(truth: Boxes, found: Boxes) -> Matches:
    """Match the boxes of one image with the true ones of their class: the highest score chooses first, the best overlap
    among those that are free."""
    found = found.take(np.argsort(-found.scores, kind="stable"))
    shared = overlaps(found.corners, truth.corners)
    shared[found.classes[:, None] != truth.classes[None, :]] = 0
    hits = np.zeros((len(found), len(THRESHOLDS)), bool)
    errors = []
    for at, threshold in enumerate(THRESHOLDS):
        free = np.ones(len(truth), bool)
        for i in np.flatnonzero(shared.max(1, initial=0) >= threshold):
            possible = np.where(free, shared[i], 0)
            best = int(possible.argmax())
            if possible[best] >= threshold:
                free[best], hits[i, at] = False, True
                if at == 0:
                    errors.append(abs(float(found.scores[i] - truth.scores[best])))
    return Matches(found.classes, found.scores, hits, truth.classes, np.array(errors))


def average_precision(images: Sequence[Matches]) -> np.ndarray:
    """(thresholds,) the average precision at each overlap, the mean of the classes that have true boxes; NaN for none.

    Source: Lin et al., Microsoft COCO (2014), and the definition of its evaluation.
    """
    truths = np.concatenate([each.truths for each in images]) if images else np.zeros(0)
    if not len(truths):
        return np.full(len(THRESHOLDS), np.nan)
    classes = np.concatenate([each.classes for each in images])
    scores = np.concatenate([each.scores for each in images])
    hits = np.concatenate([each.hits for each in images])
    return np.mean(
        [_of_class(scores[classes == c], hits[classes == c], int((truths == c).sum())) for c in np.unique(truths)], 0
    )


def _of_class(scores: np.ndarray, hits: np.ndarray, truths: int) -> np.ndarray:
    """(thresholds,) of one class."""
    right = np.cumsum(hits[np.argsort(-scores, kind="stable")], 0)
    recall = right / truths
    precision = right / np.arange(1, len(right) + 1)[:, None]
    precision = np.maximum.accumulate(precision[::-1], 0)[::-1]  # at this recall or a higher one
    figures = np.zeros(len(THRESHOLDS))
    for at in range(len(THRESHOLDS)):
        where = np.searchsorted(recall[:, at], RECALLS - 1e-12)
        figures[at] = np.append(precision[:, at], 0)[where].mean()
    return figures
