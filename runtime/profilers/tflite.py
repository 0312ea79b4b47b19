"""Profile a .tflite: LiteRT's own profiler, whose delegate tells the time of each of XNNPACK's kernels."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mode

import numpy as np

from ...artifacts.errors import ArtifactError
from ..contents.contents import Operator
from ..contents.tflite import read_contents
from ..sessions.tflite import TFLiteSession
from .kernel import CONVERSION, LAYOUT, Kernel, arithmetic, bytes_of, shape_of, weight_of
from .litert_c import OF_DELEGATE, OF_DELEGATED_OPERATOR, OF_OPERATOR, Event, ProfiledModel
from .macs import count_macs
from .xnnpack import align

LAYOUTS = {
    *("RESHAPE", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "PAD", "PADV2", "MIRROR_PAD", "CONCATENATION", "SPLIT"),
    *("SPLIT_V", "PACK", "UNPACK", "GATHER", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "SQUEEZE", "EXPAND_DIMS", "SHAPE"),
    *("BROADCAST_TO", "TILE"),
}
CONVERSIONS = frozenset(("QUANTIZE", "DEQUANTIZE", "CAST"))
_TIMED = (OF_OPERATOR, OF_DELEGATE, OF_DELEGATED_OPERATOR)
_LOOKUP = {"Invalid Unary Op": "Table Lookup (NC, X8)"}  # XNNPACK has no name for what it makes of joined ones
_CUT_US = 0.5  # what is lost, on average, of a time of which XNNPACK keeps the whole microseconds


class TFLiteProfiler:
    """The CPU delegate's time for each kernel, and LiteRT's for each operator that no delegate took.

    Raises ArtifactError and RuntimeUnavailable, as TFLiteSession.

    Args:
        path: of the file.
        threads: of XNNPACK.
        session: an open one of the same file, which knows the delegate's partitions.
    """

    def __init__(self, path: Path, threads: int, session: TFLiteSession):
        self._path = path
        self._operators = read_contents(path).operators
        self._partitions = session.partitions()
        self._model = ProfiledModel(path, threads)
        places = {spec.name: i for i, spec in enumerate(session.inputs)}  # the signature may have another order
        names = self._model.input_names
        self._order = [places.get(name, i) for i, name in enumerate(names)]
        self._runs: list[list[Event]] = []

    def run(self, arrays: Sequence[np.ndarray], *, counted: bool = True) -> None:
        self._model.write([arrays[i] for i in self._order])
        events = self._model.profile()
        if counted:
            self._runs.append([event for event in events if event.type in _TIMED])

    def finish(self) -> tuple[list[Kernel], np.ndarray]:
        shape = [(event.type, event.index, event.tag) for event in _typical(self._runs, self._path)]
        runs = [run for run in self._runs if [(event.type, event.index, event.tag) for event in run] == shape]
        us = np.array([[event.elapsed_us for event in run] for run in runs], np.float64).T + _CUT_US
        kernels = self._describe(runs[0])
        kept = [i for i, kernel in enumerate(kernels) if kernel is not None]
        return [kernel for kernel in kernels if kernel is not None], us.reshape(len(kernels), -1)[kept]

    def close(self) -> None:
        self._model.close()

    def _describe(self, events: Sequence[Event]) -> list[Kernel | None]:
        """What each event is the time of; None for a delegate's whole partition, whose kernels are told, too."""
        found: list[Kernel | None] = [None] * len(events)
        for partition, places in enumerate(_partitions_of(events)):
            if partition >= len(self._partitions):
                raise ArtifactError(f"{self._path}: LiteRT profiles more partitions than the interpreter has")
            operators = [self._operators[i] for i in self._partitions[partition]]
            parts = align([each.kind for each in operators], [events[place].tag for place in places])
            last = operators[0] if operators else None
            for place, part in zip(places, parts, strict=True):
                computed = [operators[i] for i in part]
                last = computed[-1] if computed else last
                found[place] = _kernel(computed, last, events[place].tag, partition)
        delegates = len(self._operators)  # from this index on nodes are the partitions themselves
        for place, event in enumerate(events):
            if event.type == OF_OPERATOR and event.index < delegates:
                found[place] = _kernel([self._operators[event.index]], None, event.tag, None)
        return found


def _typical(runs: Sequence[list[Event]], path: Path) -> list[Event]:
    """A run with as many events as most have. Raises ArtifactError where there is none."""
    if not any(runs):
        raise ArtifactError(f"{path}: LiteRT's profiler has recorded no operator")
    usual = mode(map(len, runs))
    return next(run for run in runs if len(run) == usual)


def _partitions_of(events: Sequence[Event]) -> list[list[int]]:
    """The places of each partition's kernels: their index begins again at 0."""
    found: list[list[int]] = []
    for place, event in enumerate(events):
        if event.type == OF_DELEGATED_OPERATOR:
            if event.index == 0 or not found:
                found.append([])
            found[-1].append(place)
    return found


def _kernel(computed: Sequence[Operator], near: Operator | None, tag: str, partition: int | None) -> Kernel:
    """A kernel that computes these operators; `near` is the one that a helper stands beside."""
    heavy = max(computed, key=count_macs, default=None)
    heavy = heavy if heavy is not None and count_macs(heavy) else None
    named = heavy or (computed[-1] if computed else near)
    tensor = named.outputs[0] if named is not None and named.outputs else None
    return Kernel(
        name=tensor.name if tensor else "",
        operators=tuple(each.kind for each in computed),
        implementation=_LOOKUP.get(tag, tag),
        kind=kind_of(computed),
        shape=shape_of(tensor) if tensor and computed else (),
        macs=sum(map(count_macs, computed)),
        bytes_moved=bytes_of(computed) if computed else 0,
        partition=partition,
        weight=weight_of(heavy),
    )


def kind_of(computed: Sequence[Operator]) -> str:
    """One of KINDS; a kernel that XNNPACK has put in itself moves numbers."""
    working = [each for each in computed if each.kind not in LAYOUTS]
    if not working:
        return LAYOUT
    if all(each.kind in CONVERSIONS for each in working):
        return CONVERSION
    return arithmetic(next(each for each in reversed(working) if each.kind not in CONVERSIONS))
