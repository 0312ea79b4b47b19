"""This file brings a model of another opset to the dialect's: an older one with the converter that ships with onnx."""

import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from ..dialect import OPSET
from ..errors import NotCanonical
from .function_bodies import expand

SCAN = 9  # before it Scan meant something else, which the converter does not know
CHANGED = {"GroupNormalization"}  # behind the dialect's opset in meaning; the other operators only took more types


def convert(model: ir.Model) -> ir.Model:
    """The model in the dialect's opset, itself if it is. Raises NotCanonical where there is no way there.

    Of a newer opset, operators that the dialect's does not have become ONNX's own definitions of them.
    """
    version = model.graph.opset_imports.get("")
    if version == OPSET:
        return model
    if version is not None and version > OPSET:
        common.ShapeInferencePass()(model)
        model = expand(model, _is_newer)
        model.opset_imports[""] = OPSET
        model.graph.opset_imports[""] = OPSET
        return model
    if version is not None and version < SCAN and any(node.op_type == "Scan" for node in model.graph):
        raise NotCanonical(f"the graph has a Scan of ONNX opset {version}; export it in {SCAN} or newer.")
    try:
        return ir.from_proto(onnx.version_converter.convert_version(ir.to_proto(model), OPSET))
    except RuntimeError as e:  # the converter's only exception
        raise NotCanonical(
            f"the graph is of ONNX opset {version}, which onnx cannot convert to {OPSET}; export it in {OPSET}."
        ) from e


def _is_newer(op_type: str) -> bool:
    """Whether an operator has no, or another, meaning in the dialect's opset."""
    try:
        onnx.defs.get_schema(op_type, OPSET)
    except onnx.defs.SchemaError:
        return True
    return op_type in CHANGED
