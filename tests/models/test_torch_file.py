"""torch files: what torch.save wrote is read to the bit, and nothing that a file names ever runs."""

import builtins
import io
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile
from collections import OrderedDict, defaultdict

import pytest
import torch
from edgeport.models import WeightsError, create_model, load_weights
from edgeport.models.torch_file import MAGIC, PROTOCOL, read_torch_file
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

NAME = "lenet1"
BOTH = pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])


def read(path):
    """{name: tensor} of a flat file. Raises ValueError for what is damaged, or no plain tensor."""
    file = read_torch_file(path)
    if odd := [key for key, value in file.content.items() if value.dtype is None]:
        raise ValueError(f"{odd} is not plain")
    return {key: file.read(value) for key, value in file.content.items()}


TENSORS = {
    **{f"{dtype}".removeprefix("torch."): torch.arange(6).to(dtype) for dtype in (torch.float32, torch.float64)},
    **{str(dtype): torch.arange(6).to(dtype) for dtype in (torch.float16, torch.bfloat16, torch.int8, torch.uint8)},
    **{str(dtype): torch.arange(6).to(dtype) for dtype in (torch.int16, torch.int32, torch.int64, torch.bool)},
    **{str(dtype): torch.arange(6).to(dtype) for dtype in (torch.complex64, torch.uint16, torch.float8_e4m3fn)},
    "scalar": torch.tensor(3.5),
    "empty": torch.ones(0, 4),
    "transposed": torch.arange(12.0).reshape(3, 4).t(),
    "part": torch.arange(100.0)[7:21:3],
    "expanded": torch.ones(1).expand(5),
    "channels last": torch.arange(120.0).reshape(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "parameter": nn.Parameter(torch.arange(3.0)),
    "buffer": nn.Buffer(torch.arange(3.0)),
}


@BOTH
def test_reads_what_torch_reads(tmp_path, new):
    path = tmp_path / "w.pth"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=new)
    found = read(path)
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype, name
        got, want = (each.detach().contiguous().reshape(-1).view(torch.uint8) for each in (found[name], tensor))
        assert found[name].shape == tensor.shape, name
        assert torch.equal(got, want), name


@BOTH
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_every_protocol(tmp_path, protocol, new):
    path = tmp_path / "w.pth"
    content = {"a": torch.arange(3.0), "b": OrderedDict(c=torch.ones(2)), "d": defaultdict(list, e=[1, (2, "x")])}
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    file = read_torch_file(path)
    assert torch.equal(file.read(file.content["a"]), content["a"])
    assert torch.equal(file.read(file.content["b"]["c"]), content["b"]["c"])
    assert file.content["d"] == {"e": [1, (2, "x")]}


def test_reads_without_checksums(tmp_path):
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.arange(3.0)}, tmp_path / "w.pth")
    finally:
        torch.serialization.set_crc32_options(before)
    assert torch.equal(read(tmp_path / "w.pth")["a"], torch.arange(3.0))


@BOTH
def test_what_is_not_plain_is_marked(tmp_path, new):
    odd = {
        "sparse": torch.ones(3).to_sparse(),
        "meta": torch.ones(3, device="meta"),
        "quantised": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        "conjugated": torch.ones(3, dtype=torch.complex64).conj(),
    }
    torch.save({"plain": torch.ones(3), **odd}, tmp_path / "w.pth", _use_new_zipfile_serialization=new)
    content = read_torch_file(tmp_path / "w.pth").content
    assert content["plain"].dtype == torch.float32
    assert [content[name].dtype for name in odd] == [None] * len(odd)


def refusal(path):
    """What is said against the file's weights; "" where they load."""
    try:
        load_weights(create_model(NAME), path)
    except WeightsError as e:
        return str(e)
    return ""


def zipped(path, pickled, **entries):
    """A file as torch.save writes it, of this pickle and these storages."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w/data.pkl", pickled)
        for name, content in entries.items():
            archive.writestr(f"w/data/{name}", content)


def legacy(pickled):
    """The beginning of a legacy file, up to this pickle."""
    machine = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}
    return b"".join(pickle.dumps(each, 2) for each in (MAGIC, PROTOCOL, machine)) + pickled


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Build:
    """Pickles as a call whose result then gets a state."""

    def __init__(self, call, state):
        self.parts = (*call, state)

    def __reduce__(self):
        return self.parts


def opcodes(*parts):
    return b"\x80\x02" + b"".join(parts) + b"."


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def attacks(marker):
    """name -> an object to save, or a pickle's bytes, which touch the marker when they are loaded without care."""
    touch = f"open({str(marker)!r}, 'w').close()"
    run = b"(" + text(touch)
    return {
        "os.system": Call(os.system, f"touch {marker}"),
        "eval": Call(eval, touch),
        "exec": Call(exec, touch),
        "subprocess": Call(subprocess.run, ["touch", str(marker)]),
        "getattr": Call(builtins.getattr, Call(__import__, "os"), "system"),
        "import": Call(__import__, "antigravity"),
        "open": Call(open, str(marker), "w"),
        "through torch": Call(torch.hub._import_module, "x", str(marker.with_suffix(".py"))),
        "torch.load": Call(torch.load, str(marker.with_suffix(".pth")), None, None),
        "nested file": Call(torch.storage._load_from_bytes, pickle.dumps(Call(eval, touch))),
        "setstate": Build((nn.Linear, (1, 1)), {"__setstate__": Call(eval, touch)}),
        "state of a dict": Build((OrderedDict, ()), {"__class__": Call(eval, touch)}),
        "slots": Build((nn.Identity, ()), (None, {"forward": Call(eval, touch)})),
        "key": {Call(eval, touch): 1},
        "element": [Call(eval, touch)],
        "global": opcodes(b"c__builtin__\neval\n", b"(" + text(touch) + b"tR"),
        "chain": opcodes(
            b"c__builtin__\ngetattr\n", b"(c__builtin__\n__import__\n(", text("os"), b"tR", text("system"), b"tR"
        ),
        "inst": opcodes(b"(" + text(touch), b"i__builtin__\neval\n"),
        "obj": opcodes(b"(c__builtin__\neval\n", text(touch), b"o"),
        "newobj": opcodes(b"c__builtin__\neval\n(" + text(touch) + b"t\x81"),
        "stack global": b"\x80\x04" + text("builtins") + text("eval") + b"\x93" + run + b"tR.",
        "dotted": b"\x80\x04" + text("torch") + text("serialization.os.system") + b"\x93" + b"(" + text("x") + b"tR.",
        "a tensor's function": opcodes(
            b"ctorch._tensor\n_rebuild_from_type_v2\n(c__builtin__\neval\nN(", text(touch), b"tNtR"
        ),
        "extension": opcodes(b"\x82\x01(" + text(touch) + b"tR"),
        "persistent": opcodes(b"c__builtin__\neval\n(" + text(touch) + b"tRQ"),
        "persistent call": opcodes(b"(" + text("storage"), b"c__builtin__\neval\n", text("0"), text("cpu"), b"K\x01tQ"),
    }


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle"])
def test_runs_nothing(tmp_path, how):
    """Neither when a file is read, nor when its weights, which are whole, are loaded."""
    marker, path = tmp_path / "ran", tmp_path / "w.pth"
    state, modules = create_model(NAME).state_dict(), set(sys.modules)
    for name, attack in attacks(marker).items():
        if isinstance(attack, bytes):
            zipped(path, attack) if how == "zip" else path.write_bytes(legacy(attack) if how == "legacy" else attack)
        elif how == "pickle":
            path.write_bytes(pickle.dumps(attack, protocol=2))
        else:
            torch.save({**state, "more": attack}, path, _use_new_zipfile_serialization=how == "zip")
        before = {key: value.clone() for key, value in state.items()}
        said = refusal(path)
        assert "\x1b" not in said, name
        assert len(said.splitlines()) < 2, name
        assert not marker.exists(), name
        assert all(torch.equal(before[key], state[key]) for key in state), name
    assert "antigravity" not in sys.modules
    assert "torch.hub" not in set(sys.modules) - modules


@pytest.mark.parametrize("name", ["os.system", "eval", "subprocess", "import"])
@BOTH
def test_weights_beside_an_attack_are_refused(tmp_path, name, new):
    content = {**create_model(NAME).state_dict(), "more": attacks(tmp_path / "ran")[name]}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=new)
    with pytest.raises(WeightsError, match=r"it wants '[\w.]+' called, .* do not trust it$"):
        load_weights(create_model(NAME), tmp_path / "w.pth")


def tensor(count, offset, shape, stride, kind="FloatStorage"):
    """A pickle of one tensor that claims these numbers of its storage "0"."""

    def number(value):
        return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)

    sizes = [b"(" + b"".join(map(number, each)) + b"t" for each in (shape, stride)]
    storage = b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text("0") + text("cpu") + number(count) + b"tQ"
    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset) + sizes[0] + sizes[1] + b"\x89}tR"
    return opcodes(b"}", text("c1.bias"), made, b"s")


LIES = {
    "longer than its storage": ((4, 0, (5,), (1,)), "larger than its storage"),
    "behind its storage": ((4, 3, (4,), (1,)), "larger than its storage"),
    "before its storage": ((4, -1, (4,), (1,)), "no valid size"),
    "backwards": ((4, 3, (4,), (-1,)), "no valid size"),
    "strides that overlap": ((4, 0, (2**30, 3), (0, 1)), "not plain"),
    "2**62 of one": ((4, 0, (2**62,), (0,)), "not plain"),
    "sizes without strides": ((4, 0, (4,), ()), "no valid size"),
    "storage that is not there": ((4 << 40, 0, (5,), (1,)), "larger than its storage"),
}


@pytest.mark.parametrize(("claim", "why"), LIES.values(), ids=LIES)
def test_a_tensor_that_lies(tmp_path, claim, why):
    zipped(tmp_path / "w.pth", tensor(*claim), **{"0": b"\0" * 16})
    with pytest.raises((ValueError, KeyError), match=why):
        read(tmp_path / "w.pth")
    assert refusal(tmp_path / "w.pth")


BOMBS = {
    "memo": opcodes(b"}r\xff\xff\xff\x7f"),
    "bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**60),
    "text": b"\x80\x04\x8d" + struct.pack("<Q", 2**60),
    "array": b"\x80\x05\x96" + struct.pack("<Q", 2**60),
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.",
    "number": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1),
    "text of a number": b"I" + b"9" * 100_000 + b"\n.",
    "laughs": opcodes(b"]q\x00", b"h\x00h\x00\x86q\x00" * 20_000),
    "deep": opcodes(b"]" * 200_000, b"a" * 199_999),
    "deep key": opcodes(b"}N", b"\x85" * 200_000, b"Ns"),
    "deep dict": opcodes(b"}" + text("k"), (b"}" + text("k")) * 50_000, b"N", b"s" * 50_001),
    "itself": opcodes(b"}q\x00", text("state_dict"), b"h\x00s"),
}


@pytest.mark.parametrize("how", ["zip", "legacy"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_small_and_quick(tmp_path, bomb, how):
    path, start = tmp_path / "w.pth", time.process_time()
    if how == "zip":
        zipped(path, BOMBS[bomb])
    else:
        path.write_bytes(legacy(BOMBS[bomb]))
    with pytest.raises(WeightsError):
        load_weights(create_model(NAME), path)
    assert time.process_time() - start < 5


def test_a_compressed_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", tensor(4, 0, (4,), (1,)))
        archive.writestr("w/data/0", bytes(10_000_000))
    with pytest.raises(WeightsError, match="compressed"):
        load_weights(create_model(NAME), tmp_path / "w.pth")


@BOTH
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_one_sentence(tmp_path_factory, new, data):
    buffer = io.BytesIO()
    torch.save(create_model(NAME).state_dict(), buffer, _use_new_zipfile_serialization=new)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "w.pth"
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    assert len(refusal(path).splitlines()) < 2
