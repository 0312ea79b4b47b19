"""Checks that a .tflite file is whole, before native code follows its offsets.

The interpreter trusts every offset in the file: one that points past the end ends the process. So each table, vector
and string of the model is walked here and must lie inside the file, and each index must name something that exists.
The schema is tflite's schema.fbs, version 3; what is not listed below is scalar, or options without offsets.
"""

import math
import struct
from dataclasses import dataclass, field
from typing import Any

IDENTIFIER = b"TFL3"
MAX_DEPTH = 16
MAX_TENSOR_BYTES = 2**31 - 1  # what a flatbuffer can hold; a damaged dimension would ask for all memory

# element sizes of scalar vectors, bytes
_BYTES = {"u8": 1, "i32": 4, "f32": 4, "i64": 8}

# table -> {field id: what its offset points to}: a scalar vector "[i32]", "str", a table, or a vector of tables
TABLES = {
    "Model": {
        1: "[OperatorCode]",
        2: "[SubGraph]",
        3: "str",
        4: "[Buffer]",
        5: "[i32]",
        6: "[Metadata]",
        7: "[SignatureDef]",
    },
    "OperatorCode": {1: "str"},
    "SubGraph": {0: "[Tensor]", 1: "[i32]", 2: "[i32]", 3: "[Operator]", 4: "str"},
    "Tensor": {0: "[i32]", 3: "str", 4: "Quantization", 6: "Sparsity", 7: "[i32]"},
    "Quantization": {0: "[f32]", 1: "[f32]", 2: "[f32]", 3: "[i64]", 5: "Options"},
    "Sparsity": {0: "[i32]", 1: "[i32]", 2: "[Options]"},
    "Operator": {1: "[i32]", 2: "[i32]", 4: "Options", 5: "[u8]", 7: "[u8]", 8: "[i32]", 12: "Options"},
    "Options": {},
    "ListOptions": {0: "[i32]"},
    "Buffer": {0: "[u8]"},
    "Metadata": {0: "str"},
    "SignatureDef": {0: "[TensorMap]", 1: "[TensorMap]", 2: "str"},
    "TensorMap": {0: "str"},
}

# BuiltinOptions whose field 0 is a vector: ReshapeOptions, SqueezeOptions
_LIST_OPTIONS = {17, 30}

# TensorType -> bits per element; the others (strings, resources) count as bytes
_BITS = {0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 6: 8, 7: 16, 9: 8, 10: 64, 15: 32, 16: 16, 17: 4}


class BrokenFlatbuffer(ValueError):
    """The bytes are not a whole TFLite model; the message says what is wrong in a few words."""


@dataclass
class Table:
    """A verified table: where it lies, its scalars' positions and its verified children by field id."""

    data: memoryview
    position: int
    slots: list[int]
    children: dict[int, Any] = field(default_factory=dict)

    def scalar(self, index: int, code: str, default: int = 0) -> int:
        """The scalar in field `index`, read with struct code `code`, or its default."""
        if index >= len(self.slots) or self.slots[index] == 0:
            return default
        return _read(self.data, self.position + self.slots[index], code)

    def get(self, index: int, default: Any = ()) -> Any:
        return self.children.get(index, default)


def verify(data: bytes | memoryview) -> Table:
    """The model's root table, once every part of it is known to lie inside `data`. Raises BrokenFlatbuffer."""
    data = memoryview(data)
    if len(data) < 8 or bytes(data[4:8]) != IDENTIFIER:
        raise BrokenFlatbuffer("it does not have the file identifier TFL3")
    model = _table(data, _read(data, 0, "<I"), "Model", 0)
    _check_indices(model)
    return model


def metadata(model: Table) -> dict[str, bytes]:
    """{name: bytes} of the metadata entries of a verified model."""
    buffers = model.get(4)
    entries = {}
    for entry in model.get(6):
        content = buffers[entry.scalar(1, "<I")].get(0, b"")
        entries[entry.get(0, "")] = bytes(content)
    return entries


def _read(data: memoryview, position: int, code: str) -> int:
    try:
        if position < 0:
            raise BrokenFlatbuffer("an offset points before the file")
        return struct.unpack_from(code, data, position)[0]
    except struct.error as e:
        raise BrokenFlatbuffer("it is cut short or damaged: an offset points past its end") from e


def _vector(data: memoryview, position: int, element_bytes: int) -> tuple[int, int]:
    """(start, count) of a vector whose elements all lie inside the file."""
    count = _read(data, position, "<I")
    if position + 4 + count * element_bytes > len(data):
        raise BrokenFlatbuffer("it is cut short or damaged: a vector ends past its end")
    return position + 4, count


def _table(data: memoryview, position: int, kind: str, depth: int) -> Table:
    if depth > MAX_DEPTH:
        raise BrokenFlatbuffer("its tables are nested too deep")
    vtable = position - _read(data, position, "<i")
    vtable_bytes = _read(data, vtable, "<H")
    table_bytes = _read(data, vtable + 2, "<H")
    if vtable_bytes < 4 or vtable_bytes % 2 or vtable + vtable_bytes > len(data) or position + table_bytes > len(data):
        raise BrokenFlatbuffer("it is cut short or damaged: a table ends past its end")
    slots = list(struct.unpack_from(f"<{(vtable_bytes - 4) // 2}H", data, vtable + 4))
    if any(slot >= table_bytes for slot in slots if slot):
        raise BrokenFlatbuffer("it is damaged: a field lies outside its table")
    table = Table(data, position, slots)
    for index, target in TABLES[kind].items():
        if index < len(slots) and slots[index]:
            at = position + slots[index]
            if kind == "Operator" and index == 4 and table.scalar(3, "<B") in _LIST_OPTIONS:
                target = "ListOptions"
            table.children[index] = _child(data, at + _read(data, at, "<I"), target, depth + 1)
    return table


def _child(data: memoryview, position: int, target: str, depth: int):
    if target == "str":
        start, count = _vector(data, position, 1)
        if _read(data, start + count, "<B") != 0:
            raise BrokenFlatbuffer("it is damaged: a string has no end")
        try:
            return str(data[start : start + count], "utf-8")
        except UnicodeDecodeError as e:
            raise BrokenFlatbuffer("it is damaged: a name is not UTF-8") from e
    if not target.startswith("["):
        return _table(data, position, target, depth)
    element = target[1:-1]
    if element in _BYTES:
        start, count = _vector(data, position, _BYTES[element])
        content = data[start : start + count * _BYTES[element]]
        return struct.unpack(f"<{count}i", content) if element == "i32" else content
    start, count = _vector(data, position, 4)
    offsets = struct.unpack_from(f"<{count}I", data, start)
    return [_table(data, start + 4 * i + offset, element, depth) for i, offset in enumerate(offsets)]


def _check_indices(model: Table) -> None:
    """Raises BrokenFlatbuffer where an index of the model names nothing, or a constant has too few bytes."""
    codes, graphs, buffers = model.get(1), model.get(2), model.get(4)
    _within([entry.scalar(1, "<I") for entry in model.get(6)], buffers, "metadata")
    for buffer in buffers:
        offset, size = buffer.scalar(1, "<Q"), buffer.scalar(2, "<Q")  # data behind the flatbuffer, in files over 2 GB
        if offset > 1 and offset + size > len(model.data):
            raise BrokenFlatbuffer("it is cut short: a buffer behind the model ends past its end")
    if not graphs:
        raise BrokenFlatbuffer("it holds no graph")
    for graph in graphs:
        tensors = graph.get(0)
        _within(graph.get(1) + graph.get(2), tensors, "graph input or output")
        _within([tensor.scalar(2, "<I") for tensor in tensors], buffers, "tensor's buffer")
        for tensor in tensors:
            _check_size(tensor, buffers)
        for operator in graph.get(3):
            _within([operator.scalar(0, "<I")], codes, "operator code")
            optional = [index for index in operator.get(1) if index != -1]
            _within([*optional, *operator.get(2), *operator.get(8)], tensors, "operator's tensor")
        _check_order(graph, buffers)
    for signature in model.get(7):
        _within([signature.scalar(4, "<I")], graphs, "signature's graph")
        tensors = graphs[signature.scalar(4, "<I")].get(0)
        _within([entry.scalar(1, "<I") for entry in (*signature.get(0), *signature.get(1))], tensors, "signature")


def _check_order(graph: Table, buffers: list[Table]) -> None:
    """Raises BrokenFlatbuffer where an operator reads what nobody wrote before, or writes what is written already."""
    known = set(graph.get(1))
    for index, tensor in enumerate(graph.get(0)):
        stored = buffers[tensor.scalar(2, "<I")]
        if stored.get(0) or stored.scalar(1, "<Q") > 1 or tensor.scalar(5, "<B"):  # constant, far constant, variable
            known.add(index)
    for operator in graph.get(3):
        if not known.issuperset(index for index in operator.get(1) if index != -1):
            raise BrokenFlatbuffer("it is damaged: an operator reads a tensor that nothing has written")
        if not known.isdisjoint(operator.get(2)):
            raise BrokenFlatbuffer("it is damaged: an operator writes a tensor that has its value already")
        known.update(operator.get(2))


def _check_size(tensor: Table, buffers: list[Table]) -> None:
    shape, bits = tensor.get(0), _BITS.get(tensor.scalar(1, "<b"), 8)
    if any(dim < 0 for dim in shape):
        raise BrokenFlatbuffer(f"it is damaged: a tensor has the shape {list(shape)}")
    needed = math.ceil(math.prod(shape) * bits / 8)
    if needed > MAX_TENSOR_BYTES:
        raise BrokenFlatbuffer(f"it is damaged: a tensor of shape {list(shape)} is too large")
    content = buffers[tensor.scalar(2, "<I")].get(0, b"")
    if len(content) and needed > len(content):
        raise BrokenFlatbuffer(f"it is damaged: a constant needs {needed} bytes and has {len(content)}")


def _within(indices, items, what: str) -> None:
    if any(not 0 <= index < len(items) for index in indices):
        raise BrokenFlatbuffer(f"it is damaged: the index of a {what} names nothing")
