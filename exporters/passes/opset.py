"""This file brings a model of another opset to the dialect's, with the converter that ships with onnx."""

import onnx
import onnx_ir as ir

from ..dialect import OPSET
from ..errors import NotCanonical


def convert(model: ir.Model) -> ir.Model:
    """The model in the dialect's opset, itself if it is. Raises NotCanonical where onnx has no way there."""
    version = model.graph.opset_imports.get("")
    if version == OPSET:
        return model
    try:
        return ir.from_proto(onnx.version_converter.convert_version(ir.to_proto(model), OPSET))
    except RuntimeError as e:  # the converter's only exception
        raise NotCanonical(
            f"the graph is of ONNX opset {version}, which onnx cannot convert to {OPSET}; export it in {OPSET}."
        ) from e
