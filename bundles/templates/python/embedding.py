"""Bring the vectors of images to length 1, and compare them. Needs numpy alone."""

import numpy as np


def normalised(vector: np.ndarray) -> np.ndarray:
    """(d,) of length 1, float64; of zeros as it is."""
    vector = vector.astype(np.float64).reshape(-1)
    return vector / (np.linalg.norm(vector) or 1.0)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """How alike two vectors are, of any length: 1 for the same direction, 0 for nothing in common."""
    return float(normalised(one) @ normalised(other))
