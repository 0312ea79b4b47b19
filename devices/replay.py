"""Compare with an artifact that ran on a device: record what it is given there, replay what came back."""

from collections.abc import Iterable, Mapping

import numpy as np

from ..runtime.session import Portable
from .job import Arrays


class Recorded:
    """A session that keeps what its artifact was given and what it gave."""

    def __init__(self, session: Portable):
        self._session = session
        self.given: list[Arrays] = []
        self.gave: list[Arrays] = []
        self.inputs, self.outputs = session.inputs, session.outputs
        self.threads, self.load_ms = session.threads, session.load_ms
        self.runtime, self.emulated = session.runtime, session.emulated

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = self._session.inward(feeds)
        gave = self._session.raw(given)
        self.given.append(given)
        self.gave.append(gave)
        return self._session.outward(gave)

    def close(self) -> None:
        self._session.close()


class Replayed:
    """The same session as another machine ran it: `results` in the order of the runs, whatever it is fed."""

    def __init__(self, session: Portable, results: Iterable[Arrays], *, runtime: str, load_ms: float, emulated: bool):
        self._session, self._results = session, iter(results)
        self.inputs, self.outputs = session.inputs, session.outputs
        self.threads, self.load_ms = session.threads, load_ms
        self.runtime, self.emulated = runtime, emulated

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self._session.outward(next(self._results))

    def close(self) -> None:
        self._session.close()
