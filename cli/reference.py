"""This file makes the reference of a comparison: the model as it came, run by what it came for."""

import hashlib
from collections.abc import Mapping

import numpy as np

from ..runtime.compare import Widens
from ..runtime.session import Session
from .subject import Subject


def reference(subject: Subject) -> Session:
    """The model itself, on one thread like all of this: its figures shall not depend on the core count."""
    return Remembered(subject.session())


class Remembered:
    """A session that runs each input once, however many artifacts are compared with it; it keeps the outputs."""

    def __init__(self, session: Session):
        self._session = session
        self._known: dict[bytes, dict[str, np.ndarray]] = {}
        self.inputs, self.outputs = session.inputs, session.outputs
        self.threads, self.load_ms = session.threads, session.load_ms
        self.runtime, self.emulated = session.runtime, session.emulated
        if isinstance(session, Widens):
            self.double = session.double

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        digest = hashlib.sha256()
        for name, array in sorted(feeds.items()):
            digest.update(f"{name} {array.shape} {array.dtype}\n".encode())
            digest.update(array.tobytes())
        key = digest.digest()
        if key not in self._known:
            self._known[key] = self._session.run(feeds)
        return self._known[key]

    def close(self) -> None:
        self._session.close()
