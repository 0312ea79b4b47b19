"""Give a session inputs with other last bits at each run: each rounds in its own way, and none is more right."""

from collections.abc import Mapping

import numpy as np

from .session import Session
from .session_wrappers import CachedSession, SessionWrapper

UNIT = float(np.finfo(np.float32).eps) / 2
STEPS = (
    256  # a multiple of 1 / STEPS, such as a pixel or a mark, is exact: a model may well compare it with another one
)


class LastBitsSession(SessionWrapper):
    """A session whose float32 inputs are changed by a unit in the last place, seeded: up, down, or not at all.

    Numbers that are exact stay as they are.
    """

    def __init__(self, session: Session):
        super().__init__(session.bare if isinstance(session, CachedSession) else session)  # no run comes twice
        self._random = np.random.default_rng(0)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.bare.run({name: self._change(array) for name, array in feeds.items()})

    def _change(self, array: np.ndarray) -> np.ndarray:
        if array.dtype != np.float32:
            return array
        changed = (array * (1 + UNIT * self._random.integers(-1, 2, array.shape))).astype(np.float32)
        return np.where(array * STEPS % 1 == 0, array, changed)
