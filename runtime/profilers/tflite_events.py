"""LiteRT's CompiledModel with its own profiler, through the C interface of the library in its wheel.

The interpreter of the wheel has no profiler, and the Python class CompiledModel hides the one that it has. The C
functions (litert/c/litert_profiler.h, litert_compiled_model.h) give it: LiteRT's profiler is handed to the delegate,
and XNNPACK reports each of its operators in whole microseconds.

It is also copied to devices: it imports nothing of edgeport, and keeps to Python 3.10.
"""

import contextlib
import ctypes
import sys
from collections.abc import Callable, Mapping, Sequence
from ctypes import byref, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# LiteRtProfilerEventType of litert_profiler_event.h
OF_RUNTIME, OF_OPERATOR, OF_DELEGATE, OF_DELEGATED_OPERATOR = 1, 2, 4, 8
_TYPES = {1 << bit for bit in range(9)}
_TIMED = (OF_OPERATOR, OF_DELEGATE, OF_DELEGATED_OPERATOR)
_CPU = 1  # kLiteRtHwAcceleratorCpu
_WRITE = 1  # kLiteRtTensorBufferLockModeWrite
_RUNTIME_OPTIONS, _CPU_OPTIONS = b"runtime_options_string", b"xnnpack"  # whose payload is TOML
_LIBRARY = {"darwin": "libLiteRt.dylib", "win32": "libLiteRt.dll"}.get(sys.platform, "libLiteRt.so")


class Refused(Exception):
    """LiteRT refuses the file; the message says why."""


class Unsuitable(Exception):
    """LiteRT is not there, or this version has no profiler that is known; the message says so."""


class _Layout(ctypes.Structure):
    _fields_ = (("rank", c_uint32), ("dimensions", c_int32 * 8), ("strides", c_uint32 * 8))


class _TensorType(ctypes.Structure):
    _fields_ = (("element", c_int32), ("layout", _Layout))


class _Event(ctypes.Structure):
    """ProfiledEventData; the memory is 3 numbers before and 3 after the event."""

    _fields_ = (
        ("tag", c_void_p),
        ("type", c_int32),
        ("start_us", c_uint64),
        ("elapsed_us", c_uint64),
        ("memory", c_int64 * 6),
        ("index", c_uint64),
        ("extra", c_uint64),
        ("source", c_int32),
    )


@dataclass(frozen=True)
class Event:
    """What the profiler has recorded.

    Attributes:
        tag: whose time it is: "Convolution (NHWC, QC8) IGEMM".
        type: OF_...
        index: of the operator: in the file, or of a delegate's own in its partition.
        elapsed_us: whole microseconds; what is less than one is cut off.
    """

    tag: str
    type: int
    index: int
    elapsed_us: int


class ProfiledModel:
    """A .tflite on the CPU, with LiteRT's profiler.

    Attributes:
        input_names: in the order in which `write` takes the inputs.

    Args:
        path: of the file, which is whole.
        threads: of XNNPACK.
        watch: with the profiler; without, it only runs.
        quiet: a context in which the file is opened: the library writes to stderr.

    Raises:
        Refused: LiteRT refuses the file.
        Unsuitable: LiteRT is not installed, or is one without these functions.
    """

    def __init__(
        self,
        path: Path,
        threads: int,
        *,
        watch: bool = True,
        quiet: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext,
    ):
        self._library = _load()
        self._kept: list[Any] = []  # what the library reads from us as long as the model lives
        with quiet():
            self._environment = self._made("LiteRtCreateEnvironment", c_int(0), None)
            self._model = self._made("LiteRtCreateModelFromFile", self._environment, str(path).encode())
            self._compiled = self._compile(threads, watch)
            self._profiler = self._made("LiteRtCompiledModelGetProfiler", self._compiled) if watch else c_void_p()
            if watch and not self._profiler:
                raise Unsuitable("this LiteRT gives no profiler: pip install --upgrade ai-edge-litert")
            signature = self._made("LiteRtGetModelSignature", self._model, c_size_t(0))
            self.input_names = self._names(signature)
            self._inputs = self._buffers("Input", signature)
            self._outputs = self._buffers("Output", signature)

    def write(self, arrays: Sequence[np.ndarray]) -> None:
        """Gives it its inputs, in the order of `input_names` and as the file takes them."""
        for buffer, array in zip(self._inputs, arrays, strict=True):
            content = np.ascontiguousarray(array)
            handle = c_void_p(buffer)
            size = c_size_t()
            self._call("LiteRtGetTensorBufferPackedSize", handle, byref(size))
            if size.value != content.nbytes:
                raise Refused(f"an input has {size.value} bytes, not {content.nbytes}")
            address = c_void_p()
            self._call("LiteRtLockTensorBuffer", handle, byref(address), c_int(_WRITE))
            assert address.value
            ctypes.memmove(address.value, content.ctypes.data, content.nbytes)
            self._call("LiteRtUnlockTensorBuffer", handle)

    def run(self) -> None:
        """Runs it once, unprofiled."""
        self._call(
            "LiteRtRunCompiledModel",
            *(self._compiled, c_size_t(0)),
            *(c_size_t(len(self._inputs)), self._inputs, c_size_t(len(self._outputs)), self._outputs),
        )

    def profile(self) -> list[Event]:
        """Runs it once; the events in their order. Raises Unsuitable where they cannot be understood."""
        self._call("LiteRtResetProfiler", self._profiler)
        self._call("LiteRtStartProfiler", self._profiler)
        self.run()
        self._call("LiteRtStopProfiler", self._profiler)
        count = c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, byref(count))
        events = (_Event * count.value)()
        self._call("LiteRtGetProfilerEvents", self._profiler, count, events)
        if any(event.type not in _TYPES for event in events):  # a later LiteRT may have another layout
            raise Unsuitable("this LiteRT's profiler is not known: pip install ai-edge-litert==2.3.0")
        return [
            Event(ctypes.string_at(event.tag).decode("utf-8", "replace"), event.type, event.index, event.elapsed_us)
            for event in events
        ]

    def close(self) -> None:
        for buffer in (*self._inputs, *self._outputs):
            self._library.LiteRtDestroyTensorBuffer(c_void_p(buffer))
        self._library.LiteRtDestroyCompiledModel(self._compiled)
        self._library.LiteRtDestroyModel(self._model)
        self._library.LiteRtDestroyEnvironment(self._environment)

    def _compile(self, threads: int, watch: bool) -> c_void_p:
        options = self._made("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, c_int(_CPU))
        keep = ctypes.CFUNCTYPE(None, c_void_p)(lambda payload: None)  # the payload is ours, not the library's
        self._kept.append(keep)
        texts = {_CPU_OPTIONS: f"num_threads = {threads}"} | (
            {_RUNTIME_OPTIONS: "enable_profiling = true"} if watch else {}
        )
        for name, text in texts.items():
            payload = ctypes.create_string_buffer(f"{text}\n".encode())
            self._kept.append(payload)
            opaque = self._made("LiteRtCreateOpaqueOptions", name, ctypes.cast(payload, c_void_p), keep)
            self._call("LiteRtAddOpaqueOptions", options, opaque)
        compiled = self._made("LiteRtCreateCompiledModel", self._environment, self._model, options)
        self._library.LiteRtDestroyOptions(options)
        return compiled

    def _names(self, signature: c_void_p) -> list[str]:
        """Of the signature's inputs."""
        count, found = c_size_t(), []
        self._call("LiteRtGetNumSignatureInputs", signature, byref(count))
        for i in range(count.value):
            name = self._made("LiteRtGetSignatureInputName", signature, c_size_t(i))
            found.append(ctypes.string_at(name).decode("utf-8", "replace") if name.value else "")
        return found

    def _buffers(self, what: str, signature: c_void_p) -> Any:
        """A buffer for each input, or each output."""
        count = c_size_t()
        self._call(f"LiteRtGetNumSignature{what}s", signature, byref(count))
        found = []
        for i in range(count.value):
            tensor = self._made(f"LiteRtGetSignature{what}TensorByIndex", signature, c_size_t(i))
            kind = _TensorType()
            self._call("LiteRtGetRankedTensorType", tensor, byref(kind))
            if min(kind.layout.dimensions[: kind.layout.rank], default=0) < 0:
                raise Refused("LiteRT profiles files of one size: leave out --dynamic size")
            needs = self._made(
                f"LiteRtGetCompiledModel{what}BufferRequirements", self._compiled, c_size_t(0), c_size_t(i)
            )
            create = "LiteRtCreateManagedTensorBufferFromRequirements"
            found.append(self._made(create, self._environment, byref(kind), needs).value)
        return (c_void_p * len(found))(*found)

    def _made(self, name: str, *arguments: Any) -> c_void_p:
        """What a function writes to its last argument."""
        made = c_void_p()
        self._call(name, *arguments, byref(made))
        return made

    def _call(self, name: str, *arguments: Any) -> None:
        status = _function(self._library, name)(*arguments)
        if status:
            raise Refused(f"LiteRT's profiled model refuses it ({name} says {status})")


class Events:
    """The times of each run that counts, of the kernels of the CPU delegate and of the operators that it did not take.

    Args:
        path: of the file.
        threads: of XNNPACK.
        inputs: their names, in the order in which `run` is given them: the signature may have another one.
        operators: of the interpreter, with "op_name", "inputs" and "outputs": they tell the delegate's partitions.
        quiet: as ProfiledModel.

    Raises Refused and Unsuitable.
    """

    def __init__(
        self,
        path: Path,
        threads: int,
        inputs: Sequence[str],
        operators: Sequence[Mapping[str, Any]],
        *,
        quiet: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext,
    ):
        self._operators = [
            {"op_name": each["op_name"]} | {key: [int(i) for i in each[key]] for key in ("inputs", "outputs")}
            for each in operators
        ]
        self._model = ProfiledModel(path, threads, quiet=quiet)
        places = {name: i for i, name in enumerate(inputs)}
        self._order = [places.get(name, i) for i, name in enumerate(self._model.input_names)]
        self._runs: list[list[Event]] = []

    def run(self, arrays: Sequence[np.ndarray], *, counted: bool = True) -> None:
        self._model.write([arrays[i] for i in self._order])
        events = self._model.profile()
        if counted:
            self._runs.append([event for event in events if event.type in _TIMED])

    def finish(self) -> dict[str, Any]:
        """What was timed, and the times.

        Returns:
            {"operators": as given, "sequences": [[(tag, type, index)]]: runs differ where a kernel was not timed,
            "runs": of each (which sequence, the microseconds of its events)}.
        """
        sequences: dict[tuple[tuple[str, int, int], ...], int] = {}
        runs = []
        for run in self._runs:
            sequence = tuple((each.tag, each.type, each.index) for each in run)
            number = sequences.setdefault(sequence, len(sequences))
            runs.append((number, [each.elapsed_us for each in run]))
        return {"operators": self._operators, "sequences": list(sequences), "runs": runs}

    def close(self) -> None:
        self._model.close()


def _function(library: ctypes.CDLL, name: str) -> Any:
    try:
        function = getattr(library, name)
    except AttributeError as e:
        raise Unsuitable(f"this LiteRT has no {name}: pip install --upgrade ai-edge-litert") from e
    function.restype = c_int
    return function


def _load() -> ctypes.CDLL:
    try:
        import ai_edge_litert
    except ImportError as e:
        raise Unsuitable("TFLite models need LiteRT: pip install 'edgeport[tflite]'") from e
    library = Path(next(iter(ai_edge_litert.__path__)), _LIBRARY)
    try:
        return ctypes.CDLL(str(library))
    except OSError as e:
        raise Unsuitable(f"LiteRT's library cannot be loaded ({library.name}: {e})") from e
