"""The protobuf reader, against the message definitions that ship in coremltools and against hand-made bytes."""

import pytest
from edgeport.runtime.mil.schema import ARRAY_DTYPES, COLOURS, DTYPES, MODEL
from edgeport.runtime.mil.wire import BrokenProtobuf, decode
from mil_packages import ct

PROTO = ct.proto.Model_pb2, ct.proto.FeatureTypes_pb2, ct.proto.MIL_pb2
# protobuf's FieldDescriptor.type -> our kind
KINDS = {1: "double", 2: "float", 3: "int", 4: "uint", 5: "int", 8: "bool", 9: "string", 12: "bytes", 14: "int"}
SAME = {"TupleValue": "ListValue"}  # of one form, so one message of ours


def official() -> dict:
    """{message: its descriptor}; nested ones by their own name."""
    found, waiting = {}, [d for module in PROTO for d in module.DESCRIPTOR.message_types_by_name.values()]
    while waiting:
        descriptor = waiting.pop()
        found[descriptor.name] = descriptor
        waiting += descriptor.nested_types
    return found


@pytest.mark.parametrize("message", sorted(MODEL))
def test_schema_is_core_mls(message):
    descriptor = official()[message]
    for number, (name, kind) in MODEL[message].items():
        field = descriptor.fields_by_number[number]
        assert field.name == name
        base = kind.rstrip("[]{}")
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        assert kind.endswith("{}") == is_map
        assert kind.endswith("[]") == (field.is_repeated and not is_map)
        field = field.message_type.fields_by_name["value"] if is_map else field
        if base == "bytes":  # a message of which only the presence counts
            assert field.type == 12 or field.message_type
        elif field.message_type:
            assert SAME.get(field.message_type.name, field.message_type.name) == base
        else:
            assert KINDS[field.type] == base


def test_enumerations_are_core_mls():
    mil, features = ct.proto.MIL_pb2, ct.proto.FeatureTypes_pb2
    assert {code: mil.DataType.Name(code).lower() for code in DTYPES} == {c: name for c, (name, _) in DTYPES.items()}
    colours = features.ImageFeatureType.ColorSpace
    assert {code: colours.Name(code).lower() for code in COLOURS} == COLOURS
    names = {code: features.ArrayFeatureType.ArrayDataType.Name(code).lower() for code in ARRAY_DTYPES}
    assert {**names, 65600: "float64"} == ARRAY_DTYPES


SCHEMA = {
    "M": {
        1: ("n", "int"),
        2: ("s", "string"),
        3: ("m", "M"),
        4: ("ns", "int[]"),
        5: ("map", "M{}"),
        6: ("f", "float[]"),
        7: ("d", "double"),
    }
}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", {}),
        (b"\x08\x96\x01", {"n": 150}),
        (b"\x08" + b"\xff" * 9 + b"\x01", {"n": -1}),
        (b"\x12\x02\xc3\xa9", {"s": "é"}),
        (b"\x1a\x02\x08\x07", {"m": {"n": 7}}),
        (b"\x22\x03\x01\x96\x01", {"ns": [1, 150]}),  # packed
        (b"\x20\x01\x20\x02", {"ns": [1, 2]}),  # one by one
        (b"\x2a\x07\x0a\x01k\x12\x02\x08\x05", {"map": {"k": {"n": 5}}}),
        (b"\x32\x08\0\0\x80\x3f\0\0\0\x40", {"f": [1.0, 2.0]}),
        (b"\x39" + b"\0" * 6 + b"\xf0\x3f", {"d": 1.0}),
        (b"\x78\x01\x08\x02", {"n": 2}),  # an unknown field is skipped
    ],
)
def test_decode(data, expected):
    assert decode(SCHEMA, "M", data) == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x08", "ends inside"),
        (b"\x08\x80", "ends inside"),
        (b"\x08" + b"\xff" * 11, "64 bits"),
        (b"\x12\x05ab", "ends inside"),
        (b"\x12\x01\xff", "UTF-8"),
        (b"\x0a\x01a", "wire type"),
        (b"\x0b", "does not exist"),
        (b"\x32\x03abc", "inside a number"),
    ],
)
def test_broken(data, words):
    with pytest.raises(BrokenProtobuf, match=words):
        decode(SCHEMA, "M", data)


def test_deep_nesting():
    data = b""
    for _ in range(300):
        size = len(data)
        length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
        data = b"\x1a" + length + data
    with pytest.raises(BrokenProtobuf, match="deep"):
        decode(SCHEMA, "M", data)
