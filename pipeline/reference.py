"""This file makes the reference of a comparison: the model as it came, run by what it came for."""

import dataclasses
import hashlib
from collections.abc import Mapping

import numpy as np

from ..exporters.classifier_head import PROBABILITIES
from ..runtime.compare import Widens, log_softmax
from ..runtime.session import Session
from .sources.source import Subject


def reference(subject: Subject) -> Session:
    """The model itself, on one thread like all of this: its figures shall not depend on the core count."""
    return Remembered(subject.session())


def wants_probabilities(candidate: Session, reference: Session) -> bool:
    """Whether the candidate gives probabilities, by the name of its first output, and the reference other scores."""
    return candidate.outputs[0].name == PROBABILITIES != reference.outputs[0].name and len(reference.outputs) == 1


class Probable:
    """A classifier with a softmax behind it, as `export --softmax` puts one; of one output (n, classes)."""

    def __init__(self, session: Session):
        self._session, (self._logits,) = session, session.outputs
        self.inputs, self.outputs = session.inputs, (dataclasses.replace(self._logits, name=PROBABILITIES),)
        self.threads, self.load_ms = session.threads, session.load_ms
        self.runtime, self.emulated = session.runtime, session.emulated
        if isinstance(session, Widens):
            self.double = lambda: Probable(session.double())

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        logits = self._session.run(feeds)[self._logits.name].astype(np.float64)
        return {PROBABILITIES: np.exp(log_softmax(logits)).astype(np.float32)}

    def close(self) -> None:
        self._session.close()


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
