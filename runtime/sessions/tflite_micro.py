"""Runs a .tflite model as a microcontroller does: with TensorFlow Lite Micro, where its Python package is installed.

Where it is not, LiteRT's reference kernels compute the model: the same arithmetic, written for another runtime.
"""

import importlib
import importlib.util
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.errors import ArtifactError
from ...artifacts.files import read_regular
from ..backends import native_stderr
from .tflite import TFLiteSession
from .tflite_ports import LARGEST

PACKAGE, MODULE = "tflite-micro", "tflite_micro"
RUNTIME = "TensorFlow Lite Micro"
HOST_ARENA = 2**28  # bytes; pages that are not touched cost nothing
STEP = 16  # bytes: the arena's alignment
SPARE = 64  # bytes: what an arena wants beyond the record to align its parts
MORE = 1024  # bytes, where that is too few for the list of buffers that the planner makes in it


class MicroSession(TFLiteSession):
    """A model in TensorFlow Lite Micro on this machine: its results are those of a device, its times are not.

    Raises:
        ArtifactError: the file is not a whole TFLite model, or TensorFlow Lite Micro refuses it.
        RuntimeUnavailable: LiteRT is not installed.
    """

    emulated = True

    def __init__(self, path: str | Path, *, threads: int = 1, keep: bool = False):
        super().__init__(path, threads=threads, keep=keep, reference=True)
        self._micro = None
        if is_installed() and not keep:
            try:
                self._micro = open_interpreter(read_regular(self._path, LARGEST), HOST_ARENA)
            except NotAllocated as e:
                raise ArtifactError(f"{path}: {RUNTIME} refuses it ({e})") from e
            self.runtime = runtime_version()

    def raw(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        if self._micro is None:
            return super().raw(arrays)
        try:
            for place, array in enumerate(arrays):
                self._micro.set_input(array, place)
            self._micro.invoke()
            return [np.array(self._micro.get_output(place)) for place in range(len(self.outputs))]
        except (ValueError, RuntimeError) as e:
            raise ArtifactError(f"{self._path}: {RUNTIME} cannot run it ({e})") from e

    def delegate_partitions(self) -> None:
        """There is no delegate on a microcontroller."""

    def close(self) -> None:
        super().close()
        self._micro = None


class NotAllocated(Exception):
    """The interpreter was not made: the arena is too small, or it does not take an operator; the message says it."""


def is_installed() -> bool:
    """Whether the Python package is there."""
    return importlib.util.find_spec(MODULE) is not None


def runtime_version() -> str:
    """Distribution and version."""
    return f"{PACKAGE} {version(PACKAGE)}"


def open_interpreter(content: bytes, arena_bytes: int) -> Any:
    """An interpreter with its tensors allocated. Raises NotAllocated."""
    runtime: Any = importlib.import_module(MODULE)
    with native_stderr() as said:
        try:
            return runtime.runtime.Interpreter.from_bytes(content, arena_size=arena_bytes)
        except (ValueError, RuntimeError) as e:
            lines = [line for line in said().splitlines() if line.strip()]
            raise NotAllocated(lines[0] if lines else str(e)) from e


def find_arena(content: bytes) -> int:
    """The bytes of an arena that is enough: what the interpreter records that it uses, and what it wants beyond that
    while it plans. Raises NotAllocated.

    Smaller arenas are not tried: kernels that get no memory may write to it all the same.
    """
    interpreter = open_interpreter(content, HOST_ARENA)
    with native_stderr() as said:
        interpreter.print_allocations()
        found = re.search(r"Arena allocation total (\d+) bytes", said())
    if found is None:
        raise NotAllocated("it does not say how much memory it uses")
    size = -(-int(found[1]) // STEP) * STEP + SPARE
    while not _fits(content, size):
        size += MORE
    return size


def _fits(content: bytes, arena_bytes: int) -> bool:
    try:
        open_interpreter(content, arena_bytes)
    except NotAllocated:
        return False
    return True
