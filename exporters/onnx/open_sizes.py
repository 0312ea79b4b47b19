"""Open the height and width of a graph that was made for one size: its shapes are computed from the image's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ...artifacts.sizes import Sizes
from ...graph.open_sizes import Number, Term
from .proto import constants_of

SIDES = ("height", "width")


def open_sizes(
    graph: onnx.GraphProto,
    follows: Mapping[str, Sequence[Number]],
    axes: tuple[int, int],
    outputs: Mapping[str, Collection[int]],
    sizes: Sizes,
) -> None:
    """The one input's height and width, where open, become symbols; each constant of `follows` is computed from them.

    `axes`: where they stand in the input. `outputs`: {output: its axes that follow from them}. A Reshape in
    which one number follows from the size has -1 there, and needs nothing more. That the file then gives what the
    model gives is not proven here: whoever writes it runs it.
    """
    (image,) = graph.input
    for axis, name, side in zip(axes, SIDES, (sizes.height, sizes.width), strict=True):
        if side.is_open:
            image.type.tensor_type.shape.dim[axis].dim_param = name
    del graph.value_info[:]  # sizes of one image
    computed = _Computed(graph, image.name, axes)
    nodes = []
    for node in graph.node:
        for place, name in enumerate(node.input):
            if numbers := follows.get(name):
                node.input[place] = computed.operand(name, numbers, infers=node.op_type == "Reshape")
        nodes.append(node)
    del graph.node[:]
    graph.node.extend([*computed.nodes, *nodes])
    for value in graph.output:
        for axis in outputs[value.name]:
            value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}_{axis}"


class _Computed:
    """What is computed from the image's size, each thing once; `nodes` stand in front of all others."""

    def __init__(self, graph: onnx.GraphProto, image: str, axes: tuple[int, int]) -> None:
        self.graph, self.image, self.axes = graph, image, axes
        self.nodes: list[onnx.NodeProto] = []
        self.known: dict[object, str] = {}
        self.constants = constants_of(graph)

    def operand(self, name: str, numbers: Sequence[Number], *, infers: bool) -> str:
        """The name of the operand whose numbers these are."""
        key = (name, infers)
        if key not in self.known:
            terms = [each for each in numbers if isinstance(each, Term)]
            if infers and len(terms) == 1 and -1 not in numbers:
                open_one = [-1 if isinstance(each, Term) else each for each in numbers]
                self.known[key] = self._constant(open_one, f"{name}_open")
            else:
                parts = [self._term(each) if isinstance(each, Term) else self._number(each) for each in numbers]
                self.known[key] = self._node("Concat", parts, f"{name}_computed", axis=0)
        return self.known[key]

    def _term(self, term: Term) -> str:
        """One number, (1,)."""
        if term not in self.known:
            name, result = f"size_{sum(isinstance(key, Term) for key in self.known)}", ""
            for side, (before, step) in enumerate((term.height, term.width)):
                if step:
                    part = self._calculated("Add", self._side(side), before, 0, f"{name}_{SIDES[side]}_before")
                    part = self._calculated("Div", part, step, 1, f"{name}_{SIDES[side]}")
                    result = self._node("Mul", [result, part], f"{name}_area") if result else part
            result = self._calculated("Mul", result, term.factor, 1, f"{name}_times")
            result = self._calculated("Div", result, term.divisor, 1, f"{name}_over")
            self.known[term] = self._calculated("Add", result, term.more, 0, f"{name}_and")
        return self.known[term]

    def _calculated(self, op_type: str, value: str, number: int, neutral: int, name: str) -> str:
        return value if number == neutral else self._node(op_type, [value, self._number(number)], name)

    def _side(self, side: int) -> str:
        if side not in self.known:
            axis, name = self.axes[side], f"image_{SIDES[side]}"
            self.known[side] = self._node("Shape", [self.image], name, start=axis, end=axis + 1)
        return self.known[side]

    def _number(self, number: int) -> str:
        key = ("number", number)
        if key not in self.known:
            self.known[key] = self._constant([number], f"size_number_{number}")
        return self.known[key]

    def _constant(self, numbers: Sequence[int], name: str) -> str:
        self.graph.initializer.append(numpy_helper.from_array(np.array(numbers, np.int64), name))
        return name

    def _node(self, op_type: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op_type, list(inputs), [name], name, **attributes))
        return name
