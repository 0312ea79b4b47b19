"""Artifacts that take images of several heights and widths: asked for, and proven by running them at some."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..artifacts.errors import ArtifactError, EdgeportError, UnsupportedOp, UsageError
from ..artifacts.sizes import Side, Size, SizeCheck, Sizes, shown
from ..runtime.compare import compare, verdict
from ..runtime.session import Session
from ..runtime.session_wrappers import CachedSession, SoftmaxSession
from ..targets.target import Target
from ..tasks.task import ROUNDED
from .data.dataset import Dataset, Feed
from .options import Job
from .output_kinds import Kinds
from .progress import Progress
from .sources.source import ModelSource

if TYPE_CHECKING:
    import onnx_ir as ir

BATCH, SIZE = "batch", "size="
FEW = 2  # inputs that are compared at each size
EXAMPLE = "batch, size=256:640:32 (from, to, in steps of), size=256,320,640 or size=48x160:640:32 (height x width)"
_RANGE = re.compile(r"(\d{1,5}):(\d{1,5})(?::(\d{1,5}))?")


Lengths = tuple[int, ...] | range  # what a height or width may be


@dataclass(frozen=True)
class Dynamic:
    """Which sizes of the input are left open: the number of images, and their (heights, widths), if any."""

    batch: bool = False
    sides: "tuple[Lengths, Lengths] | None" = None


@dataclass(frozen=True)
class SizedReference:
    """The model at another size, and inputs for it."""

    size: Size
    session: Session
    inputs: Dataset


def read_dynamic(given: str | Sequence[str] | None) -> Dynamic:
    """What `dynamic` asks for. Raises UsageError."""
    asked = (given,) if isinstance(given, str) else tuple(given or ())
    found = Dynamic()
    for each in asked:
        if each == BATCH and not found.batch:
            found = replace(found, batch=True)
        elif str(each).startswith(SIZE) and not found.sides:
            found = replace(found, sides=read_sides(each.removeprefix(SIZE)))
        else:
            raise UsageError(f"--dynamic {each}: is one of {EXAMPLE}, each at most once")
    return found


def read_sides(text: str) -> tuple[Lengths, Lengths]:
    """ "256:640:32", "256,320,640" of both, or one for each with an "x" between: what (heights, widths) may be.

    Raises UsageError.
    """
    parts = text.split("x")
    if len(parts) > 2:
        raise UsageError(f"--dynamic size={text}: give {EXAMPLE}")
    found = [_read_side(part, text) for part in parts]
    if all(len(each) < 2 for each in found):
        raise UsageError(f"--dynamic size={text}: give {EXAMPLE}")
    return found[0], found[-1]


def _read_side(part: str, text: str) -> Lengths:
    if match := _RANGE.fullmatch(part):
        first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
        if not 0 < first < last or not step or (last - first) % step:
            raise UsageError(f"--dynamic size={text}: must rise from its first to its last size in whole steps")
        return range(first, last + 1, step)
    if not re.fullmatch(r"\d{1,5}(,\d{1,5})*", part):
        raise UsageError(f"--dynamic size={text}: give {EXAMPLE}")
    listed = tuple(sorted({int(each) for each in part.split(",")}))
    if not listed[0]:
        raise UsageError(f"--dynamic size={text}: give two sizes or more, from 1 on")
    return listed


def asked_sizes(job: Job, source: ModelSource) -> Sizes | None:
    """The sizes that artifacts are to take; None for the model's own. Raises UsageError where they do not fit it."""
    sides = read_dynamic(job.model.dynamic).sides
    if not sides:
        return None
    spec = source.input_spec
    if spec.image_size is None:
        raise UsageError(f"--dynamic size: {source.model} takes no single image, but {spec}")
    if source.resized is None:
        raise UsageError(f"--dynamic size: {source.model} was prepared for {shown(spec.image_size[1:])} alone")
    default = spec.image_size[1:]
    near = [
        min(lengths, key=lambda length, wanted=wanted: abs(length - wanted))
        for lengths, wanted in zip(sides, default, strict=True)
    ]
    if (near[0], near[1]) != default:
        raise UsageError(
            f"--dynamic size: the model's own size {shown(default)}, at which it is calibrated and timed, is none of "
            f"them; take a range with it, or --input-shape {spec.image_size[0]},{near[0]},{near[1]}"
        )
    try:
        return Sizes(height=Side.of(sides[0]), width=Side.of(sides[1]), default=default)
    except ValueError as e:
        raise UsageError(f"--dynamic size: {e}") from e


def check_target(job: Job, target: Target) -> None:
    """Raises UnsupportedOp where the target has no artifacts of several sizes, and the job is for such."""
    profile, options = target.profile(job.quantization.profile), target.own_options(job.model.target_options)
    why = target.why_one_size(profile, options)
    if why and read_dynamic(job.model.dynamic).sides:
        raise UnsupportedOp(f"{target.name}: {why}; leave out --dynamic size, and export once for each size")


def sizes_to_check(sizes: Sizes) -> list[Size]:
    """At which artifacts are run: the smallest, the largest, and two that are not square, one from between."""
    h, w = sizes.height, sizes.width
    between = w.lengths[len(w.lengths) // 2] if w.is_open else w.smallest
    low = h.smallest if w.is_open else h.lengths[len(h.lengths) // 2]
    wanted = [(h.smallest, w.smallest), (h.largest, w.largest), (h.largest, w.smallest), (low, between)]
    return [size for size in dict.fromkeys(wanted) if size != sizes.default]


def open_graph(
    source: ModelSource, graph: "ir.Model", sizes: Sizes, progress: Progress, seconds: dict[str, float]
) -> None:
    """Notes in the canonical graph which of its constants follow from the size of the image, and how.

    Raises UnsupportedOp where the model computes something else at another size, and for numbers of one size.
    """
    from ..exporters.canonicalize import canonicalize
    from ..exporters.size_comparison import mark_sizes

    others = {}
    for size in sizes.corners:
        with progress.stage(f"the graph at {shown(size)}", seconds, "open_sizes"):
            others[size] = canonicalize(resize_source(source, size).graph())
    mark_sizes(graph, sizes.default, others)


def resize_source(source: ModelSource, size: Size) -> ModelSource:
    """The source at another size. Raises UnsupportedOp where the model does not run at it."""
    if source.resized is None:
        raise UnsupportedOp(f"--dynamic size: {source.model} takes {source.input_spec} and nothing else")
    try:
        return source.resized(size)
    except EdgeportError as e:
        raise UnsupportedOp(f"--dynamic size: {source.model} is of one size: {e}") from e


def open_references(source: ModelSource, inputs: Dataset, sizes: Sizes, *, softmax: bool) -> tuple[SizedReference, ...]:
    """The model at the sizes at which artifacts are run, and some of the inputs for each."""
    found = []
    for size in sizes_to_check(sizes):
        session: Session = CachedSession(resize_source(source, size).session())
        session = SoftmaxSession(session) if softmax else session
        found.append(SizedReference(size, session, resample(inputs.take(FEW), size)))
    return tuple(found)


def check_sizes(
    session: Session, sized: Sequence[SizedReference], kinds: Kinds, precision: str, limits: str, what: str
) -> tuple[SizeCheck, ...]:
    """Runs the artifact beside the model at several sizes.

    What is rounded to 8 bits is judged as at the default size. Raises UnsupportedOp where the artifact does not run
    there, or, of what computes in float, is not what the model gives.
    """
    checks = []
    for each in sized:
        place = f"{what}: --dynamic size: at {shown(each.size)}"
        inputs = each.inputs
        if session.inputs[0].sizes is None:
            raise UnsupportedOp(f"{what}: --dynamic size: the file has a fixed size; leave it out")
        try:
            agreement = compare(each.session, session, inputs, kinds)
        except ArtifactError as e:
            raise UnsupportedOp(f"{place} an operator has the shape of another size ({e}); leave it out") from e
        judged = verdict(agreement, limits, each.session, inputs, kinds)
        if agreement.problem or (judged.startswith("fail") and precision not in ROUNDED):
            raise UnsupportedOp(
                f"{place} it is not what the model gives ({judged.removeprefix('fail: ')}); leave it out, and export "
                "once for each size"
            )
        snr = None if math.isnan(agreement.snr_db) else agreement.snr_db
        checks.append(SizeCheck(height=each.size[0], width=each.size[1], snr_db=snr, verdict=judged))
    return tuple(checks)


def judge_sizes(own: str, checks: Sequence[SizeCheck]) -> str:
    """The verdict on an artifact, with the worst of its other sizes."""
    for grade in ("fail", "warn"):
        if own.startswith(grade):
            return own
        for each in checks:
            if each.verdict.startswith(grade):
                words = each.verdict.partition(": ")[2]
                return f"{grade}: at {shown((each.height, each.width))}: {words}"
    return own


def resample(inputs: Dataset, size: Size) -> Dataset:
    """The same images, each resized to (height, width) by the pixels nearest to its places."""
    load = inputs.load

    def resized(item: object) -> Feed:
        return {name: _nearest(array, size) for name, array in load(item).items()}

    return replace(inputs, load=resized)


def _nearest(array: np.ndarray, size: Size) -> np.ndarray:
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, array.shape[2:], strict=True))
    return np.ascontiguousarray(array[:, :, rows][:, :, :, columns])
