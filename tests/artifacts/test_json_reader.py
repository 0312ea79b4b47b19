"""What edgeport takes for JSON, and what it says of the rest."""

import json
import os
from dataclasses import dataclass

import pytest
from edgeport.artifacts.files import open_regular, read_regular
from edgeport.artifacts.json_reader import DEEPEST, LARGEST, NotJson, convert, parse_json

BAD = {
    "nothing": (b"", "Expecting value"),
    "text behind it": (b"{} x", "Extra data"),
    "not UTF-8": (b'"\xff"', "not UTF-8 at byte 1"),
    "a raw surrogate": (b'"\xed\xa0\x80"', "not UTF-8"),
    "half a character": (rb'["a", {"b": "\ud800"}]', r"half a character, '\ud800'"),
    "half a character as a key": (rb'{"\udfff": 1}', "half a character"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
    "lists": (b"[" * 100_000, "nested too deeply"),
    "objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
    "a level more": (b"[" * (DEEPEST + 2) + b"]" * (DEEPEST + 2), "nested too deeply"),
    "a key twice": (b'{"a": 1, "b": 2, "a": 3}', "'a' stands there twice"),
    "NaN": (b'{"a": NaN}', "NaN, which JSON does not have"),
    "infinity": (b"[-Infinity]", "-Infinity, which JSON does not have"),
    "a large float": (b"[1e999]", "1e999 is out of all bounds"),
    "a long integer": (b"9" * 5000, "a number of thousands of digits"),
    "too large": (b" " * (LARGEST + 1), "larger than 64 MiB"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_refused(what):
    content, words = BAD[what]
    with pytest.raises(NotJson) as caught:
        parse_json(content)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", [None, [], {"é": ["\U0001f600", 1.5, -3, True, {}]}, [10**30]])
def test_what_is_taken(value):
    for ascii_alone in (True, False):
        assert parse_json(json.dumps(value, ensure_ascii=ascii_alone).encode()) == value
    assert parse_json(b"\xef\xbb\xbf" + json.dumps(value).encode()) == value


@dataclass(frozen=True, kw_only=True)
class Inner:
    sizes: tuple[int | None, ...]


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    inner: list[Inner]
    share: float | None = None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "expected object, got array"),
        ({"name": "a"}, "object missing required field inner"),
        ({"name": 1, "inner": []}, "expected str, got int, at name"),
        ({"name": "a", "inner": [{"sizes": [1, None, "2"]}]}, "expected int | null, got str, at inner[0].sizes[2]"),
        ({"name": "a", "inner": [{"sizes": [True]}]}, "expected int | null, got bool, at inner[0].sizes[0]"),
        ({"name": "a", "inner": [], "share": "0.5"}, "expected float | null, got str, at share"),
        ({"name": "a", "inner": [], "shares": 1}, "unknown field 'shares'"),
        ({"name": "a", "inner": [{"sizes": [], "x": 1}]}, "unknown field 'inner[0].x'"),
    ],
)
def test_the_place_of_what_is_wrong(value, words):
    with pytest.raises(NotJson) as caught:
        convert(value, Outer, extra=False)
    assert str(caught.value) == words


def test_more_than_the_schema_names():
    assert convert({"name": "a", "inner": [], "more": 1}, Outer) == Outer(name="a", inner=[])


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "nothing", "a name with a zero byte", "a long name"])
def test_only_regular_files_are_opened(tmp_path, kind):
    """A pipe that nobody writes to would be waited for."""
    path = tmp_path / "file"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    paths = {"device": "/dev/zero", "a name with a zero byte": "a\0b", "a long name": "a" * 5000}
    with pytest.raises(OSError, match=r".") as caught:
        open_regular(paths.get(kind, path))
    assert caught.value.strerror


def test_the_largest_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    with pytest.raises(OSError, match="larger than"):
        read_regular(path, 4)
