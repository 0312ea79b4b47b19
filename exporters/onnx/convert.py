"""Write ONNX files: the canonical graph, float or with Q/DQ, and the facts about it in metadata_props."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from ...artifacts.digest import data_file
from ...artifacts.errors import ArtifactTooLarge
from ...artifacts.sizes import Sizes
from ...graph.dialect import check
from ...graph.edit import NAME_SCOPES
from ...graph.fixed_selection import to_runnable_proto
from ...graph.half_precision import halved
from ...graph.open_sizes import marks, open_outputs
from ..model_api import SECTION, model_info
from . import dynamic_linear
from .float_softmax import keep_float_softmax
from .open_batch import open_batch
from .open_sizes import open_sizes
from .pad_before_pool import keep_zeros
from .proto import constants_of, makers_of
from .uint8_input import LAYOUT, take_bytes

OURS = "edgeport"  # our facts, as JSON, in metadata_props
LARGEST = 2**31 - 1  # bytes of one protobuf message
SMALL, ALIGNMENT = 1024, 4096  # bytes: constants below stay in the message; external data that runtimes can map
IR_VERSION = 10  # of ONNX 1.16, the first with all of opset 20 and 21's types; newer ones shut out older runtimes


def convert(
    model: ir.Model,
    *,
    pixels: bool = False,
    half_weights: bool = False,
    dynamic: bool = False,
    any_batch: bool = False,
    sizes: Sizes | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> bytes:
    """The file's bytes; the same graph and metadata give the same. The arguments are those of `write`.

    Raises NotCanonical, and ArtifactTooLarge beyond what one file holds.
    """
    asked: dict[str, Any] = {"dynamic": dynamic, "any_batch": any_batch, "sizes": sizes, "metadata": metadata}
    proto = _build(model, pixels=pixels, half_weights=half_weights, **asked)
    size = _size(proto)
    if size > LARGEST:
        raise ArtifactTooLarge(f"onnx: the model takes {size} bytes, a single file holds {LARGEST}")
    return proto.SerializeToString(deterministic=True)


def write(
    model: ir.Model,
    path: Path,
    *,
    pixels: bool = False,
    half_weights: bool = False,
    dynamic: bool = False,
    any_batch: bool = False,
    sizes: Sizes | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write the file; what is larger than one message holds goes into its data file, NAME.onnx.data beside it.

    `pixels`: the one input, which the graph takes as pixels from 0 to 255, is uint8 NHWC.

    `half_weights` stores the float constants in half precision with a Cast behind each, which a runtime folds when
    it loads the file: half the size, and computed in float32. `dynamic`: linears with int8 weights round what they read
    by its range at run time. `any_batch`: the file takes any number of images. `sizes`: it takes images of all of
    these, as far as the graph's constants are marked with how they follow from the size.

    Raises NotCanonical (the graph is not in the dialect), UnsupportedOp (`any_batch` of what is of one image).
    """
    asked: dict[str, Any] = {"dynamic": dynamic, "any_batch": any_batch, "sizes": sizes, "metadata": metadata}
    proto = _build(model, pixels=pixels, half_weights=half_weights, **asked)
    if _size(proto) > LARGEST:
        _move_data(proto, data_file(path))
    path.write_bytes(proto.SerializeToString(deterministic=True))


def _build(
    model: ir.Model,
    *,
    pixels: bool,
    half_weights: bool,
    dynamic: bool,
    any_batch: bool,
    sizes: Sizes | None,
    metadata: Mapping[str, Any] | None,
) -> onnx.ModelProto:
    check(model, quantized=True)
    metadata = metadata or {}
    proto = to_proto(dynamic_linear.quantize_dynamically(model) if dynamic else model)
    keep_float_weights(proto.graph)
    keep_zeros(proto.graph)
    keep_float_softmax(proto.graph)
    if pixels:
        take_bytes(proto.graph)
    open_axes(model, proto.graph, any_batch=any_batch, sizes=sizes, pixels=pixels)
    if half_weights:
        halve(proto.graph)
    props = {f"{SECTION} {key}": value for key, value in model_info(model, metadata, pixels).items()}
    facts = {**metadata, "layout": LAYOUT} if pixels else metadata
    props[OURS] = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    onnx.helper.set_model_props(proto, props)
    return proto


def open_axes(model: ir.Model, graph: onnx.GraphProto, *, any_batch: bool, sizes: Sizes | None, pixels: bool) -> None:
    """Opens in the file's graph what is asked for: the number of images, their height and width.

    Raises UnsupportedOp where the model is of one image, or of one size.
    """
    follows = marks(model)
    if any_batch:
        open_batch(graph, follows)
    if sizes:
        open_sizes(graph, follows, (1, 2) if pixels else (2, 3), open_outputs(model, sizes), sizes)


def _size(proto: onnx.ModelProto) -> int:
    """The message's size in bytes; of one that is too large for it to be counted, that of its constants."""
    constants = sum(len(tensor.raw_data) for tensor in proto.graph.initializer)
    return constants if constants > LARGEST else proto.ByteSize()


def _move_data(proto: onnx.ModelProto, path: Path) -> None:
    """Write the large constants into a file of their own, in their order, each at a multiple of ALIGNMENT."""
    with path.open("wb") as file:
        for tensor in proto.graph.initializer:
            length = len(tensor.raw_data)
            if length < SMALL:
                continue
            file.seek(-(-file.tell() // ALIGNMENT) * ALIGNMENT)
            places = {"location": path.name, "offset": str(file.tell()), "length": str(length)}
            file.write(tensor.raw_data)
            tensor.ClearField("raw_data")
            tensor.data_location = tensor.EXTERNAL
            for key, value in places.items():
                tensor.external_data.add(key=key, value=value)


def to_proto(model: ir.Model) -> onnx.ModelProto:
    """The graph as ONNX, without what the PyTorch exporter noted for debugging: it names source files of this machine.

    Which module a node comes from is kept.
    """
    proto = to_runnable_proto(model)
    proto.producer_name, proto.producer_version = OURS, ""
    proto.ir_version = min(proto.ir_version, IR_VERSION)
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:]
    for message in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info, *proto.graph.initializer):
        del message.metadata_props[:]
    for node in proto.graph.node:
        node.doc_string = ""
        kept = [(entry.key, entry.value) for entry in node.metadata_props if entry.key == NAME_SCOPES]
        del node.metadata_props[:]
        for key, value in kept:
            node.metadata_props.add(key=key, value=value)
    return proto


def keep_float_weights(graph: onnx.GraphProto) -> None:
    """DequantizeLinear -> Conv with float weights: the former with one scale per channel, all the same.

    The same numbers; but behind one scale for all, ONNX Runtime (1.21 and later, WeightBiasQuantization) rounds such
    weights to int8 by itself, per tensor. Leaves a Conv of one input channel, where the two are one.
    """
    constants = constants_of(graph)
    made_by = makers_of(graph)
    nodes, known = [], set()
    for node in graph.node:
        before = made_by.get(node.input[0]) if node.op_type == "Conv" and node.input[1] in constants else None
        if before is not None and before.op_type == "DequantizeLinear" and constants.keys() >= {*before.input[1:]}:
            groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
            channels, name = constants[node.input[1]].dims[1] * groups, f"{before.output[0]}_per_channel"
            values = [onnx.numpy_helper.to_array(constants[parameter]) for parameter in before.input[1:]]
            if channels == 1 or values[0].size > 1:
                nodes.append(node)
                continue
            if name not in known:
                vectors = [np.full(channels, value.reshape(())) for value in values]
                names = [f"{name}_{i}" for i, _ in enumerate(vectors)]
                graph.initializer.extend(map(onnx.numpy_helper.from_array, vectors, names))
                inputs = [before.input[0], *names]
                nodes.append(onnx.helper.make_node("DequantizeLinear", inputs, [name], name, axis=1))
                known.add(name)
            node.input[0] = name
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def halve(graph: onnx.GraphProto) -> None:
    """float32 constant -> float16 constant, Cast to float32 under the constant's name; where it is large enough."""
    casts = []
    for tensor in graph.initializer:
        half = halved(onnx.numpy_helper.to_array(tensor))
        if half is None:
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}_fp16"))
        casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
