"""This file feeds artifacts that take an image and normalise it themselves, from normalised arrays all the same."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..models import PreprocessSpec
from .inspectors.inspector import Inspector
from .session import IMAGE, Session, open_session

if TYPE_CHECKING:
    from ..exporters.input_normalization import Normalisation


def takes_image(session: Session | Inspector) -> bool:
    """Whether the one input is an image."""
    return [spec.dtype for spec in session.inputs] == [IMAGE]


def to_pixels(array: np.ndarray, preprocess: PreprocessSpec) -> np.ndarray:
    """Normalised (n, c, h, w) -> the nearest pixels, float32 whole numbers from 0 to 255."""
    mean, std = _per_channel(preprocess)
    return np.clip(np.rint((array * std + mean) * 255), 0, 255).astype(np.float32)


def all_to_pixels(feeds: Mapping[str, np.ndarray], preprocess: PreprocessSpec) -> dict[str, np.ndarray]:
    """The same of every input."""
    return {name: to_pixels(array, preprocess) for name, array in feeds.items()}


def from_pixels(pixels: np.ndarray, preprocess: PreprocessSpec) -> np.ndarray:
    """Pixels from 0 to 255, (n, c, h, w) -> normalised, float32."""
    mean, std = _per_channel(preprocess)
    return ((pixels / 255 - mean) / std).astype(np.float32)


def normalisation(preprocess: PreprocessSpec) -> "Normalisation":
    """The same for a converter."""
    from ..exporters.input_normalization import Normalisation

    return Normalisation(preprocess.mean, preprocess.std)


def _per_channel(preprocess: PreprocessSpec) -> tuple[np.ndarray, np.ndarray]:
    mean, std = (np.reshape(values, (1, -1, 1, 1)) for values in (preprocess.mean, preprocess.std))
    return mean, std


class PixelFed:
    """A session whose image input is given normalised arrays, like its reference's.

    Attributes:
        bare: the session itself, which takes pixels.
    """

    def __init__(self, session: Session, preprocess: PreprocessSpec):
        self.bare, self._preprocess = session, preprocess
        self.inputs, self.outputs = session.inputs, session.outputs
        self.threads, self.load_ms = session.threads, session.load_ms
        self.runtime, self.emulated = session.runtime, session.emulated

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.bare.run(self.pixels(feeds))

    def pixels(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What `bare` takes, uint8."""
        return {name: to_pixels(array, self._preprocess).astype(np.uint8) for name, array in feeds.items()}

    def close(self) -> None:
        self.bare.close()


def to_time(
    sessions: Mapping[str, Session], feeds: Sequence[Mapping[str, np.ndarray]]
) -> tuple[dict[str, Session], dict[str, list[dict[str, np.ndarray]]]]:
    """({label: session}, {label: feeds}) as an app would run them: pixels are given as pixels."""
    bare = {label: session.bare if isinstance(session, PixelFed) else session for label, session in sessions.items()}
    given = {
        label: [session.pixels(feed) if isinstance(session, PixelFed) else dict(feed) for feed in feeds]
        for label, session in sessions.items()
    }
    return bare, given


def opened(path: Path, preprocess: PreprocessSpec | None, threads: int) -> Session:
    """The artifact's session, fed with normalised arrays whatever it takes."""
    session = open_session(path, threads=threads)
    return PixelFed(session, preprocess) if preprocess and takes_image(session) else session
