"""Open the first axis of a graph that was made for one image, so that its file takes any number of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ...artifacts.errors import UnsupportedOp
from ...graph.open_sizes import Number
from .proto import constants_of

BATCH = "batch"


def open_batch(graph: onnx.GraphProto, follows: dict[str, list[Number]] | None = None) -> None:
    """The inputs' first axis, of one image, becomes `batch`; what held the 1 of it as a number takes what comes.

    `follows`: {constant: its numbers}, of those that follow from an open size; those made of them are added to it.

    What is written with fixed shapes is read as what it means for one image: the first number of a Reshape's target
    is what is left of the images, a Resize keeps the two first axes, and a constant that is joined to the images
    (a class token), or that all of them are sampled by, is repeated. That each image then gets what it got alone is
    not proven here: whoever writes the file runs it.

    Raises UnsupportedOp for an input that is not of one image, an output without axes, and an operator that selects
    boxes of one image.
    """
    for value in graph.input:
        dims = value.type.tensor_type.shape.dim
        if not dims or dims[0].dim_value != 1:
            sizes = tuple(dim.dim_value for dim in dims)
            raise UnsupportedOp(
                f"--dynamic batch: input {value.name!r} is {sizes}, not of one image along its first axis"
            )
        dims[0].dim_param = BATCH
    opened = _Opened(graph, {} if follows is None else follows)
    nodes = [each for node in graph.node for each in opened.rewritten(node)]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]  # sizes of one image
    for value in graph.output:
        dims = value.type.tensor_type.shape.dim
        if value.name not in opened.follows:
            continue
        if not dims:
            raise UnsupportedOp(f"--dynamic batch: output {value.name!r} is one number, whatever the number of images")
        if dims[0].dim_value != 1:
            sizes = tuple(dim.dim_value for dim in dims)
            raise UnsupportedOp(
                f"--dynamic batch: output {value.name!r} is {sizes}, not of one image along its first axis"
            )
        dims[0].dim_param = BATCH


class _Opened:
    """The state of one walk: the constants, and the values that depend on the images."""

    def __init__(self, graph: onnx.GraphProto, follows: dict[str, list[Number]]) -> None:
        self.graph, self.constants, self.of_size = graph, constants_of(graph), follows
        self.follows = {value.name for value in graph.input}

    def rewritten(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """The node for any number of images, and what it needs in front of it."""
        follows = [name in self.follows for name in node.input]
        if not any(follows):
            yield node
            return
        self.follows.update(node.output)
        rewrite: Mapping[str, Callable[[onnx.NodeProto], Iterator[onnx.NodeProto]]] = {
            "Reshape": self._reshape,
            "Resize": self._resize,
            "Concat": self._concat,
            "NonMaxSuppression": self._refuse,
            "GridSample": self._grid_sample,
        }
        if node.op_type in rewrite:
            yield from rewrite[node.op_type](node)
        yield node

    def _reshape(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        target = numpy_helper.to_array(self.constants[node.input[1]]).copy()
        if target.size:
            target[0] = -1
            numbers = self.of_size.get(node.input[1])
            node.input[1] = self._constant(target, f"{node.output[0]}_shape", numbers and [-1, *numbers[1:]])
        yield from ()

    def _resize(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        sizes, numbers = numpy_helper.to_array(self.constants[node.input[3]]), self.of_size.get(node.input[3])
        yield from self._sizes(node.input[0], 2, sizes[2:], f"{node.output[0]}_sizes", numbers and numbers[2:])
        node.input[3] = f"{node.output[0]}_sizes"

    def _concat(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        axis = next(attribute.i for attribute in node.attribute if attribute.name == "axis")
        image = next(name for name in node.input if name in self.follows)
        for place, name in enumerate(node.input):
            if axis != 0 and name not in self.follows:
                yield from self._repeated(node, place, image)

    def _grid_sample(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        image, grid = node.input
        if grid not in self.follows:
            yield from self._repeated(node, 1, image)
        elif image not in self.follows:
            yield from self._repeated(node, 0, grid)

    def _repeated(self, node: onnx.NodeProto, place: int, image: str) -> Iterator[onnx.NodeProto]:
        """The constant operand at `place`, as often as there are images."""
        constant = self.constants.get(node.input[place])
        if constant is None or constant.dims[:1] != [1]:
            return
        name, dims = f"{node.output[0]}_repeated_{place}", np.array(constant.dims, np.int64)
        yield from self._sizes(image, 1, dims[1:], f"{name}_sizes")
        yield helper.make_node("Expand", [node.input[place], f"{name}_sizes"], [name], name)
        node.input[place] = name

    def _sizes(
        self, image: str, kept: int, behind: np.ndarray, name: str, numbers: list[Number] | None = None
    ) -> Iterator[onnx.NodeProto]:
        """`name`: the sizes of the first `kept` axes of `image`, and numbers."""
        yield helper.make_node("Shape", [image], [f"{name}_own"], f"{name}_own", start=0, end=kept)
        parts = [f"{name}_own", *([self._constant(behind, f"{name}_rest", numbers)] if behind.size else [])]
        yield helper.make_node("Concat", parts, [name], name, axis=0)

    def _refuse(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        raise UnsupportedOp(f"--dynamic batch: {node.op_type} {node.name!r} selects boxes of a fixed number of images")
        yield node

    def _constant(self, array: np.ndarray, name: str, numbers: list[Number] | None = None) -> str:
        if numbers:
            self.of_size[name] = numbers
        tensor = numpy_helper.from_array(array.astype(np.int64), name)
        self.graph.initializer.append(tensor)
        self.constants[name] = tensor
        return name
