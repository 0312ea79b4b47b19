"""What a task is: how raw outputs become answers, how two answers are compared, and how one is drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .agreement import FigureSpec, Reduce

if TYPE_CHECKING:
    import PIL.Image

ROUNDED = ("int8", "int16x8", "w8a32", "w8a16", "dynamic")  # precisions that store or compute in 8 bits


@dataclass(frozen=True)
class Port:
    """An output, as far as it tells what it means.

    Attributes:
        name: of the tensor.
        shape: logical.
        kind: of runtime.output_kinds, by its name; "" where nothing says it.
        example: what the reference gives for one input; None where it was not run.
        recorded: its meaning is known already, and its shape alone has to fit.
    """

    name: str
    shape: tuple[int | None, ...]
    kind: str = ""
    example: np.ndarray | None = None
    recorded: bool = False


Roles = Mapping[str, str]  # {what an output is to the task: its name}
Size = tuple[int, int] | None  # (height, width) of the image that the model takes


@dataclass(frozen=True, kw_only=True)
class Head:
    """A convention by which raw outputs become answers.

    Attributes:
        name: as networks that have it are known.
        about: for the guide: the outputs, and whose they are.
        settings: all that the decoding depends on, as data; a caller may say each differently.
        match: (the outputs, the image's size) -> the roles, or None where the outputs are not of these shapes.
        plain: the same -> whether nothing else has outputs of these shapes and values.
        batched: the first axis of each output is the batch.
        ordered: the same row of two runs is the same thing; False where rows come in the order of their scores, so
            that number by number they cannot be compared.
    """

    name: str
    about: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    match: Callable[[Sequence[Port], Size], Roles | None]
    plain: Callable[[Sequence[Port], Size], bool] = lambda ports, size: False
    batched: bool = True
    ordered: bool = True


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What the outputs of one model mean.

    Attributes:
        task: which it is.
        head: the convention.
        outputs: {role: the reference's name of the output}.
        settings: the head's, with what the caller said differently.
        size: (height, width) of the image that the model takes; None for no image.
        labels: names of classes or characters, in their order; None where they are not known.
        told_by: who said it: "--task", "its outputs", a package, "the manifest".
    """

    task: "Task"
    head: Head
    outputs: Roles
    settings: Mapping[str, Any]
    size: Size = None
    labels: tuple[str, ...] | None = None
    told_by: str = ""

    def label(self, index: int) -> str:
        """The name of a class, or its number."""
        return self.labels[index] if self.labels and 0 <= index < len(self.labels) else str(index)


Arrays = Mapping[str, np.ndarray]  # {role: one sample's output, without the batch axis}


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a model is for.

    Attributes:
        name: as --task takes it.
        position: among the others; outputs that fit several plainly are those of the first.
        about: for help texts.
        heads: the conventions; the first that matches is taken where none is named.
        figures: the one that matters most first.
        decode: (meaning, a sample's outputs by role) -> the answer.
        compare: (meaning, the reference's answer, the artifact's) -> a record of the sample.
        reduce: records -> {figure: value}.
        must, should: {precision: {figure: limit}}: what fails an artifact, and what its user has to know.
        budgets: {argument of `edgeport.export`: figure}, what int8 may be held to.
        unknown: why records tell no figure: "the float model finds no objects in these inputs".
        words: {setting: what it may be}, of the settings that are words.
        count_labels: (meaning, the outputs) -> how many names its classes or characters may have; empty for any number.
        draw: (meaning, the image, the answer) -> the image with the answer; None for what cannot be drawn.
    """

    name: str
    position: int
    about: str
    heads: tuple[Head, ...]
    figures: tuple[FigureSpec, ...] = ()
    decode: Callable[[Meaning, Arrays], Any]
    compare: Callable[[Meaning, Any, Any], Any]
    reduce: Reduce
    must: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    should: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    budgets: Mapping[str, str] = field(default_factory=dict)
    unknown: str = ""
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    count_labels: "Callable[[Meaning, Sequence[Port]], Sequence[int]]" = lambda meaning, ports: ()
    draw: "Callable[[Meaning, PIL.Image.Image, Any], PIL.Image.Image] | None" = None

    def figure(self, name: str) -> FigureSpec:
        """The figure of that name."""
        return next(each for each in self.figures if each.name == name)


def limits(
    *, fp32: Mapping[str, float], fp16: Mapping[str, float], rounded: Mapping[str, float]
) -> Mapping[str, Mapping[str, float]]:
    """{precision: limits}; `rounded` for all of ROUNDED."""
    return {"fp32": fp32, "fp16": fp16, **dict.fromkeys(ROUNDED, rounded)}


def only(ports: Sequence[Port], role: str, fits: Callable[[tuple[int | None, ...]], bool]) -> Roles | None:
    """{role: the first output}, where its shape fits; what a model gives beside it (auxiliary heads) is left aside."""
    return {role: ports[0].name} if ports and fits(ports[0].shape) else None


def named(ports: Sequence[Port], **names: Sequence[str]) -> Roles | None:
    """{role: the output that has one of its names}; None unless all are there."""
    known = [port.name for port in ports]
    found = {role: next((name for name in wanted if name in known), None) for role, wanted in names.items()}
    return {role: name for role, name in found.items() if name} if None not in found.values() else None


def shape_of(ports: Sequence[Port], name: str) -> tuple[int | None, ...]:
    """The shape of an output."""
    return next(port.shape for port in ports if port.name == name)


def example(ports: Sequence[Port], name: str) -> np.ndarray | None:
    """What the reference gave for an output."""
    return next((port.example for port in ports if port.name == name), None)
