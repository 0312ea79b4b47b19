"""Read a program that torch.export.save wrote (.pt2), without running what the file might bring along.

`torch.export.load` itself is not safe on a stranger's file. It unpickles objects of any class, links compiled
libraries, hands strings to sympy's `sympify` (which evaluates them), and looks up the program's functions by a dotted
name. So the archive is read first, and refused unless all it holds are tensors (as bytes, or in pickles that
`torch.load(weights_only=True)` takes), operators of `torch.ops` and Python's `operator`, and sums and products of
symbols as sizes. Loading such a file runs the shape functions of its operators, no code of the file's own.
"""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.ao.quantization.fx._decomposed  # declares the operators of quantised programs

from ...artifacts.errors import InputShapeError, ModelFileError
from ...artifacts.json_reader import LARGEST, NotJson, parse_json
from .input_shapes import chosen_shapes
from .torch_module import first_sentence, silence

# How PyTorch writes a size: nested calls of these on symbols and integers.
_WORDS = frozenset(
    {"Symbol", "Integer", "Rational", "Add", "Mul", "Pow", "Max", "Min", "Mod", "FloorDiv", "CeilDiv", "CleanDiv"}
    | {"ModularIndexing", "PythonMod", "TruncToInt", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not"}
    | {"positive", "nonnegative", "integer", "True", "False", "true", "false", "oo", "int_oo"}
)
_WORD = re.compile(r"[A-Za-z_]\w*")
_SYMBOL = re.compile(r"[a-z]+\d+")
_FUNCTION = re.compile(r"torch\.ops\.\w+\.\w+\.\w+|_operator\.[a-z]+|math\.[a-z]+|torch\.sym_[a-z]+")


@dataclass(frozen=True)
class ProgramInput:
    """An input of a program: its name, its static shape, and PyTorch's name of its type."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class Program(torch.nn.Module):
    """A loaded program as an ordinary module. The program's own module refuses `eval()`; here it changes nothing."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        super().__init__()
        self.program = program.module()

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.program(*inputs)

    def train(self, mode: bool = True) -> Program:
        return self


def load_program(
    path: Path, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> tuple[torch.nn.Module, tuple[ProgramInput, ...]]:
    """(a module that runs the program, its inputs).

    `shapes`: {input name, or "" for the only one: sizes} for dimensions that the program leaves open; an open first one
    is 1 without. Raises ModelFileError (not such a file, or not a safe one), InputShapeError.
    """
    check_archive(path)
    try:
        with silence():
            program = torch.export.load(path)
    except Exception as e:  # a damaged file makes the deserialiser raise anything at all
        raise ModelFileError(f"{path}: torch.export cannot load it ({first_sentence(e)})") from e
    return open_program(program, shapes, str(path))


def open_program(
    program: torch.export.ExportedProgram, shapes: Mapping[str, tuple[int, ...]] | None, name: str
) -> tuple[torch.nn.Module, tuple[ProgramInput, ...]]:
    """The same for a program in memory; `name` stands for it in messages."""
    spec = program.call_spec.in_spec
    assert spec is not None
    args, kwargs = spec.unflatten([None] * spec.num_leaves)
    if kwargs or any(each is not None for each in args):
        raise ModelFileError(f"{name}: takes keyword or nested inputs; export it with plain tensors by position")
    values = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    open_inputs = {str(each): values[str(each)] for each in program.graph_signature.user_inputs}
    return Program(program), fixed(name, open_inputs, dict(shapes or {}))


def fixed(path: str, values: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> tuple[ProgramInput, ...]:
    """The inputs in the sizes that they have, or are given."""
    known = {
        name: tuple(int(size) if isinstance(size, int) else None for size in value.shape)
        for name, value in values.items()
    }
    try:
        chosen = chosen_shapes(known, shapes)
    except InputShapeError as e:
        raise InputShapeError(f"{path}: {e}") from e
    return tuple(
        ProgramInput(name, chosen[name], str(value.dtype).removeprefix("torch.")) for name, value in values.items()
    )


def check_archive(path: Path) -> None:
    """Raise ModelFileError unless loading the file runs no code of its own."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if not any(name.rpartition("/")[0].endswith("models") for name in names):
                raise ModelFileError(f"{path}: holds no torch.export program; write it by torch.export.save")
            for name in names:
                unsafe = _unsafe_member(name, archive)
                if unsafe:
                    raise ModelFileError(
                        f"{path}: {unsafe}, so loading it could run code; save a plain program by torch.export.save"
                    )
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, EOFError) as e:
        raise ModelFileError(f"{path}: is not a readable torch.export file ({e})") from e


def _unsafe_member(name: str, archive: zipfile.ZipFile) -> str | None:
    """What in a member of the archive could run code when it is loaded."""
    inside = name.partition("/")[2]
    if "aotinductor" in inside or inside.endswith((".so", ".pyd", ".dll")):
        return "it holds compiled code"
    if inside.startswith(("data/constants/custom_obj", "data/constants/opaque_obj")):
        return "it holds pickled objects"
    if inside.endswith(".pt"):
        return None if _only_tensors(archive.read(name)) else "it holds pickled objects"
    if not inside.endswith(".json"):
        return None
    if archive.getinfo(name).file_size > LARGEST:
        raise NotJson(f"{name} is larger than {LARGEST >> 20} MiB")
    for key, value in _entries(parse_json(archive.read(name))):
        if key == "use_pickle" and value:
            return "it holds pickled tensors"
        if key == "expr_str" and not _is_size(value):
            return f"a size of it is written {value!r}"
        if key == "target" and not (isinstance(value, str) and _FUNCTION.fullmatch(value)):
            return f"it calls {value!r}, which is no operator"
    return None


def _is_size(text: Any) -> bool:
    words = _WORD.findall(text) if isinstance(text, str) else ["?"]
    return "." not in text and all(word in _WORDS or _SYMBOL.fullmatch(word) for word in words)


def _only_tensors(content: bytes) -> bool:
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError):
        return False
    return True


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """(key, value) of every leaf in nested JSON."""
    if isinstance(value, dict):
        for key, each in value.items():
            if isinstance(each, dict | list):
                yield from _entries(each)
            else:
                yield key, each
    elif isinstance(value, list):
        for each in value:
            yield from _entries(each)
