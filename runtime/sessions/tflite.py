"""Runs a .tflite model with LiteRT's interpreter (XNNPACK delegate, CPU)."""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.embedded import Port, read_embedded
from ...artifacts.errors import ArtifactError, RuntimeUnavailable
from ...artifacts.files import read_regular
from ...artifacts.json_reader import NotJson
from ..session import TensorSpec, check_feeds
from . import tflite_verifier

METADATA_NAME = "edgeport"  # our entry in the file: JSON that tells names, logical shapes and layouts
SIGNATURE = "serving_default"
LARGEST = 2**31 - 1  # bytes that the format's 32-bit offsets reach

_TO_NHWC, _TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


@dataclass(frozen=True)
class _Port:
    """One input or output: how the interpreter knows it and how it looks outside."""

    spec: TensorSpec
    index: int
    nhwc: bool
    scale: float
    zero_point: int


class TFLiteSession:
    """A TFLite model. Quantised inputs and outputs are converted by their scale and zero point.

    Args:
        keep: keep every tensor, for whoever asks the `interpreter` for it: slower, and with more memory.

    Raises:
        ArtifactError: the file is not a whole TFLite model, or the interpreter refuses it.
        RuntimeUnavailable: LiteRT is not installed.
    """

    emulated = False

    def __init__(self, path: str | Path, *, threads: int = 1, keep: bool = False):
        self._path = Path(path)
        described = _describe(self._path)
        self.interpreter, self.load_ms = _interpreter(self._path, threads, keep)
        self.threads = threads
        self.runtime = _runtime()
        names_in, names_out = _signature_names(self.interpreter)
        self._inputs = [_port(d, names_in, described) for d in self.interpreter.get_input_details()]
        self._outputs = [_port(d, names_out, described) for d in self.interpreter.get_output_details()]
        self.inputs = tuple(port.spec for port in self._inputs)
        self.outputs = tuple(port.spec for port in self._outputs)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.outward(self.raw(self.inward(feeds)))

    def inward(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        arrays = check_feeds(self.inputs, feeds)
        return [_inward(port, array) for port, array in zip(self._inputs, arrays, strict=True)]

    def raw(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        try:
            for port, array in zip(self._inputs, arrays, strict=True):
                self.interpreter.set_tensor(port.index, array)
            self.interpreter.invoke()
            return [self.interpreter.get_tensor(port.index) for port in self._outputs]
        except (ValueError, RuntimeError) as e:
            raise ArtifactError(f"{self._path}: LiteRT cannot run it ({_why(e)})") from e

    def outward(self, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return {port.spec.name: _outward(port, array) for port, array in zip(self._outputs, arrays, strict=True)}

    def close(self) -> None:
        del self.interpreter

    def delegate_partitions(self) -> int:
        """Into how many parts the XNNPACK delegate takes the graph; `undelegated` tells whether that is all of it."""
        return sum(operator["op_name"] == "DELEGATE" for operator in _operators(self.interpreter))

    def undelegated(self) -> list[str]:
        """The names of the operators that no delegate took, in order."""
        operators = _operators(self.interpreter)
        partitions = [operator for operator in operators if operator["op_name"] == "DELEGATE"]
        original = [operator for operator in operators if operator["op_name"] != "DELEGATE"]
        writer = {index: i for i, operator in enumerate(original) for index in operator["outputs"]}
        taken: set[int] = set()
        for partition in partitions:  # what lies between the partition's outputs and its inputs
            inputs, wanted = set(partition["inputs"]), list(partition["outputs"])
            while wanted:
                index = wanted.pop()
                if index not in inputs and index in writer and writer[index] not in taken:
                    taken.add(writer[index])
                    wanted.extend(original[writer[index]]["inputs"])
        return [operator["op_name"] for i, operator in enumerate(original) if i not in taken]


def _operators(interpreter: Any) -> list[dict[str, Any]]:
    """The file's operators, and after them one DELEGATE for each partition that replaces some."""
    return interpreter._get_ops_details()  # there is no public way to see what was delegated


def _describe(path: Path) -> dict[str, Port]:
    """{tensor name: its entry} of our metadata in a file that is known to be whole; empty for a foreign file."""
    try:
        model = tflite_verifier.verify(read_regular(path, LARGEST))
        ours = read_embedded(tflite_verifier.metadata(model).get(METADATA_NAME))
        return {port.name: port for port in (*ours.inputs, *ours.outputs)}
    except OSError as e:
        raise ArtifactError(f"{path}: cannot be read ({e.strerror})") from e
    except tflite_verifier.BrokenFlatbuffer as e:
        raise ArtifactError(f"{path}: is not a whole TFLite model: {e}") from e
    except NotJson as e:
        raise ArtifactError(f"{path}: its {METADATA_NAME!r} metadata is damaged ({e})") from e


def _interpreter(path: Path, threads: int, keep: bool = False) -> tuple[Any, float]:
    """(an interpreter with its tensors allocated, the milliseconds that took)."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as e:
        raise RuntimeUnavailable("TFLite models need LiteRT: pip install 'edgeport[tflite]'") from e
    with _native_stderr() as said:
        try:
            start = time.perf_counter()
            interpreter = Interpreter(model_path=str(path), num_threads=threads, experimental_preserve_all_tensors=keep)
            interpreter.allocate_tensors()
            return interpreter, (time.perf_counter() - start) * 1e3
        except (ValueError, RuntimeError) as e:
            raise ArtifactError(f"{path}: LiteRT refuses it ({_why(e) or said().strip()})") from e


def _why(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


@contextlib.contextmanager
def _native_stderr() -> Iterator:
    """Keeps what native code writes to the process's stderr from the terminal; yields a function that returns it."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)

        def said() -> str:
            file.seek(0)
            return file.read().decode("utf-8", "replace")

        try:
            yield said
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _runtime() -> str:
    from importlib.metadata import version

    return f"ai-edge-litert {version('ai-edge-litert')}"


def _signature_names(interpreter) -> tuple[dict[int, str], dict[int, str]]:
    """({tensor index: input name}, {tensor index: output name}) of the default signature, or of the only one."""
    signatures = interpreter.get_signature_list()
    key = SIGNATURE if SIGNATURE in signatures else next(iter(signatures), None)
    if key is None:
        return {}, {}
    runner = interpreter.get_signature_runner(key)
    return (
        {details["index"]: name for name, details in runner.get_input_details().items()},
        {details["index"]: name for name, details in runner.get_output_details().items()},
    )


def _port(details: dict[str, Any], names: dict[int, str], described: dict[str, Port]) -> _Port:
    name = names.get(details["index"]) or str(details["name"])
    physical = tuple(int(dim) for dim in details["shape"])
    if name in described:
        nhwc = described[name].layout == "nhwc" and len(physical) == 4
    else:  # a foreign file: images have 1 or 3 channels
        nhwc = len(physical) == 4 and physical[3] in (1, 3) and physical[1] not in (1, 3)
    shape = tuple(physical[axis] for axis in _TO_NCHW) if nhwc else physical
    scale, zero_point = details["quantization"]
    return _Port(TensorSpec(name, shape, np.dtype(details["dtype"]).name), details["index"], nhwc, scale, zero_point)


def _inward(port: _Port, array: np.ndarray) -> np.ndarray:
    """float32 NCHW -> what the file takes."""
    array = np.ascontiguousarray(array.transpose(_TO_NHWC)) if port.nhwc else array
    if port.spec.dtype == "float32" or (array.dtype.name == port.spec.dtype and port.scale in (0, 1)):
        return array
    if port.scale:
        limits = np.iinfo(port.spec.dtype)
        array = np.clip(np.rint(array / np.float32(port.scale)) + port.zero_point, limits.min, limits.max)
    return array.astype(port.spec.dtype)


def _outward(port: _Port, array: np.ndarray) -> np.ndarray:
    """What the file gives -> float32 NCHW."""
    if port.scale and port.spec.dtype != "float32":
        array = (array.astype(np.float32) - port.zero_point) * np.float32(port.scale)
    return np.ascontiguousarray(array.transpose(_TO_NCHW)) if port.nhwc else array
