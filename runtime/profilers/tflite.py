"""Profile a .tflite: LiteRT's own profiler, whose delegate tells the time of each of XNNPACK's kernels."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mode
from typing import Any, NamedTuple

import numpy as np

from ...artifacts.errors import ArtifactError, RuntimeUnavailable
from ...artifacts.json_reader import NotJson, convert
from ..backends import native_stderr
from ..contents.contents import Operator
from ..contents.tflite import read_contents
from ..sessions.tflite import TFLiteSession, operators, partitions_of
from .kernel import CONVERSION, LAYOUT, Kernel, arithmetic, bytes_of, shape_of, weight_of
from .macs import count_macs
from .tflite_events import OF_DELEGATED_OPERATOR, OF_OPERATOR, Events, Refused, Unsuitable
from .xnnpack import align

LAYOUTS = {
    *("RESHAPE", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "PAD", "PADV2", "MIRROR_PAD", "CONCATENATION", "SPLIT"),
    *("SPLIT_V", "PACK", "UNPACK", "GATHER", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "SQUEEZE", "EXPAND_DIMS", "SHAPE"),
    *("BROADCAST_TO", "TILE"),
}
CONVERSIONS = frozenset(("QUANTIZE", "DEQUANTIZE", "CAST"))
_LOOKUP = {"Invalid Unary Op": "Table Lookup (NC, X8)"}  # XNNPACK has no name for what it makes of joined ones
_CUT_US = 0.5  # what is lost, on average, of a time of which XNNPACK keeps the whole microseconds


@dataclass(frozen=True, kw_only=True)
class _Node:
    """An operator as LiteRT's interpreter tells it."""

    op_name: str
    inputs: list[int]
    outputs: list[int]


class _Event(NamedTuple):
    """What LiteRT has timed: `type` is one of tflite_events' OF_..., `index` the operator's or the kernel's."""

    tag: str
    type: int
    index: int


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What Events.finish gives; without `operators` all that ran outside of a delegate tells its one partition."""

    operators: list[_Node] | None
    sequences: list[list[_Event]]
    runs: list[tuple[int, list[float]]]


class LocalEvents(Events):
    """Those of this machine's LiteRT. Raises ArtifactError and RuntimeUnavailable, as TFLiteSession.

    Args:
        session: an open one of the same file, which knows the delegate's partitions.
    """

    def __init__(self, path: Path, threads: int, session: TFLiteSession):
        self._path = path
        names = [spec.name for spec in session.inputs]
        with _in_our_words(path):
            super().__init__(path, threads, names, operators(session.interpreter), quiet=native_stderr)

    def run(self, arrays: Sequence[np.ndarray], *, counted: bool = True) -> None:
        with _in_our_words(self._path):
            super().run(arrays, counted=counted)


@contextlib.contextmanager
def _in_our_words(path: Path) -> Iterator[None]:
    try:
        yield
    except Refused as e:
        raise ArtifactError(f"{path}: {e}") from e
    except Unsuitable as e:
        raise RuntimeUnavailable(str(e)) from e


def describe(path: Path, told: Mapping[str, Any]) -> tuple[list[Kernel], np.ndarray]:
    """(the kernels in the order in which they ran, their microseconds: float64 of (kernels, runs)).

    Args:
        path: of the file.
        told: what Events.finish gives, here or on a device.

    Raises NotJson where it is something else, and ArtifactError where no operator was recorded.
    """
    events = convert(told, _Told)
    if any(not 0 <= i < len(events.sequences) or len(us) != len(events.sequences[i]) for i, us in events.runs):
        raise NotJson("not a time of each event")
    usual = _usual(events, path)
    us = np.array([us for i, us in events.runs if i == usual], np.float64).T + _CUT_US
    kernels = _describe(path, events.sequences[usual], events.operators)
    kept = [i for i, kernel in enumerate(kernels) if kernel is not None]
    return [kernel for kernel in kernels if kernel is not None], us.reshape(len(kernels), -1)[kept]


def _usual(events: _Told, path: Path) -> int:
    """The first sequence that has as many events as most runs. Raises ArtifactError where there is none."""
    if not any(us for _, us in events.runs):
        raise ArtifactError(f"{path}: LiteRT's profiler has recorded no operator")
    usual = mode(len(us) for _, us in events.runs)
    return next(i for i, us in events.runs if len(us) == usual)


def _describe(path: Path, events: Sequence[_Event], nodes: Sequence[_Node] | None) -> list[Kernel | None]:
    """What each event is the time of; None for a delegate's whole partition, whose kernels are told, too."""
    known = read_contents(path).operators
    alone = {event.index for event in events if event.type == OF_OPERATOR}
    if nodes is None:
        partitions = [[i for i in range(len(known)) if i not in alone]]
    else:
        partitions = partitions_of([asdict(node) for node in nodes])
    if any(i >= len(known) for partition in partitions for i in partition):
        raise NotJson("an operator that the file has not")
    found: list[Kernel | None] = [None] * len(events)
    for partition, places in enumerate(_places_of_partitions(events)):
        if partition >= len(partitions):
            raise ArtifactError(f"{path}: LiteRT profiles more partitions than the interpreter has")
        inside = [known[i] for i in partitions[partition]]
        parts = align([each.kind for each in inside], [events[place].tag for place in places])
        last = inside[0] if inside else None
        for place, part in zip(places, parts, strict=True):
            computed = [inside[i] for i in part]
            last = computed[-1] if computed else last
            found[place] = _kernel(computed, last, events[place].tag, partition)
    for place, event in enumerate(events):  # from the index `len(known)` on nodes are the partitions themselves
        if event.type == OF_OPERATOR and 0 <= event.index < len(known):
            found[place] = _kernel([known[event.index]], None, event.tag, None)
    return found


def _places_of_partitions(events: Sequence[_Event]) -> list[list[int]]:
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
