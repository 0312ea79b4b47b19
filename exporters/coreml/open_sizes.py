"""Open the height and width of an ML program that was written for one size, by what the same graph is at others.

Operations are the same at every size, and so are their constants, but for shapes and places: these are computed from
the shape of a value that has the length. What the file declares of a value leaves open what follows from the size.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from ...artifacts.errors import UnsupportedOp
from ...artifacts.sizes import Sizes
from ..lengths import ADVICE, Column, Length, find_length, no_length, open_axes

COMPUTED = {"reshape": {"shape"}, "resize": {"shape"}, "slice_by_index": {"begin", "end"}, "tile": {"reps"}}
MOST_LISTED = 128  # shapes that Core ML's input can enumerate; more are the range that holds them
_INT32, _BOOL, _STRING = 23, 1, 2  # DataType of MIL.proto


def open_sizes(spec: Any, others: Sequence[Any], sizes: Sizes) -> None:
    """Edit a Model message so that its one input takes all sizes; `others` are those of the same graph at others.

    Raises UnsupportedOp where another size has other operations or constants; it names the operation.
    """
    specs = [spec, *others]
    functions = [each.mlProgram.functions["main"] for each in specs]
    blocks = [each.block_specializations[each.opset] for each in functions]
    walk = _Walk(blocks)
    for inputs in zip(*(each.inputs for each in functions), strict=True):
        walk.add([inputs])
    walk.open_all()
    feature = spec.description.input[0].type
    if feature.HasField("imageType"):
        _open_image(feature.imageType, sizes)
    else:
        _open_array(feature.multiArrayType, sizes)
    for output in spec.description.output:
        if output.name in walk.shapes and open_axes(walk.shapes[output.name]):
            output.type.multiArrayType.ClearField("shape")


class _Walk:
    """The state of one walk over the operations of all sizes at once."""

    def __init__(self, blocks: Sequence[Any]) -> None:
        self.block = blocks[0]
        self.walks = [[each for each in block.operations if each.type != "const"] for block in blocks]
        self.consts = [{each.outputs[0].name: each for each in block.operations if each.type == "const"}
                       for block in blocks]  # fmt: skip
        self.twins: dict[str, tuple[str, ...]] = {}  # computed value -> its name at each size
        self.shapes: dict[str, list[tuple[int, ...]]] = {}
        self.types: dict[str, Any] = {}
        self.lengths: dict[Column, str] = {}
        self.made: list[Any] = []  # the new operations so far
        self.count = 0

    def add(self, outputs: Sequence[Sequence[Any]]) -> None:
        """Values that are computed at each size from here on."""
        for named in outputs:
            first = named[0]
            self.twins[first.name] = tuple(each.name for each in named)
            if first.type.HasField("tensorType"):
                self.types[first.name] = first.type.tensorType
                self.shapes[first.name] = [
                    tuple(d.constant.size for d in each.type.tensorType.dimensions) for each in named
                ]

    def open_all(self) -> None:
        """Puts the operations in the block that compute at every size; constants that nothing reads are left out."""
        if len({len(walk) for walk in self.walks}) > 1:
            raise UnsupportedOp(f"coreml: --dynamic size: there are other operations at other sizes{ADVICE}")
        for operations in zip(*self.walks, strict=True):
            self._open(operations)
            self.made.append(operations[0])
            self.add(list(zip(*(each.outputs for each in operations), strict=True)))
        for value, dims in self.shapes.items():
            _open_type(self.types[value], open_axes(dims))
        read = {b.name for each in self.made for a in each.inputs.values() for b in a.arguments} | {*self.block.outputs}
        own = {each.outputs[0].name for each in self.made if each.type == "const"}
        kept = [each for name, each in self.consts[0].items() if name in read and name not in own]
        fresh = [*(_copy(each) for each in kept), *(_copy(each) for each in self.made)]
        del self.block.operations[:]
        self.block.operations.extend(fresh)

    def _open(self, operations: Sequence[Any]) -> None:
        first, *rest = operations
        name = first.outputs[0].name
        kinds = {(each.type, tuple(sorted(each.inputs)), len(each.outputs)) for each in operations}
        if len(kinds) > 1 or any(_attributes(each) != _attributes(first) for each in rest):
            raise UnsupportedOp(
                f"coreml: --dynamic size: {first.type} '{name}' is another operation, or has other constants, at other "
                f"sizes{ADVICE}"
            )
        for parameter in first.inputs:
            bindings = [each.inputs[parameter].arguments for each in operations]
            for each in zip(*bindings, strict=True):
                self._operand(first, parameter, each)

    def _operand(self, operation: Any, parameter: str, bindings: Sequence[Any]) -> None:
        own, name = bindings[0], operation.outputs[0].name
        values: list[Any] = [
            consts[each.name].attributes["val"] if each.name in consts else each.value if not each.name else None
            for consts, each in zip(self.consts, bindings, strict=True)
        ]
        if all(each is None for each in values):
            if self.twins.get(own.name) != tuple(each.name for each in bindings):
                raise UnsupportedOp(f"coreml: --dynamic size: {operation.type} '{name}' reads others at other sizes")
            return
        if any(each is None for each in values):
            raise UnsupportedOp(f"coreml: --dynamic size: {operation.type} '{name}' reads a constant at one size alone")
        if len({each.SerializeToString(deterministic=True) for each in values}) == 1:
            return
        numbers = [list(each.immediateValue.tensor.ints.values) for each in values]
        if parameter not in COMPUTED.get(operation.type, ()) or len({len(each) for each in numbers}) > 1:
            raise UnsupportedOp(
                f"coreml: --dynamic size: {operation.type} '{name}' has a constant {parameter} that is of one size "
                f"alone{ADVICE}"
            )
        columns = [tuple(each) for each in zip(*numbers, strict=True)]
        following = [len(set(column)) > 1 for column in columns]
        if operation.type == "reshape" and sum(following) == 1:
            value = self._const([-1 if f else c[0] for f, c in zip(following, columns, strict=True)])
        else:
            parts = [self._length(column, operation) for column in columns]
            axis, apart = self._const(0), self._const(False)
            value = self._emit("concat", {"values": parts, "axis": [axis], "interleave": [apart]}, len(parts))
        own.name = value

    def _length(self, column: Column, operation: Any) -> str:
        """A value (1,) that is the number."""
        if len(set(column)) == 1:
            return self._const([column[0]])
        if column not in self.lengths:
            found = find_length(column, self.shapes)
            if found is None:
                raise no_length("coreml", f"{operation.type} '{operation.outputs[0].name}'", column)
            self.lengths[column] = self._computed(found)
        return self.lengths[column]

    def _computed(self, found: Length[str]) -> str:
        """(times * length + more) / over, (1,)."""
        shape = self._emit("shape", {"x": [found.value]}, len(self.shapes[found.value][0]))
        options = {"axis": 0, "batch_dims": 0, "validate_indices": False}
        given = {key: [self._const(each)] for key, each in options.items()}
        length = self._emit("gather", {"x": [shape], "indices": [self._const([found.axis])], **given}, 1)
        steps = (("mul", found.times, 1), ("add", found.more, 0), ("floor_div", found.over, 1))
        for kind, number, neutral in steps:
            if number != neutral:
                length = self._emit(kind, {"x": [length], "y": [self._const([number])]}, 1)
        return length

    def _emit(self, kind: str, inputs: dict[str, list[str]], length: int) -> str:
        """An operation that gives int32 (length,)."""
        operation = self._operation(kind)
        for parameter, names in inputs.items():
            for name in names:
                operation.inputs[parameter].arguments.add(name=name)
        _declare(operation.outputs[0].type.tensorType, _INT32, length)
        return operation.outputs[0].name

    def _const(self, value: list[int] | int | bool) -> str:
        operation = self._operation("const")
        dtype, length = (_BOOL, None) if isinstance(value, bool) else (_INT32, None)
        length = len(value) if isinstance(value, list) else length
        held = operation.attributes["val"]
        for kind in (operation.outputs[0].type.tensorType, held.type.tensorType):
            _declare(kind, dtype, length)
        tensor = held.immediateValue.tensor
        if isinstance(value, bool):
            tensor.bools.values.append(value)
        else:
            tensor.ints.values.extend(value if isinstance(value, list) else [value])
        return operation.outputs[0].name

    def _operation(self, kind: str) -> Any:
        self.count += 1
        name = f"sizes_{kind}_{self.count}"
        operation = type(self.block.operations[0])(type=kind)
        operation.outputs.add(name=name)
        told = operation.attributes["name"]
        told.type.tensorType.dataType = _STRING
        told.immediateValue.tensor.strings.values.append(name)
        self.made.append(operation)
        return operation


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _attributes(operation: Any) -> dict[str, bytes]:
    """Of an operation that is no constant: what it holds itself, but for its name."""
    held = {key: value.SerializeToString(deterministic=True) for key, value in operation.attributes.items()}
    return {key: value for key, value in held.items() if key != "name"}


def _declare(kind: Any, dtype: int, length: int | None) -> None:
    kind.dataType = dtype
    if length is not None:
        kind.rank = 1
        kind.dimensions.add().constant.size = length


def _open_type(kind: Any, axes: Sequence[int]) -> None:
    for axis in axes:
        kind.dimensions[axis].ClearField("constant")
        kind.dimensions[axis].unknown.SetInParent()


def _pairs(sizes: Sizes) -> list[tuple[int, int]]:
    """All of them, the default first, where they are listed and not too many; none where they are a range."""
    pairs = [pair for pair in product(sizes.height.listed, sizes.width.listed) if pair != sizes.default]
    return [sizes.default, *pairs] if 0 < len(pairs) < MOST_LISTED else []


def _open_array(array: Any, sizes: Sizes) -> None:
    fixed = list(array.shape)[:2]
    for pair in _pairs(sizes):
        array.enumeratedShapes.shapes.add().shape.extend([*fixed, *pair])
    if not array.HasField("enumeratedShapes"):
        sides = [(side.smallest, side.largest) for side in (sizes.height, sizes.width)]
        for low, high in [(n, n) for n in fixed] + sides:
            array.shapeRange.sizeRanges.add(lowerBound=low, upperBound=high)


def _open_image(image: Any, sizes: Sizes) -> None:
    for height, width in _pairs(sizes):
        image.enumeratedSizes.sizes.add(height=height, width=width)
    if not image.HasField("enumeratedSizes"):
        taken = image.imageSizeRange
        for bounds, side in ((taken.heightRange, sizes.height), (taken.widthRange, sizes.width)):
            bounds.lowerBound, bounds.upperBound = side.smallest, side.largest
