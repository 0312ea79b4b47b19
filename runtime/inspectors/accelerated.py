"""Look into an artifact as an accelerator computes it: its values become outputs of a copy, which runs there."""

import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...graph.qparams import QParams
from ..session import Portable
from .inspector import Inspector, real


@dataclass(frozen=True)
class Exposed:
    """A value of an artifact that a copy of it gives as an output.

    Attributes:
        output: its name there.
        scale, zero_point: of its integers; 0 where they are none.
    """

    output: str
    scale: float = 0.0
    zero_point: int = 0


Expose = Callable[[Path, Collection[str], Path], Mapping[str, Exposed]]


class AcceleratedInspector:
    """The same artifact as another inspector's, whose values an accelerator computes.

    Args:
        path: of the artifact.
        inspector: tells what the file holds.
        expose: (path, names, path of a copy) -> the copy gives these values, too; see Target.expose.
        open_session: opens the copy on the accelerator.

    Raises ArtifactError and RuntimeUnavailable when it first runs, as `open_session`.
    """

    def __init__(self, path: Path, inspector: Inspector, expose: Expose, open_session: Callable[[Path], Any]):
        self._path, self._bare, self._expose, self._open = path, inspector, expose, open_session
        self.inputs = inspector.inputs
        self._session: Any = None
        self._exposed: Mapping[str, Exposed] = {}
        self._names: frozenset[str] = frozenset()
        self._folder = tempfile.TemporaryDirectory(prefix="edgeport-")

    @property
    def encodings(self) -> Mapping[str, QParams]:
        return self._bare.encodings

    @property
    def integer(self) -> Collection[str]:
        return self._bare.integer

    @property
    def weights(self) -> Mapping[str, np.ndarray]:
        return self._bare.weights

    @property
    def biases(self) -> Mapping[str, np.ndarray]:
        return self._bare.biases

    def run(self, feeds: Mapping[str, np.ndarray], names: Collection[str]) -> dict[str, np.ndarray]:
        session = self._ready(frozenset(names))
        arrays = session.raw(session.inward(feeds))
        given = dict(zip((spec.name for spec in session.outputs), arrays, strict=True))
        return {
            name: real(given[each.output], np.array(each.scale), each.zero_point)
            if each.scale
            else given[each.output].astype(np.float32)
            for name, each in self._exposed.items()
        }

    def close(self) -> None:
        self._bare.close()
        if self._session is not None:
            self._session.close()
        self._folder.cleanup()

    def _ready(self, names: frozenset[str]) -> Portable:
        if self._session is None or names != self._names:
            copy = Path(self._folder.name) / self._path.name
            self._exposed, self._names = self._expose(self._path, names, copy), names
            self._session = self._open(copy)
        return self._session
