"""Read a string out of the scores of characters along an image, by CTC's best path. Needs numpy alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def decode(scores: np.ndarray, how: Mapping[str, Any]) -> np.ndarray:
    """(n,) the classes of the characters: the best of each step, repeats once, blanks out; `how` is `decoding` of
    bundle.json."""
    best = scores.reshape(how["steps"], how["classes"]).argmax(1)
    return best[np.append(True, best[1:] != best[:-1]) & (best != how["blank"])]
