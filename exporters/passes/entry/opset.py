"""model of another opset -> model of the dialect's opset

An older one is raised by the converter that ships with onnx. A newer one is lowered here: since opset 20 operators have
gained types and attributes, which are refused where they are used, and new operators that are functions of old ones,
which are replaced by the definition that onnx has of them. Leaves a model of the dialect's opset alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import onnx
import onnx_ir as ir

from ....artifacts.errors import NotCanonical, UnsupportedAttribute, UnsupportedOp
from ....graph.dialect import OPSET
from ....graph.edit import NAME_SCOPES, where
from . import function_bodies

LARGE = 1024  # elements: no smaller constant weighs, and no larger one is a shape, an axis or a scale per side
SCAN = 9  # before it Scan meant something else, which the converter does not know
RESIZE = 11  # the first in which Resize says where its results take their places
NEUTRAL = {"block_size": (0,), "output_dtype": (0,), "precision": (0, 1), "stash_type": (1,), "round_mode": ("up",)}
REWRITTEN = {"SpaceToDepth": ("mode",)}  # attributes of newer opsets that a pass knows


def rewrite(model: ir.Model) -> int:
    """Convert the model; 1 where that was to be done.

    Raises NotCanonical where onnx has no way up, UnsupportedOp and UnsupportedAttribute where there is none down.
    """
    version = model.graph.opset_imports.get("")
    if version == OPSET or version is None:
        return 0
    if version < SCAN and any(node.op_type == "Scan" for node in model.graph):
        raise NotCanonical(f"the graph has a Scan of ONNX opset {version}; export it in {SCAN} or newer.")
    scopes = {out.name: dict(node.metadata_props) for node in model.graph for out in node.outputs}
    with light(model) as weights:
        proto = ir.to_proto(model)
        proto = lower_opset(proto, version) if version > OPSET else raise_opset(proto, version)
    converted = ir.from_proto(proto)
    restore(converted.graph, weights)
    for node in converted.graph:
        kept = next((scopes[out.name] for out in node.outputs if out.name in scopes), {})
        node.metadata_props.update({key: value for key, value in kept.items() if key == NAME_SCOPES})
    if version < RESIZE:
        place_resizes(converted.graph)
    model.graph, model.ir_version = converted.graph, converted.ir_version
    return 1


def place_resizes(graph: ir.Graph) -> None:
    """Resize(x) of opset 10, Upsample(x) -> Resize(x, "asymmetric", "floor"), which onnx's converter leaves out"""
    for node in graph:
        if node.op_type == "Resize":
            for name, value in (("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", "floor")):
                node.attributes[name] = ir.AttrString(name, value)


def raise_opset(proto: onnx.ModelProto, version: int) -> onnx.ModelProto:
    proto.ir_version = max(proto.ir_version, 4)  # before it every initializer had to be an input, too
    try:
        return onnx.version_converter.convert_version(proto, OPSET)
    except (RuntimeError, onnx.version_converter.ConvertError, onnx.checker.ValidationError) as e:
        raise NotCanonical(
            f"the graph is of ONNX opset {version}, which onnx cannot convert to {OPSET}; export it in {OPSET}."
        ) from e


def lower_opset(proto: onnx.ModelProto, version: int) -> onnx.ModelProto:
    """Functions written out, attributes that mean nothing dropped, and the version number changed."""
    while True:  # a definition may be in operators that are as new
        proto = onnx.shape_inference.infer_shapes(proto)  # the types decide what some definitions are
        expanded = function_bodies.expand(proto, lambda node: _is_new_function(node, version))
        if expanded is None:
            break
        proto = expanded
    for node in proto.graph.node:
        if node.domain not in ("", "ai.onnx"):
            continue
        if not onnx.defs.has(node.op_type, OPSET):
            raise UnsupportedOp(f"{_where(node)} is of opset {version}; export the model in {OPSET}.")
        known = onnx.defs.get_schema(node.op_type, OPSET).attributes
        for attribute in [attribute for attribute in node.attribute if attribute.name not in known]:
            value = onnx.helper.get_attribute_value(attribute)
            value = value.decode() if isinstance(value, bytes) else value
            if attribute.name in REWRITTEN.get(node.op_type, ()):
                continue
            if value not in NEUTRAL.get(attribute.name, ()):
                raise UnsupportedAttribute(
                    f"{_where(node)}: {attribute.name} = {value!r} is of opset {version}; export the model in {OPSET}."
                )
            node.attribute.remove(attribute)
    for entry in proto.opset_import:
        if entry.domain in ("", "ai.onnx"):
            entry.version = OPSET
    return proto


def _where(node: onnx.NodeProto) -> str:
    alone = onnx.NodeProto()
    alone.CopyFrom(node)
    del alone.input[:]  # they stand in no graph, which onnx_ir warns of
    return where(ir.from_proto(alone))


def _is_new_function(node: onnx.NodeProto, version: int) -> bool:
    """Whether the node's operator is newer than the dialect, or means something else in it, and has a definition."""
    if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, version):
        return False
    schema: Any = onnx.defs.get_schema(node.op_type, version)
    is_function = schema.has_function or schema.has_context_dependent_function
    return is_function and (node.op_type == "GroupNormalization" or not onnx.defs.has(node.op_type, OPSET))


@contextlib.contextmanager
def light(model: ir.Model) -> Iterator[dict[str, ir.Value]]:
    """Within, the model's large constants are inputs without data, so that it can be written in one small message."""
    graph = model.graph
    inputs = list(graph.inputs)
    weights = {
        name: value
        for name, value in graph.initializers.items()
        if value.const_value is not None and value.const_value.size > LARGE
    }
    for name, value in weights.items():
        tensor = value.const_value
        assert tensor is not None
        value.shape, value.dtype = ir.Shape(tensor.shape.numpy()), tensor.dtype
        del graph.initializers[name]
        if value not in inputs:
            graph.inputs.append(value)
    try:
        yield weights
    finally:
        graph.inputs[:] = inputs
        for value in weights.values():
            graph.register_initializer(value)


def restore(graph: ir.Graph, weights: dict[str, ir.Value]) -> None:
    """Make the inputs that stand for constants constants again."""
    for value in [value for value in graph.inputs if value.name in weights]:
        graph.inputs.remove(value)
        value.const_value = weights[value.name or ""].const_value
        graph.register_initializer(value)
