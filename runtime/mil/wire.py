"""Decode protobuf messages by a schema given as data.

The generated classes that ship in coremltools would need that package imported (seconds, warnings, TensorFlow where it
is installed); the wire format is small, and every check of a damaged file is then ours.
Source: https://protobuf.dev/programming-guides/encoding/
"""

import struct
from collections.abc import Callable
from typing import Any

# message -> field number -> (name, kind). A kind is a scalar of _SCALARS or a message of the schema; it ends in "[]"
# where the field repeats and in "{}" where it is a map from strings to that kind.
Schema = dict[str, dict[int, tuple[str, str]]]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH = 100  # protobuf's own limit; MIL nests about ten deep


class BrokenProtobuf(ValueError):
    """The bytes are not a message of the schema."""


def decode(schema: Schema, message: str, data: bytes | memoryview, depth: int = 0) -> dict[str, Any]:
    """{field name: value} of the fields that are present; repeated fields as lists, maps as dicts.

    Unknown fields are skipped. Raises BrokenProtobuf where the bytes end early or contradict the schema.
    """
    if depth > _MAX_DEPTH:
        raise BrokenProtobuf(f"messages nest more than {_MAX_DEPTH} deep")
    view, fields, result, at = memoryview(data), schema[message], {}, 0
    while at < len(view):
        key, at = _varint(view, at)
        wire = key & 7
        value, at = _read(view, at, wire)
        if key >> 3 not in fields:
            continue
        name, kind = fields[key >> 3]
        where = f"{message}.{name}"
        if kind.endswith("{}"):
            entry = decode(_entry(schema, kind[:-2]), "Entry", _expect(value, wire, _BYTES, where), depth + 1)
            result.setdefault(name, {})[entry.get("key", "")] = entry.get("value", {})
        elif kind.endswith("[]"):
            result.setdefault(name, []).extend(_repeated(schema, kind[:-2], value, wire, where, depth))
        else:
            result[name] = _single(schema, kind, value, wire, where, depth)
    return result


def _entry(schema: Schema, kind: str) -> Schema:
    """A map on the wire is a repeated message of key and value."""
    return {**schema, "Entry": {1: ("key", "string"), 2: ("value", kind)}}


def _single(schema: Schema, kind: str, value: Any, wire: int, where: str, depth: int) -> Any:
    if kind in schema:
        return decode(schema, kind, _expect(value, wire, _BYTES, where), depth + 1)
    expected, convert, _ = _SCALARS[kind]
    return convert(_expect(value, wire, expected, where))


def _repeated(schema: Schema, kind: str, value: Any, wire: int, where: str, depth: int) -> list[Any]:
    """One element, or for numbers a packed run of them."""
    packed = kind not in schema and _SCALARS[kind][0] != _BYTES and wire == _BYTES
    if not packed:
        return [_single(schema, kind, value, wire, where, depth)]
    expected, convert, code = _SCALARS[kind]
    if code:
        count, rest = divmod(len(value), struct.calcsize(code))
        if rest:
            raise BrokenProtobuf(f"{where} ends inside a number")
        return list(struct.unpack(f"<{count}{code}", value))
    numbers, at = [], 0
    while at < len(value):
        number, at = _read(value, at, expected)
        numbers.append(convert(number))
    return numbers


def _expect(value: Any, wire: int, expected: int, where: str) -> Any:
    if wire != expected:
        raise BrokenProtobuf(f"{where} has wire type {wire} instead of {expected}")
    return value


def _read(view: memoryview, at: int, wire: int) -> tuple[Any, int]:
    """(an integer, or the bytes of a length-delimited or fixed field; the place behind it)."""
    if wire == _VARINT:
        return _varint(view, at)
    if wire == _BYTES:
        size, at = _varint(view, at)
    elif wire in (_FIXED32, _FIXED64):
        size = 4 if wire == _FIXED32 else 8
    else:
        raise BrokenProtobuf(f"wire type {wire} does not exist")
    if at + size > len(view):
        raise BrokenProtobuf("it ends inside a field")
    return view[at : at + size], at + size


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(view):
            raise BrokenProtobuf("it ends inside a field")
        byte = view[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise BrokenProtobuf("a number has more than 64 bits")


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _text(value: memoryview) -> str:
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as e:
        raise BrokenProtobuf("a string is not UTF-8") from e


# kind -> (its wire type, bytes or integer -> value, the struct code of a packed run)
_SCALARS: dict[str, tuple[int, Callable[[Any], Any], str]] = {
    "int": (_VARINT, _signed, ""),
    "uint": (_VARINT, int, ""),
    "bool": (_VARINT, bool, ""),
    "string": (_BYTES, _text, ""),
    "bytes": (_BYTES, bytes, ""),
    "float": (_FIXED32, lambda value: struct.unpack("<f", value)[0], "f"),
    "double": (_FIXED64, lambda value: struct.unpack("<d", value)[0], "d"),
}
