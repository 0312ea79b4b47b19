"""Read what a torch file holds without running anything that it names.

torch.save writes a pickle, and a pickle calls what it names. Here `pickletools` decodes its opcodes, which only build
data: a name stays a `Name`, an object of a class an `Unknown`; what PyTorch's own functions would make of a tensor's
storage, size and stride is a `StoredTensor`. Nothing is imported or called by name, so there is nothing to allow or to
forbid. (A subclass of pickle.Unpickler would still call, and reserves as much memory as the file asks for.)
"""

import io
import math
import pickletools
import struct
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch

# What legacy files begin with, each a pickle of its own: torch/serialization.py.
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
MOST_OPCODES = 20_000_000  # a checkpoint of a thousand tensors, with its optimizer's, has 200,000
STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "UntypedStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
# What no training saves, and who wants to run something on another's machine does. It would not run here; but nobody
# should use the weights beside it.
HOSTILE = frozenset(
    (
        *("os", "posix", "nt", "subprocess", "_posixsubprocess", "pty", "sys", "shutil", "socket", "runpy", "ctypes"),
        *("importlib", "webbrowser", "urllib", "http", "pickle", "_pickle", "marshal", "code", "codeop", "pdb", "bdb"),
        *("timeit", "profile", "cProfile", "trace", "doctest", "pip", "ensurepip", "venv", "pydoc", "commands"),
        *(f"builtins.{name}" for name in ("eval", "exec", "compile", "__import__", "open", "breakpoint", "input")),
        *(f"__builtin__.{name}" for name in ("eval", "execfile", "compile", "__import__", "open", "file", "input")),
    )
)
_LOCAL_HEADER = b"PK\3\4"  # what a zip file begins with
_MOST_EXPANDED = 1 << 28  # elements of a tensor that repeats a few: what a file of a few bytes may make of them
_DEEPEST = 8  # levels below which no weights are looked for
DTYPES = {str(each): each for each in vars(torch).values() if isinstance(each, torch.dtype)}


@dataclass(frozen=True)
class Name:
    """A class or function that the file names, "module.name"; it is not looked up."""

    text: str


@dataclass(eq=False)
class Unknown:
    """An object that only the code of `name` could make: what the file puts into it."""

    name: str
    entries: dict[Any, Any] = field(default_factory=dict)
    state: Any = None


@dataclass(frozen=True)
class Storage:
    """The numbers that tensors view; `dtype` None: of a type that is not plain, such as a quantised one."""

    key: str
    dtype: torch.dtype | None
    count: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in the file, not yet read; `storage` None: a sparse, quantised or storage-less one."""

    storage: Storage | None
    dtype: torch.dtype | None = None
    offset: int = 0  # in elements, like stride
    shape: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()

    def is_floating_point(self) -> bool:
        """Whether it holds floats."""
        return self.dtype is not None and self.dtype.is_floating_point


@dataclass(frozen=True)
class TorchFile:
    """A torch file: its content, and where in it each storage lies: (its first byte, how many)."""

    path: Path
    content: Any
    extents: dict[str, tuple[int, int]]

    def read(self, tensor: StoredTensor) -> torch.Tensor:
        """The tensor, in memory of its own. Raises ValueError where the file ends before it."""
        assert tensor.storage is not None
        assert tensor.dtype is not None
        if 0 in tensor.shape:
            return torch.empty(tensor.shape, dtype=tensor.dtype)
        last = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride, strict=True))
        wanted, skipped = (last + 1) * tensor.dtype.itemsize, tensor.offset * tensor.dtype.itemsize
        start, length = self.extents.get(tensor.storage.key, (0, 0))
        if skipped + wanted > length:
            raise ValueError("a tensor of it is larger than its storage")
        with open(self.path, "rb") as file:
            file.seek(start + skipped)
            content = file.read(wanted)
        if len(content) != wanted:
            raise ValueError("it ends within a tensor")
        flat = torch.frombuffer(bytearray(content), dtype=tensor.dtype)
        return flat.as_strided(tensor.shape, tensor.stride).contiguous()


def read_torch_file(path: Path) -> TorchFile:
    """What a file of torch.save's holds. Raises ValueError (its message says why), OSError, or whatever a damaged file
    brings the decoders of pickles and zip files to raise."""
    with open(path, "rb") as file:
        is_zip = file.read(len(_LOCAL_HEADER)) == _LOCAL_HEADER
        file.seek(0)
        return _read_zip(path, file) if is_zip else _read_legacy(path, file)


def _read_zip(path: Path, file: BinaryIO) -> TorchFile:
    """data.pkl and, for each storage, data/KEY, in one folder, not compressed."""
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
        if "constants.pkl" in entries:
            raise ValueError("it is a TorchScript file; save torch.jit.load(FILE).state_dict()")
        if "data.pkl" not in entries:
            raise ValueError("it is a zip file without data.pkl")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise ValueError("it is compressed, as torch.save leaves no file")
    order = entries.get("byteorder")
    if order and _entry(file, order) != b"little":
        raise ValueError("its numbers are big-endian; load and save it on a machine that is not")
    content = _unpickle(io.BytesIO(_entry(file, entries["data.pkl"])))
    storages = {name.removeprefix("data/"): entry for name, entry in entries.items() if name.startswith("data/")}
    extents = {key: (_position(file, entry), entry.file_size) for key, entry in storages.items()}
    return TorchFile(path, content, extents)


def _entry(file: BinaryIO, entry: zipfile.ZipInfo) -> bytes:
    """Its bytes; not by the archive, for torch.save may leave checksums out (set_crc32_options)."""
    file.seek(_position(file, entry))
    return file.read(min(entry.file_size, entry.compress_size))


def _position(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Where its bytes begin: behind the local header, which is 30 bytes, a name and an extra field."""
    file.seek(entry.header_offset)
    header = file.read(30)
    if len(header) != 30 or not header.startswith(_LOCAL_HEADER):
        raise ValueError("it is a damaged zip file")
    name, extra = struct.unpack("<HH", header[26:])
    return entry.header_offset + len(header) + name + extra


def _read_legacy(path: Path, file: BinaryIO) -> TorchFile:
    """Five pickles (magic number, protocol, machine, content, keys of the storages), then each storage."""
    if (_unpickle(file), _unpickle(file)) != (MAGIC, PROTOCOL):
        raise ValueError("it was not written by torch.save")
    machine, storages = _unpickle(file), {}
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise ValueError("its numbers are big-endian; load and save it on a machine that is not")
    content, keys = _unpickle(file, storages), _unpickle(file)
    extents = {}
    for key in keys if isinstance(keys, list) else ():
        storage = storages[key]
        if storage.dtype is None:  # how long it is, is not known: nothing behind it can be found
            break
        (count,) = struct.unpack("<q", file.read(8))
        if not 0 <= count <= storage.count:
            raise ValueError("a storage of it has another size than its tensors say")
        extents[key] = (file.tell(), count * storage.dtype.itemsize)
        file.seek(extents[key][1], io.SEEK_CUR)
    return TorchFile(path, content, extents)


def _unpickle(file: BinaryIO, storages: dict[str, Storage] | None = None) -> Any:
    """The data of one pickle, up to its end; `storages` collects those that it refers to."""
    machine = _Machine({} if storages is None else storages)
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if count > MOST_OPCODES:
            raise ValueError(f"its pickle has more than {MOST_OPCODES:,} instructions")
        if opcode.name == "STOP":
            break
        machine.step(opcode.name, argument)
    return machine.stack.pop()


_MARK = object()
_VALUES = frozenset(
    (
        *("FLOAT", "BINFLOAT", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    )
)


class _Machine:
    """The stack and memo of one pickle."""

    def __init__(self, storages: dict[str, Storage]):
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._storages = storages

    def step(self, opcode: str, argument: Any) -> None:
        """One instruction; IndexError, TypeError or ValueError for one that does not fit."""
        if opcode in _VALUES:
            self.stack.append(argument)
        elif opcode.endswith("GET"):
            self.stack.append(self._memo[argument])
        elif opcode.endswith("PUT"):
            self._memo[argument] = self.stack[-1]
        elif opcode in _STEPS:
            _STEPS[opcode](self, argument)
        else:
            raise ValueError(f"its pickle holds the instruction {opcode}")

    def pop_to_mark(self) -> list[Any]:
        """What lies above the last mark."""
        found: list[Any] = []
        while (top := self.stack.pop()) is not _MARK:
            found.append(top)
        return found[::-1]

    def pop(self, count: int) -> list[Any]:
        """The upper values, the lowest of them first."""
        return [self.stack.pop() for _ in range(count)][::-1]

    def memoize(self, _: None) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    def call(self, _: None) -> None:
        """REDUCE and NEWOBJ: what a function or class makes of its arguments."""
        function, arguments = self.pop(2)
        self.stack.append(_make(function, arguments))

    def call_with_keywords(self, _: None) -> None:
        function, arguments, _keywords = self.pop(3)
        self.stack.append(_make(function, arguments))

    def call_marked(self, _: None) -> None:
        function, *arguments = self.pop_to_mark()
        self.stack.append(_make(function, tuple(arguments)))

    def call_named(self, name: str) -> None:
        self.stack.append(_make(_name(name), tuple(self.pop_to_mark())))

    def build(self, _: None) -> None:
        """An object's state; what a dict has beside its entries does not matter."""
        state = self.stack.pop()
        if isinstance(self.stack[-1], Unknown):
            self.stack[-1].state = state

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        entries = target.entries if isinstance(target, Unknown) else target
        if not isinstance(entries, dict):
            raise ValueError("its pickle puts entries into what is no dict")
        _update(entries, zip(items[::2], items[1::2], strict=True))

    def append(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)
        elif not isinstance(self.stack[-1], Unknown):
            raise ValueError("its pickle appends to what is no list")

    def refer(self, _: None) -> None:
        """BINPERSID: a storage, by ("storage", its class, key, device, count of elements[, view])."""
        kind, of_class, key, _device, count, *view = self.stack.pop()
        plain = isinstance(of_class, Name) and isinstance(key, str) and _is_count(count)
        if kind != "storage" or not plain or any(view):
            raise ValueError("its pickle refers to what is no storage")
        storage = Storage(key, STORAGES.get(of_class.text.rpartition(".")[2]), count)
        self._storages[key] = storage
        self.stack.append(storage)


_STEPS: dict[str, Callable[[_Machine, Any], Any]] = {
    "PROTO": lambda m, _: None,
    "FRAME": lambda m, _: None,
    "MARK": lambda m, _: m.stack.append(_MARK),
    "POP": lambda m, _: m.stack.pop(),
    "POP_MARK": lambda m, _: m.pop_to_mark(),
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    "NONE": lambda m, _: m.stack.append(None),
    "NEWTRUE": lambda m, _: m.stack.append(True),
    "NEWFALSE": lambda m, _: m.stack.append(False),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    "EMPTY_SET": lambda m, _: m.stack.append(Unknown("builtins.set")),
    "LIST": lambda m, _: m.stack.append(m.pop_to_mark()),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.pop_to_mark())),
    "TUPLE1": lambda m, _: m.stack.append(tuple(m.pop(1))),
    "TUPLE2": lambda m, _: m.stack.append(tuple(m.pop(2))),
    "TUPLE3": lambda m, _: m.stack.append(tuple(m.pop(3))),
    "FROZENSET": lambda m, _: m.stack.append(Unknown("builtins.frozenset", state=m.pop_to_mark())),
    "DICT": lambda m, _: m.stack.append(_make_dict_of(m.pop_to_mark())),
    "SETITEM": lambda m, _: m.set_items(m.pop(2)),
    "SETITEMS": lambda m, _: m.set_items(m.pop_to_mark()),
    "APPEND": lambda m, _: m.append(m.pop(1)),
    "APPENDS": lambda m, _: m.append(m.pop_to_mark()),
    "ADDITEMS": lambda m, _: m.append(m.pop_to_mark()),
    "GLOBAL": lambda m, name: m.stack.append(_name(name)),
    "STACK_GLOBAL": lambda m, _: m.stack.append(_name(" ".join(m.pop(2)))),
    "EXT1": lambda m, code: m.stack.append(Name(f"copyreg.{code}")),
    "EXT2": lambda m, code: m.stack.append(Name(f"copyreg.{code}")),
    "EXT4": lambda m, code: m.stack.append(Name(f"copyreg.{code}")),
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "NEWOBJ_EX": _Machine.call_with_keywords,
    "OBJ": _Machine.call_marked,
    "INST": _Machine.call_named,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.refer,
    "MEMOIZE": _Machine.memoize,
}


def _name(module_and_name: str) -> Name:
    """Of "module name", as pickletools gives it. Raises ValueError for what is there to do harm."""
    text = module_and_name.replace(" ", ".")
    if text in HOSTILE or text.partition(".")[0] in HOSTILE:
        raise ValueError(f"it wants {text!r} called, which no weights need; nothing of it has run, do not trust it")
    return Name(text)


def _update(entries: dict[Any, Any], pairs: Iterable[Any]) -> None:
    """Adds the pairs whose key is plain: no others matter, and what hashes them may be as deep as the file likes."""
    for key, value in pairs:
        if key is None or isinstance(key, str | bytes | int | float):
            entries[key] = value


def _make(function: Any, arguments: Any) -> Any:
    """What a call in the file stands for: a tensor, a dict, or an Unknown."""
    name = function.text if isinstance(function, Name) else "?"
    if not isinstance(arguments, tuple):
        raise ValueError("its pickle calls without arguments")
    if name in _MAKERS:
        return _MAKERS[name](*arguments)
    module, _, leaf = name.rpartition(".")
    if module in ("torch._utils", "torch._tensor") and leaf.startswith("_rebuild_"):
        return StoredTensor(None)
    return Unknown(name)


def _make_dict(pairs: Any = (), *_: Any) -> dict[Any, Any]:
    """Of OrderedDict(pairs), or of defaultdict(factory)."""
    entries: dict[Any, Any] = {}
    _update(entries, pairs if isinstance(pairs, list | tuple) else ())
    return entries


def _make_dict_of(items: list[Any]) -> dict[Any, Any]:
    """Of keys and values in turn."""
    return _make_dict(list(zip(items[::2], items[1::2], strict=True)))


def _make_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *more: Any) -> StoredTensor:
    """_rebuild_tensor and _v2: more = (requires_grad, hooks, metadata); metadata: conjugated or negated when read."""
    flags = more[2] if len(more) > 2 else None
    if not isinstance(storage, Storage) or storage.dtype is None or flags:
        return StoredTensor(None)
    return _view(storage, storage.dtype, storage.count, offset, shape, stride)


def _make_typed_tensor(
    storage: Any, offset: Any, shape: Any, stride: Any, _grad: Any, _hooks: Any, dtype: Any, *more: Any
) -> StoredTensor:
    """_rebuild_tensor_v3: of a storage of bytes, with the type that the tensor has."""
    plain = DTYPES.get(dtype.text) if isinstance(dtype, Name) else None
    if not isinstance(storage, Storage) or storage.dtype is None or plain is None or any(more):
        return StoredTensor(None)
    return _view(storage, plain, storage.count * storage.dtype.itemsize // plain.itemsize, offset, shape, stride)


def _view(storage: Storage, dtype: torch.dtype, count: int, offset: Any, shape: Any, stride: Any) -> StoredTensor:
    """A view of a storage of `count` elements. Raises ValueError where it does not lie within, or overlaps itself."""
    sizes = (shape, stride) if isinstance(shape, tuple) and isinstance(stride, tuple) else ((), (0,))
    if len(sizes[0]) != len(sizes[1]) or not all(map(_is_count, (offset, *sizes[0], *sizes[1]))):
        raise ValueError("a tensor of it has no valid size")
    last = offset + sum((size - 1) * step for size, step in zip(*sizes, strict=True))
    if 0 not in shape and (last >= count or (0 not in stride and math.prod(shape) > count)):
        raise ValueError("a tensor of it is larger than its storage")
    if math.prod(shape) > max(count, _MOST_EXPANDED):
        return StoredTensor(None)
    return StoredTensor(storage, dtype, offset, shape, stride)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


_MAKERS: dict[str, Callable[..., Any]] = {
    "builtins.dict": _make_dict,
    "collections.OrderedDict": _make_dict,
    "collections.defaultdict": _make_dict,
    "copyreg._reconstructor": lambda of_class, *_: _make(of_class, ()),
    "copy_reg._reconstructor": lambda of_class, *_: _make(of_class, ()),
    "torch._utils._rebuild_tensor": _make_tensor,
    "torch._utils._rebuild_tensor_v2": _make_tensor,
    "torch._utils._rebuild_tensor_v3": _make_typed_tensor,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
    "torch._tensor._rebuild_from_type_v2": lambda function, _type, arguments, _state: _make(function, arguments),
}


def walk(content: Any) -> Iterator[tuple[str, Any]]:
    """(place, dict or Unknown) of everything in the content that has entries; each object once, the nearest first.

    A place is the keys on the way, with dots: "callbacks.EMA.state_dict"; "" is the content itself.
    """
    waiting, seen = deque([("", content, 0)]), set()
    while waiting:
        place, value, depth = waiting.popleft()
        entries = value.entries if isinstance(value, Unknown) else value
        if id(value) in seen or depth > _DEEPEST or not isinstance(entries, dict | list | tuple):
            continue
        seen.add(id(value))
        if isinstance(entries, dict):
            yield place, value
        for key, each in entries.items() if isinstance(entries, dict) else enumerate(entries):
            if isinstance(each, dict | list | tuple | Unknown):
                waiting.append((f"{place}.{key}" if place else str(key), each, depth + 1))
