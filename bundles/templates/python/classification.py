"""The best of a classifier's scores. Needs numpy alone."""

import numpy as np


def top(scores: np.ndarray, count: int) -> list[tuple[int, float]]:
    """(class, score) of the highest, best first; of equal ones the lower class."""
    return [(int(i), float(scores[i])) for i in np.argsort(-scores, kind="stable")[:count]]
