"""External data of ONNX files: constants whose bytes lie in another file beside the model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.errors import ModelFileError
from ..artifacts.files import open_regular

if TYPE_CHECKING:
    import onnx

MOST = 2**31 - 1  # bytes that constants inside nodes and subgraphs may have together: those of one message


def check_external_data(proto: onnx.ModelProto, path: Path) -> None:
    """Raises ModelFileError where a constant's data lies outside the model's folder, or is no file, or not whole.

    A runtime believes what the model says, opens it, and waits for ever where it is a pipe.
    """
    for tensor in _all_tensors(proto):
        if tensor.data_location == tensor.EXTERNAL:
            _place(tensor, path)


def read_inner_data(proto: onnx.ModelProto, path: Path) -> None:
    """Reads the external data of constants inside nodes and subgraphs into the message; the graph's own stay outside.

    Raises ModelFileError.
    """
    own = {id(tensor) for tensor in proto.graph.initializer}
    left = MOST
    for tensor in _all_tensors(proto):
        if tensor.data_location != tensor.EXTERNAL or id(tensor) in own:
            continue
        file, offset, length = _place(tensor, path)
        left -= length
        if left < 0:
            raise ModelFileError(f"{path}: the data of constants inside its nodes are larger than {MOST} bytes")
        with open_regular(file) as content:
            content.seek(offset)
            tensor.raw_data = content.read(length)
        del tensor.external_data[:]
        tensor.data_location = tensor.DEFAULT


def _place(tensor: onnx.TensorProto, path: Path) -> tuple[Path, int, int]:
    """(file, offset, length) of a tensor's external data. Raises ModelFileError."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location, folder = entries.get("location", ""), path.resolve().parent
    shown, name = ascii(location[:60]), ascii(tensor.name[:60])
    try:
        file = (folder / location).resolve()
    except (OSError, ValueError, RuntimeError) as e:  # too long, a zero byte, links in a circle
        raise ModelFileError(f"{path}: its data file {shown} is no name of a file") from e
    if not location or not file.is_relative_to(folder):
        raise ModelFileError(f"{path}: the data of {name} lies outside the model's folder ({shown})")
    try:
        with open_regular(file) as content:
            size = os.fstat(content.fileno()).st_size
    except FileNotFoundError as e:
        raise ModelFileError(f"{path}: its data file {shown} is missing; it belongs beside the model") from e
    except OSError as e:
        raise ModelFileError(f"{path}: its data file {shown} cannot be read ({e.strerror})") from e
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries["length"]) if "length" in entries else size - offset
    except ValueError as e:
        raise ModelFileError(f"{path}: says of {name} no place in its data file {shown}") from e
    if offset < 0 or length < 0 or offset + length > size:
        raise ModelFileError(f"{path}: its data file {shown} is too short for {name}")
    return file, offset, length


def _all_tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """The constants of the graph, of its nodes and functions, and of the graphs inside these."""
    yield from _of_graph(proto.graph)
    for function in proto.functions:
        yield from _of_nodes(function.node)


def _of_graph(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: object) -> Iterator[onnx.TensorProto]:
    for node in nodes:  # type: ignore[attr-defined]
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for sparse in (
                *attribute.sparse_tensors,
                *([attribute.sparse_tensor] * attribute.HasField("sparse_tensor")),
            ):
                yield from (sparse.values, sparse.indices)
            for graph in (*attribute.graphs, *([attribute.g] * attribute.HasField("g"))):
                yield from _of_graph(graph)
