"""Sessions around sessions: they change what goes in or comes out, keep it, or give it again."""

import dataclasses
import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..models import PreprocessSpec
from .pixels import to_pixels
from .scores import log_softmax
from .session import IMAGE, Portable, Session, TensorSpec, Widens

PROBABILITIES = "probabilities"  # what an output with a softmax in front of it is called

Arrays = list[np.ndarray]  # the inputs or outputs of one run, as the artifact itself has them


class SessionWrapper:
    """Passes everything on to `bare`, the session that it wraps."""

    def __init__(self, session: Session):
        self.bare = session
        self.inputs: tuple[TensorSpec, ...] = session.inputs
        self.outputs: tuple[TensorSpec, ...] = session.outputs
        self.threads, self.load_ms = session.threads, session.load_ms
        self.runtime, self.emulated = session.runtime, session.emulated

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.bare.run(feeds)

    def close(self) -> None:
        self.bare.close()


class CachedSession(SessionWrapper):
    """Runs each input once, however many artifacts are compared with it; it keeps the outputs."""

    def __init__(self, session: Session):
        super().__init__(session)
        self._known: dict[bytes, dict[str, np.ndarray]] = {}
        if isinstance(session, Widens):
            self.double = functools.cache(lambda: CachedSession(session.double()))

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        digest = hashlib.sha256()
        for name, array in sorted(feeds.items()):
            digest.update(f"{name} {array.shape} {array.dtype}\n".encode())
            digest.update(array.tobytes())
        key = digest.digest()
        if key not in self._known:
            self._known[key] = self.bare.run(feeds)
        return self._known[key]


class SoftmaxSession(SessionWrapper):
    """A classifier with a softmax behind it, as `export --softmax` puts one; of one output (n, classes)."""

    def __init__(self, session: Session):
        super().__init__(session)
        (self._logits,) = session.outputs
        self.outputs = (dataclasses.replace(self._logits, name=PROBABILITIES),)
        if isinstance(session, Widens):
            self.double = lambda: SoftmaxSession(session.double())

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        logits = self.bare.run(feeds)[self._logits.name].astype(np.float64)
        return {PROBABILITIES: np.exp(log_softmax(logits)).astype(np.float32)}


class NormalizedInputSession(SessionWrapper):
    """A session whose image input is given normalised arrays, like its reference's; `bare` takes pixels."""

    def __init__(self, session: Session, preprocess: PreprocessSpec):
        super().__init__(session)
        self._preprocess = preprocess

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.bare.run(self.to_pixels(feeds))

    def to_pixels(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What `bare` takes, uint8."""
        return {name: to_pixels(array, self._preprocess).astype(np.uint8) for name, array in feeds.items()}


class RecordingSession(SessionWrapper):
    """Keeps what its artifact was given and what it gave, for another machine to run."""

    def __init__(self, session: Portable):
        super().__init__(session)
        self._portable = session
        self.given: list[Arrays] = []
        self.gave: list[Arrays] = []

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = self._portable.inward(feeds)
        gave = self._portable.raw(given)
        self.given.append(given)
        self.gave.append(gave)
        return self._portable.outward(gave)


class ReplayedSession(SessionWrapper):
    """The same session as another machine ran it: `results` in the order of the runs, whatever it is fed."""

    def __init__(self, session: Portable, results: Iterable[Arrays], *, runtime: str, load_ms: float, emulated: bool):
        super().__init__(session)
        self._portable, self._results = session, iter(results)
        self.load_ms, self.runtime, self.emulated = load_ms, runtime, emulated

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self._portable.outward(next(self._results))


def takes_image(inputs: Sequence[TensorSpec]) -> bool:
    """Whether the one input is an image, in whole pixels."""
    return [spec.dtype for spec in inputs] == [IMAGE]


def feed_normalized(session: Session, preprocess: PreprocessSpec | None) -> Session:
    """The session, fed with normalised arrays whatever it takes."""
    return NormalizedInputSession(session, preprocess) if preprocess and takes_image(session.inputs) else session


def bare_session(session: Session) -> Session:
    """The artifact's own session, below one that is fed normalised arrays."""
    return session.bare if isinstance(session, NormalizedInputSession) else session


def as_an_app_runs(
    sessions: Mapping[str, Session], feeds: Sequence[Mapping[str, np.ndarray]]
) -> tuple[dict[str, Session], dict[str, list[dict[str, np.ndarray]]]]:
    """({label: session}, {label: feeds}) to be timed: what takes pixels is given pixels."""
    given = {
        label: [
            session.to_pixels(feed) if isinstance(session, NormalizedInputSession) else dict(feed) for feed in feeds
        ]
        for label, session in sessions.items()
    }
    return {label: bare_session(session) for label, session in sessions.items()}, given
