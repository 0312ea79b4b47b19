"""Runs a session in a process of its own: native code that crashes, hangs or takes all memory ends that one, not this.

    ChildSession("edgeport.targets.registry:open_session", {"path": "foreign.tflite"}, where="foreign.tflite")

The two talk in msgpack through a socket: what a file's native code may have made of its process is data here.

python -m edgeport.runtime.child_session HANDLE     what a ChildSession starts
"""

import contextlib
import gc
import importlib
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from typing import Any, TypeVar

import msgspec
import numpy as np

from ..artifacts import errors
from ..artifacts.errors import ArtifactError, EdgeportError, first_line
from ..artifacts.process import resident_mb, signal_name
from .residency import Residency
from .session import Portable, TensorSpec

T = TypeVar("T")

LOOK_S = 0.05  # how often the memory is looked at
GRACE_S = 5.0  # for a child to end when its session is closed


class _Array(msgspec.Struct):
    dtype: str
    shape: tuple[int, ...]
    data: bytes


class _Facts(msgspec.Struct):
    """What a session says of itself when it is open."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    threads: int
    load_ms: float
    runtime: str
    emulated: bool
    delegate_partitions: int | None
    undelegated: list[str]
    portable: bool
    labels: tuple[str | int, ...] = ()
    residency: Residency | None = None


class _Failure(msgspec.Struct):
    kind: str
    message: str


class _Request(msgspec.Struct):
    call: str
    arrays: dict[str, _Array] | list[_Array] | None = None
    opener: str = ""
    arguments: dict[str, Any] = {}


@dataclass(frozen=True)
class Launcher:
    """What a process is started with.

    Attributes:
        python: a command that is Python: this one, or the same behind another loader of libraries.
        environment: variables that it has beside this process's own.
        quiet: what it writes to stderr is nothing for people; errors come another way.
    """

    python: tuple[str, ...] = (sys.executable,)
    environment: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False


class ChildSession:
    """A session that another process holds.

    Args:
        opener: "module:function" of edgeport that opens it there.
        arguments: of that function, by name: texts and numbers.
        where: the file, for messages.
        launcher: of the process.
        time_limit_s: for opening it, and for each run; None for none.
        memory_limit_mb: of the other process, resident, in MB (10^6 bytes); None for none.

    Raises ArtifactError where the other process dies or reaches a limit, and what the session itself raises.
    """

    def __init__(
        self,
        opener: str,
        arguments: Mapping[str, Any],
        *,
        where: str,
        launcher: Launcher = Launcher(),
        time_limit_s: float | None = None,
        memory_limit_mb: float | None = None,
    ):
        self._where, self._time_limit_s, self._memory_limit_mb = where, time_limit_s, memory_limit_mb
        self._socket, its = Pipe()
        with its:
            handle = its.fileno()
            self._process = subprocess.Popen(
                [*launcher.python, "-P", "-m", __name__, str(handle)],
                env=os.environ | launcher.environment,
                stdin=subprocess.PIPE,  # at its end the child ends, too
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL if launcher.quiet else None,
                pass_fds=(handle,),
            )
        self.close = weakref.finalize(self, _end, self._process, self._socket)
        facts = self._ask(_Request("open", opener=opener, arguments=dict(arguments)), _Facts)
        self.inputs, self.outputs, self.threads = facts.inputs, facts.outputs, facts.threads
        self.load_ms, self.runtime, self.emulated = facts.load_ms, facts.runtime, facts.emulated
        self._partitions, self.labels = facts.delegate_partitions, facts.labels
        self._undelegated = facts.undelegated
        self.residency = facts.residency

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self._unpacked(self._ask(_Request("run", _packed(feeds)), dict[str, _Array]))

    def run_timed(self, feeds: Mapping[str, np.ndarray]) -> int:
        """Runs, and says how many nanoseconds that took there, without the way to and fro."""
        return self._ask(_Request("run_timed", _packed(feeds)), int)

    def call(self, method: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What another method of the session there makes of arrays by name."""
        return self._unpacked(self._ask(_Request(method, _packed(arrays)), dict[str, _Array]))

    def delegate_partitions(self) -> int | None:
        return self._partitions

    def undelegated(self) -> list[str]:
        return self._undelegated

    def _unpacked(self, arrays: Mapping[str, _Array]) -> dict[str, np.ndarray]:
        return dict(zip(arrays, self._all_unpacked(arrays.values()), strict=True))

    def _all_unpacked(self, arrays: Any) -> list[np.ndarray]:
        try:
            return [_unpacked(array) for array in arrays]
        except (TypeError, ValueError) as e:
            raise ArtifactError(f"{self._where}: what runs it gave no arrays ({first_line(e)})") from e

    def _ask(self, request: _Request, answer: type[T]) -> T:
        """What the child answers. Raises what it raised, and ArtifactError where there is no answer."""
        try:
            self._socket.send_bytes(msgspec.msgpack.encode(request))
            self._wait()
            told = self._socket.recv_bytes()
        except (EOFError, OSError) as e:
            raise ArtifactError(f"{self._where}: {self._how_it_ended()}") from e
        try:
            failed, content = told[:1] == b"\1", told[1:]
            value = msgspec.msgpack.decode(content, type=_Failure if failed else answer)
        except (msgspec.MsgspecError, UnicodeError) as e:
            raise ArtifactError(f"{self._where}: what runs it gave no answer that can be read") from e
        if isinstance(value, _Failure):
            raise _raised(value, self._where)
        return value

    def _wait(self) -> None:
        """Waits for an answer; a limit that is reached ends the child."""
        start = time.monotonic()
        while True:
            limit_s, memory_mb = self._time_limit_s, self._memory_limit_mb
            left = None if limit_s is None else start + limit_s - time.monotonic()
            patience = left if memory_mb is None else min(LOOK_S, LOOK_S if left is None else left)
            if self._socket.poll(patience if patience is None else max(0.0, patience)):
                return
            if left is not None and left <= 0:
                self._process.kill()
                raise ArtifactError(f"{self._where}: not done after {limit_s:g} s, the limit that was set")
            if memory_mb is not None and resident_mb(self._process.pid) > memory_mb:
                self._process.kill()
                raise ArtifactError(f"{self._where}: needs more than {memory_mb:g} MB, the limit that was set")

    def _how_it_ended(self) -> str:
        code = self._process.wait()
        if code < 0:
            return f"native code crashed ({signal_name(-code)})"
        return f"what runs it ended itself with code {code}"


class PortableChildSession(ChildSession):
    """The same of a session that other machines can run, too."""

    def inward(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return self._all_unpacked(self._ask(_Request("inward", _packed(feeds)), list[_Array]))

    def raw(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self._all_unpacked(self._ask(_Request("raw", [_pack(each) for each in arrays]), list[_Array]))

    def outward(self, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return self._unpacked(self._ask(_Request("outward", [_pack(each) for each in arrays]), dict[str, _Array]))


def _end(process: subprocess.Popen, socket: Connection) -> None:
    socket.close()
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _pack(array: Any) -> _Array:
    array = np.asarray(array, order="C")
    return _Array(array.dtype.name, array.shape, array.tobytes())


def _packed(arrays: Mapping[str, Any]) -> dict[str, _Array]:
    return {name: _pack(array) for name, array in arrays.items()}


def _unpacked(array: _Array) -> np.ndarray:
    dtype = np.dtype(array.dtype)
    if dtype.kind not in "biuf":
        raise TypeError(f"an array of {dtype}")
    return np.frombuffer(array.data, dtype).reshape(array.shape).copy()


def _raised(failure: _Failure, where: str) -> EdgeportError:
    """The error that the child told of; one that is none of ours is the file's fault."""
    kind = getattr(errors, failure.kind, None)
    if isinstance(kind, type) and issubclass(kind, EdgeportError) and kind is not errors.WriteError:
        return kind(failure.message)
    return ArtifactError(f"{where}: cannot be run ({failure.kind}: {failure.message})")


# -- in the child


def serve(socket: Connection) -> None:
    """Answers until the socket is closed."""
    session: Any = None
    while True:
        try:
            request = msgspec.msgpack.decode(socket.recv_bytes(), type=_Request)
        except EOFError:
            return
        try:
            if request.call == "open":
                session = _open(request)
                answer: Any = _facts(session)
            else:
                answer = _perform(session, request)
            told = b"\0" + msgspec.msgpack.encode(answer)
        except Exception as e:  # whatever it is, the parent has to hear of it
            message = str(e) if isinstance(e, EdgeportError) else first_line(e, "no message")
            told = b"\1" + msgspec.msgpack.encode(_Failure(type(e).__name__, message))
        socket.send_bytes(told)


def _open(request: _Request) -> Any:
    module, _, name = request.opener.partition(":")
    return getattr(importlib.import_module(module), name)(**request.arguments)


def _facts(session: Any) -> _Facts:
    partitions = getattr(session, "delegate_partitions", lambda: None)()
    return _Facts(
        session.inputs,
        session.outputs,
        session.threads,
        session.load_ms,
        session.runtime,
        session.emulated,
        partitions,
        getattr(session, "undelegated", list)(),
        isinstance(session, Portable),
        tuple(getattr(session, "labels", ())),
        getattr(session, "residency", None),
    )


def _perform(session: Any, request: _Request) -> Any:
    arrays = request.arrays
    assert arrays is not None
    given: Any = (
        {name: _unpacked(each) for name, each in arrays.items()}
        if isinstance(arrays, dict)
        else [_unpacked(each) for each in arrays]
    )
    if request.call == "run_timed":
        gc.disable()
        start = time.perf_counter_ns()
        session.run(given)
        return time.perf_counter_ns() - start
    results = getattr(session, request.call)(given)
    return _packed(results) if isinstance(results, dict) else [_pack(each) for each in results]


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    serve(Connection(int(sys.argv[1])))
    os._exit(0)  # without the runtimes' own farewells, which may hang or crash
