"""Runs an .aimodel by Apple's Core AI runtime: elsewhere than on Apple's systems the one that coreai-core brings.

That one computes on the CPU what the program says, one operation after the other: it tells nothing of the Neural
Engine, nor of time. It takes no images: of a file that does, the program is run with a tensor of the pixels in the
place of each, on a Mac, too. The path through the system's own Core AI, on macOS 27, is written from its documentation
and has never been run.
"""

import asyncio
import sys
import tempfile
import time
import weakref
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ...artifacts.errors import ArtifactError, first_line
from ..backends import native_stderr
from ..session import TensorSpec, check_feeds, from_nhwc, outward, to_nhwc
from .coreai_program import FUNCTION, check_asset, library, read_facts, read_program, save

T = TypeVar("T")
_AXES = {"nhwc": 4, "image": 3}  # layout of what the file takes: its axes


class CoreAISession:
    """A Core AI model, its function "main".

    Args:
        threads: is kept for the record; the runtime chooses its own.

    Raises:
        ArtifactError: the asset is damaged, or the runtime refuses it.
        RuntimeUnavailable: coreai-core is not installed.
    """

    def __init__(self, path: str | Path, *, threads: int = 1):
        self._path = Path(path)
        check_asset(self._path)
        facts = read_facts(self._path)
        authoring = library()
        from importlib.metadata import version

        self._loop, self._thread = asyncio.new_event_loop(), ThreadPoolExecutor(1)  # the caller's may have a loop, too
        self.close = weakref.finalize(self, _end, self._loop, self._thread)
        self.close.atexit = False  # threads have ended by then
        start = time.perf_counter()
        try:
            with native_stderr():
                self._function = self._wait(self._load(authoring, facts.layout == "image"))
        except (RuntimeError, ValueError, KeyError, OSError) as e:
            self.close()
            raise ArtifactError(f"{path}: Core AI refuses it ({first_line(e).rstrip('.')})") from e
        self.load_ms = (time.perf_counter() - start) * 1e3
        self.threads = threads
        self.emulated = sys.platform != "darwin"
        self.runtime = f"coreai-core {version('coreai-core')}"
        described = self._function.desc
        inputs = [_spec(name, described.input_descriptor(name)) for name in described.input_names]
        self._layout = facts.layout
        if any(len(spec.shape) != _AXES.get(self._layout or "", len(spec.shape)) for spec in inputs):
            raise ArtifactError(f"{path}: its own metadata says {self._layout} of an input of {inputs[0].shape}")
        self.inputs = tuple(self._in_order(spec) for spec in inputs)
        self.outputs = tuple(_spec(name, described.output_descriptor(name)) for name in described.output_names)

    async def _load(self, authoring: Any, has_images: bool) -> Any:
        """The function; what was compiled for it in a temporary folder is in memory then, and the folder goes."""
        with tempfile.TemporaryDirectory() as folder:
            path = self._path
            if has_images:
                path = Path(folder, path.name)
                save(read_program(self._path), path)
            async with authoring.AIModelAsset.load(path).executable() as model:
                return model.load_function(FUNCTION)

    def _in_order(self, spec: TensorSpec) -> TensorSpec:
        """(n, c, h, w) of what the file has in another order."""
        if self._layout == "image":
            spec = TensorSpec(spec.name, (1, *spec.shape), spec.dtype)
        return from_nhwc(spec) if self._layout in _AXES else spec

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._thread.submit(self._loop.run_until_complete, coroutine).result()

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        from coreai.runtime import NDArray

        arrays = check_feeds(self.inputs, feeds)
        if self._layout in _AXES:
            arrays = [to_nhwc(array) for array in arrays]
        if self._layout == "image":
            arrays = [array[0] for array in arrays]
        given = {
            spec.name: NDArray(np.asarray(array, spec.dtype, order="C"))
            for spec, array in zip(self.inputs, arrays, strict=True)
        }
        try:
            results = self._wait(self._call(given))
        except (RuntimeError, ValueError) as e:
            raise ArtifactError(f"{self._path}: Core AI cannot run it ({first_line(e).rstrip('.')})") from e
        return {spec.name: outward(results[spec.name]) for spec in self.outputs}

    async def _call(self, given: dict[str, Any]) -> dict[str, np.ndarray]:
        results = await self._function(given)
        return {name: np.array(result.numpy()) for name, result in results.items()}


def _end(loop: asyncio.AbstractEventLoop, thread: ThreadPoolExecutor) -> None:
    thread.shutdown()
    loop.close()


def _spec(name: str, descriptor: Any) -> TensorSpec:
    return TensorSpec(name, tuple(descriptor.shape), descriptor.dtype)
