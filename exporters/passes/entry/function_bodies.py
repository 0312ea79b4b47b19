"""op(x) outside the dialect -> ONNX's own definition of it

Leaves a node alone where ONNX has none. Shapes behind what is new are left to be inferred.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import onnx.inliner
import onnx_ir as ir

from ....graph.dialect import OPS

DOMAIN = "edgeport.definitions"


def rewrite(model: ir.Model) -> int:
    """Expand the nodes; 1 where there was one."""
    if all(node.op_type in OPS for node in model.graph):
        return 0
    proto = expand(ir.to_proto(model), lambda node: node.op_type not in OPS)
    if proto is None:
        return 0
    expanded = ir.from_proto(proto)
    model.graph, model.ir_version = expanded.graph, expanded.ir_version
    return 1


def expand(proto: onnx.ModelProto, unknown: Callable[[onnx.NodeProto], bool]) -> onnx.ModelProto | None:
    """A copy in which the `unknown` nodes that are functions of others are replaced by those, or None; `proto` is used
    up."""
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    types = {value.name: value.type for value in (*proto.graph.input, *proto.graph.value_info, *proto.graph.output)}
    for tensor in proto.graph.initializer:
        types[tensor.name] = onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
    found = 0
    for node in proto.graph.node:
        body = definition(node, versions[""], types) if unknown(node) and not node.domain else None
        if body is None:
            continue
        node.domain = body.domain = DOMAIN
        node.op_type = body.name = f"{body.name}_{found}"
        proto.functions.append(body)
        found += 1
    if not found:
        return None
    proto.opset_import.add(domain=DOMAIN, version=1)
    proto.ir_version = max(proto.ir_version, 8)  # the first with functions
    return onnx.inliner.inline_local_functions(proto)


def definition(node: onnx.NodeProto, version: int, types: dict[str, onnx.TypeProto]) -> onnx.FunctionProto | None:
    """ONNX's definition of a node in its opset, in operators of that opset."""
    try:
        schema: Any = onnx.defs.get_schema(node.op_type, version)
    except onnx.defs.SchemaError:
        return None
    named = {attribute.name for attribute in node.attribute}
    defaults = {name: attribute.default_value for name, attribute in schema.attributes.items()}
    node.attribute.extend(d for name, d in defaults.items() if d.name and name not in named)
    body = None
    if schema.has_function:
        since = [v for v in schema.function_opset_versions if v <= version]
        body = schema.get_function_with_opset_version(max(since)) if since else None
    elif schema.has_context_dependent_function:
        since = [v for v in schema.context_dependent_function_opset_versions if v <= version]
        kinds = [types.get(name, onnx.TypeProto()).SerializeToString() for name in node.input]
        if since:
            arguments = (max(since), node.SerializeToString(), kinds)
            body = schema.get_context_dependent_function_with_opset_version(*arguments)
    if not body:
        return None
    function = onnx.FunctionProto()
    function.ParseFromString(body)
    for entry in function.opset_import:  # the body's operators mean the same in the model's opset
        entry.version = version if not entry.domain else entry.version
    return function
