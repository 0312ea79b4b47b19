"""Reads JSON that edgeport did not make just now: strictly, within limits, and against a schema.

A schema is a dataclass, a TypedDict, or any type that msgspec knows.
"""

import json
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from .files import read_regular

T = TypeVar("T")

LARGEST = 64 << 20  # bytes of one document; the largest that edgeport writes have some hundred thousand
DEEPEST, MOST = 100, 10_000_000  # levels and values of one document
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class NotJson(ValueError):
    """A document is not what it should be. The message says what is wrong, and where in it, to stand in brackets."""


def parse_json(content: bytes | str, *, strict: bool = True) -> Any:
    """The value of a document. `strict`: NaN, infinity and halves of characters are refused.

    Raises NotJson where it is not JSON in UTF-8, names a key twice, is too large, or is nested too deeply.
    """
    if len(content) > LARGEST:
        raise NotJson(f"larger than {LARGEST >> 20} MiB")
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        value = json.loads(text, object_pairs_hook=_object, **(_STRICT if strict else {}))
        check_bounds(value)
        if strict and _ESCAPED_SURROGATE.search(text):
            _check_characters(value)
    except NotJson:
        raise
    except RecursionError as e:
        raise NotJson("nested too deeply") from e
    except UnicodeDecodeError as e:
        raise NotJson(f"not UTF-8 at byte {e.start}") from e
    except ValueError as e:  # Python's own words on a number of thousands of digits speak of its interpreter
        raise NotJson("a number of thousands of digits" if "integer string" in str(e) else str(e)) from e
    return value


def check_bounds(value: Any, most: int = MOST) -> None:
    """Raises NotJson for what is nested so deeply, or within itself, that whoever walks it would not come back."""
    waiting, count = [(value, 0)], 0
    while waiting:
        each, depth = waiting.pop()
        count += 1
        if depth > DEEPEST:
            raise NotJson("nested too deeply")
        if count > most:
            raise NotJson(f"more than {most} values")
        if isinstance(each, dict | list):
            inside = each.values() if isinstance(each, dict) else each
            waiting.extend((inner, depth + 1) for inner in inside)


def convert(value: Any, schema: type[T], *, extra: bool = True) -> T:
    """The value as what the schema says; `extra`: fields that it does not name are left out, else refused.

    Raises NotJson, with the place in it.
    """
    try:
        result = msgspec.convert(value, schema, strict=True)
    except msgspec.ValidationError as e:
        what, _, place = str(e).replace("`", "").partition(" - at ")
        place = place.removeprefix("$").removeprefix(".")
        what = f"{what[0].lower()}{what[1:]}"
        raise NotJson(f"{what}, at {place}" if place else what) from e
    if not extra and (unknown := _unknown_field(value, msgspec.to_builtins(result), "")):
        raise NotJson(f"unknown field {unknown}")
    return result


def read_json(path: Path, schema: type[T]) -> T:
    """What a file holds. Raises NotJson, OSError."""
    return convert(parse_json(read_regular(path, LARGEST)), schema)


def _unknown_field(value: Any, known: Any, place: str) -> str | None:
    """Where the value has a field that what became of it has not."""
    if isinstance(value, dict) and isinstance(known, dict):
        children = [(f"{place}.{key}".removeprefix("."), key) for key in value]
    elif isinstance(value, list):
        children = [(f"{place}[{i}]", i) for i in range(len(value))]
    else:
        return None
    for where, key in children:
        if isinstance(known, dict) and key not in known:
            return ascii(where[:80])
        if found := _unknown_field(value[key], known[key], where):
            return found
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotJson(f"{ascii(twice)[:60]} stands there twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise NotJson(f"{name}, which JSON does not have")


def _number(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise NotJson(f"{text[:40]} is out of all bounds")
    return number


_STRICT: dict[str, Any] = {"parse_constant": _refuse_constant, "parse_float": _number}


def _check_characters(value: Any) -> None:
    """Raises NotJson for half of a surrogate pair, which no UTF-8 can hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as e:
        raise NotJson(f"half a character, {e.object[e.start]!a}") from e
