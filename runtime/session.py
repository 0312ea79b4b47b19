"""What a session is: it runs one artifact, and hides the oddities of its format.

Outside are float32 NCHW arrays and the model's own tensor names; the format's layout and types stay inside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from ..artifacts.errors import FeedError, UsageError
from ..artifacts.sizes import Size, Sizes, shown

IMAGE = "uint8"  # dtype of an input that is an image: whole pixels from 0 to 255
WHOLE = frozenset({"int32", "int64", "bool"})  # types of inputs and outputs that are no real numbers


def outward(array: np.ndarray) -> np.ndarray:
    """A result as a session gives it: whole numbers as they are, others as float32."""
    return array if array.dtype.name in WHOLE else array.astype(np.float32, copy=False)


def from_nhwc(spec: "TensorSpec") -> "TensorSpec":
    """An image input that the artifact takes as (n, h, w, c), as it looks from outside."""
    n, h, w, c = spec.shape
    return replace(spec, shape=(n, c, h, w))


def to_nhwc(array: np.ndarray) -> np.ndarray:
    """(n, c, h, w) -> (n, h, w, c), contiguous."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1))


@dataclass(frozen=True)
class TensorSpec:
    """An input or output as seen from outside.

    Attributes:
        name: the model's own name.
        shape: logical NCHW dimensions; None where the artifact leaves one open, but for the height and width of an
            image of several `sizes`, which are the default ones.
        dtype: the numpy name of what the artifact computes with there ("float32", "int8").
        sizes: which other heights and widths an image may have; None where it has those of the shape.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    sizes: Sizes | None = None

    def takes(self, dims: Sequence[int]) -> bool:
        """Whether an array of these dimensions fits."""
        if self.sizes and len(dims) == 4 and not self.sizes.holds(dims[2:]):
            return False
        shape = (*self.shape[:2], None, None) if self.sizes else self.shape
        return len(shape) == len(dims) and all(want in (None, got) for want, got in zip(shape, dims, strict=True))


def with_sizes(inputs: Sequence[TensorSpec], sizes: Sizes | None) -> tuple[TensorSpec, ...]:
    """The inputs of an artifact whose one image may have any of these sizes: their shape has the default."""
    if sizes is None or len(inputs) != 1 or len(inputs[0].shape) != 4:
        return tuple(inputs)
    return (replace(inputs[0], shape=(*inputs[0].shape[:2], *sizes.default), sizes=sizes),)


def at_size(inputs: Sequence[TensorSpec], size: Size | None, where: object) -> tuple[TensorSpec, ...]:
    """The inputs with an image of another size than the default. Raises UsageError for one that is not taken."""
    if size is None:
        return tuple(inputs)
    image, *others = inputs
    if image.sizes is None or others:
        taken = "x".join("?" if dim is None else str(dim) for dim in image.shape)
        raise UsageError(f"{where}: takes one size, {taken}; --size is for what `export --dynamic size` made")
    if not image.sizes.holds(size):
        raise UsageError(f"{where}: does not take {shown(size)}, but {image.sizes}")
    return (replace(image, shape=(*image.shape[:2], *size)),)


@runtime_checkable
class Session(Protocol):
    """What every format's session offers."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    threads: int
    load_ms: float  # from the file on disk to ready to run, without our own checks of the file
    runtime: str  # name and version, "onnxruntime 1.22.0"
    emulated: bool  # True where this is not what runs the artifact on a device, so that its times mean nothing

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """{input name: NCHW array} -> {output name: array}: float32, or whole numbers where the artifact has such.

        Raises FeedError.
        """
        ...

    def close(self) -> None:
        """Frees the native memory; the session cannot run after it."""
        ...


@runtime_checkable
class Portable(Session, Protocol):
    """A session of an artifact that other machines can run, too: `run` is inward, raw and outward in turn."""

    def inward(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """What the artifact is given, in its own order, layout and types. Raises FeedError."""
        ...

    def raw(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What the artifact gives, in its own order, layout and types."""
        ...

    def outward(self, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """{output name: array}, as `run` gives it."""
        ...


@runtime_checkable
class Widens(Protocol):
    """A session that also computes in float64."""

    def double(self) -> Session:
        """Return the same session in float64; it takes and gives what this one does."""
        ...


@runtime_checkable
class Delegating(Protocol):
    """A session whose operators a delegate runs, in one partition or several."""

    def delegate_partitions(self) -> int | None:
        """How many partitions the delegate made."""
        ...

    def undelegated(self) -> list[str]:
        """The names of the operators that it did not take, in order."""
        ...


@runtime_checkable
class TimesItself(Protocol):
    """A session in another process, which knows better what a run takes."""

    def run_timed(self, feeds: Mapping[str, np.ndarray]) -> int:
        """Runs, and says how many nanoseconds that took. Raises FeedError."""
        ...


@runtime_checkable
class Labelled(Protocol):
    """A session of an artifact that gives scores by label."""

    labels: tuple[str | int, ...]  # in the order of the scores that `run` gives; empty for other models


def check_feeds(inputs: tuple[TensorSpec, ...], feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The feeds in the order of `inputs`, contiguous: whole numbers and bytes as they are where the artifact takes
    such, else float32. Raises FeedError on a wrong name or shape."""
    names = [spec.name for spec in inputs]
    if set(names) != set(feeds):
        raise FeedError(f"the model's inputs are {names}, but {sorted(feeds)} were given")
    arrays = []
    for spec in inputs:
        array = np.asarray(feeds[spec.name], order="C")
        is_image = array.dtype.name == spec.dtype == IMAGE
        if not is_image and (spec.dtype not in WHOLE or array.dtype.kind not in "iub"):
            array = array.astype(np.float32, copy=False)
        if not spec.takes(array.shape):
            also = f" ({spec.sizes})" if spec.sizes else ""
            raise FeedError(f"input {spec.name!r} has shape {spec.shape}{also}, but {array.shape} was given")
        arrays.append(array)
    return arrays
