"""Whole numbers of a graph that follow from the height and width of its image: how they do, and the graph at others.

A graph is static: made for one size. Which of its constants are others at other sizes, and how they follow from the
size, stands in the constants' metadata, from where converters that leave sizes open take it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd, prod

import numpy as np
import onnx_ir as ir

from ..artifacts.errors import UnsupportedOp
from ..artifacts.sizes import Size, Sizes
from .edit import array, constant, given, name_of, shape, where

# in the metadata of an initializer: its numbers in order, each a Term or one that stays; of an input whose size is open
FOLLOWS = "edgeport.follows_size"
STEPS = (1, 2, 4, 8, 16, 32, 64, 128)  # by which strides divide a size


@dataclass(frozen=True)
class Term:
    """factor * ((height + before_h) // step_h) * ((width + before_w) // step_w) // divisor + more.

    A step of 0 leaves that side out.

    Attributes:
        factor, divisor, more: whole numbers, the divisor positive.
        height, width: (added before, step) of each side.
    """

    factor: int
    height: tuple[int, int] = (0, 0)
    width: tuple[int, int] = (0, 0)
    divisor: int = 1
    more: int = 0

    def at(self, size: Size) -> int:
        """The number at (height, width)."""
        sides = zip(size, (self.height, self.width), strict=True)
        parts = [(side + before) // step for side, (before, step) in sides if step]
        return self.factor * prod(parts) // self.divisor + self.more

    def to_list(self) -> list[int]:
        """For JSON."""
        return [self.factor, *self.height, *self.width, self.divisor, self.more]

    @classmethod
    def of_list(cls, numbers: Sequence[int]) -> Term:
        """What `to_list` gave."""
        factor, before_h, step_h, before_w, step_w, divisor, more = numbers
        return cls(factor, (before_h, step_h), (before_w, step_w), divisor, more)


Number = int | Term


def fit(sizes: Sequence[Size], numbers: Sequence[int]) -> Number | None:
    """How a number follows from the size, by what it is at several of them; None where no known way gives them all."""
    if len(set(numbers)) == 1:
        return numbers[0]
    wanted = list(zip(sizes, numbers, strict=True))
    return next((t for t in _candidates(sizes, numbers) if all(t.at(size) == number for size, number in wanted)), None)


def _candidates(sizes: Sequence[Size], numbers: Sequence[int]) -> Iterator[Term]:
    """The simplest first: one side's multiple, its parts by strides that round down or up, and products of both."""
    for side in (0, 1):
        yield from _linear(side, [size[side] for size in sizes], numbers)
    first = prod(sizes[0])
    divisor = gcd(first, numbers[0])
    yield Term(numbers[0] // divisor, (0, 1), (0, 1), first // divisor)
    rounded = [(before, step) for step in STEPS for before in sorted({-2 * step, -step, 0, step // 2, step - 1, step})]
    for height, width in itertools.product([(0, 0), *rounded], repeat=2):
        plain = Term(1, height, width)
        if (unit := plain.at(sizes[0])) > 0 and numbers[0] % unit == 0:
            yield Term(numbers[0] // unit, height, width)
    for height, width in itertools.product(rounded, repeat=2):  # a product, and something beside it
        unit = Term(1, height, width)
        (a, b), (x, y) = (unit.at(size) for size in sizes[:2]), numbers[:2]
        if a != b and (x - y) % (a - b) == 0:
            factor = (x - y) // (a - b)
            yield Term(factor, height, width, 1, x - factor * a)


def _linear(side: int, lengths: Sequence[int], numbers: Sequence[int]) -> Iterator[Term]:
    """A multiple of one side, and something beside it: exact at all sizes, or rounded."""
    found = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
    if found is None:
        return
    rise, run = numbers[found] - numbers[0], lengths[found] - lengths[0]
    divisor = gcd(rise, run) * (1 if run > 0 else -1)
    factor, step = rise // divisor, run // divisor
    more, rest = divmod(numbers[0] * step - factor * lengths[0], step)
    if rest == 0:
        yield _of_side(side, (0, 1), factor, step, more)
    for step in STEPS[1:]:  # (n + before) // step + more
        for before in range(step):
            yield _of_side(side, (before, step), more=numbers[0] - (lengths[0] + before) // step)


def _of_side(side: int, steps: tuple[int, int], factor: int = 1, divisor: int = 1, more: int = 0) -> Term:
    return Term(factor, (0, 0) if side else steps, steps if side else (0, 0), divisor, more)


def declare_open(model: ir.Model) -> None:
    """Note that the image of the graph has a size that is open, so that nothing is made for its own."""
    model.graph.inputs[0].metadata_props[FOLLOWS] = ""


def is_open(model: ir.Model) -> bool:
    """Whether that was noted."""
    return any(FOLLOWS in value.metadata_props for value in model.graph.inputs)


def mark(node: ir.Node, index: int, numbers: Sequence[Number]) -> None:
    """Note how the constant operand follows from the size; where others read it too, the node gets its own."""
    value, told = given(node.inputs[index]), write_numbers(numbers)
    if len(tuple(value.uses())) > 1 or value.is_graph_output():
        value = constant(node.graph, array(value), value.name)
        node.replace_input_with(index, value)
    value.metadata_props[FOLLOWS] = told


def write_numbers(numbers: Sequence[Number]) -> str:
    """As they stand in the metadata."""
    return json.dumps([each.to_list() if isinstance(each, Term) else each for each in numbers])


def marks(model: ir.Model) -> dict[str, list[Number]]:
    """{constant: its numbers, flat}, of those that follow from the size."""
    found = {}
    for name, value in model.graph.initializers.items():
        if told := value.metadata_props.get(FOLLOWS):
            found[name] = [Term.of_list(each) if isinstance(each, list) else each for each in json.loads(told)]
    return found


def at_size(model: ir.Model, size: Size) -> ir.Model:
    """The graph of an image (1, c, height, width) of another size: a copy that shares its large constants.

    Raises UnsupportedOp where a constant that nobody marked is of the graph's own size.
    """
    from onnx_ir.passes import common

    model = model.clone()
    graph = model.graph
    for name, numbers in marks(model).items():
        value = graph.initializers[name]
        before = array(value)
        new = np.array([each.at(size) if isinstance(each, Term) else each for each in numbers], before.dtype)
        value.const_value = ir.Tensor(new.reshape(before.shape), name=name)
    (image,) = graph.inputs
    former = {out: shape(out) for node in graph for out in node.outputs if out.uses() or out.is_graph_output()}
    image.shape = ir.Shape([*shape(image)[:2], *size])
    for node in graph:
        for out in node.outputs:
            out.shape = None
    common.ShapeInferencePass(strict_mode=False)(model)
    for node in graph:
        for out in node.outputs:
            known = out.shape is not None and out.shape.is_static() and len(out.shape) == len(former.get(out, ()))
            if (out in former and not known) or (known and _loses(node)):
                raise UnsupportedOp(f"--dynamic size: {where(node)} has a constant that is of one size alone")
    return model


def _loses(node: ir.Node) -> bool:
    """Whether it is a Reshape to another number of elements."""
    return node.op_type == "Reshape" and prod(shape(node.inputs[0])) != prod(shape(node.outputs[0]))


def open_outputs(model: ir.Model, sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """{output: its axes whose length follows from the image's}. Raises UnsupportedOp as `at_size`."""
    other = at_size(model, sizes.other)
    return {
        name_of(value): tuple(i for i, (a, b) in enumerate(zip(shape(value), shape(twin), strict=True)) if a != b)
        for value, twin in zip(model.graph.outputs, other.graph.outputs, strict=True)
    }
