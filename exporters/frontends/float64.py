"""Widen an ONNX graph to double precision, to see what float32 itself loses in it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...artifacts.library_logs import quiet_logger
from ..canonicalize import copy_model
from ..passes.entry import opset
from ..passes.entry.float32 import values

_TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype")
FLOAT, DOUBLE = ir.DataType.FLOAT, ir.DataType.DOUBLE


@quiet_logger("onnx_ir")
def to_float64(model: ir.Model) -> ir.Model:
    """The same graph with every float32 value, constant and type attribute in float64; `model` stays as it is.

    Of the dialect's opset, whose operators onnx's evaluator knows best: before opset 14 it takes a BatchNormalization
    for one that is trained. Raises ExportError where the graph cannot be converted.
    """
    wide = copy_model(model)
    opset.rewrite(wide)
    for graph in (wide.graph, *wide.graph.subgraphs()):
        for value in values(graph):
            _widen(value)
        for node in graph:
            _widen_attributes(node)
    return wide


def _widen(value: ir.Value) -> None:
    constant = value.const_value
    if (constant.dtype if constant is not None else value.dtype) != FLOAT:
        return
    if constant is not None:
        value.const_value = _tensor(constant)
    value.type = ir.TensorType(DOUBLE)


def _widen_attributes(node: ir.Node) -> None:
    for name, attr in list(node.attributes.items()):
        if name in _TYPE_ATTRIBUTES and attr.type == ir.AttributeType.INT and attr.as_int() == FLOAT:
            node.attributes[name] = ir.AttrInt64(name, DOUBLE)
        elif attr.type == ir.AttributeType.TENSOR and attr.as_tensor().dtype == FLOAT:
            node.attributes[name] = ir.AttrTensor(name, _tensor(attr.as_tensor()))
        elif name in ("value_float", "value_floats"):  # of a Constant, whose float is of 32 bits
            node.attributes["value"] = ir.AttrTensor("value", ir.Tensor(np.array(attr.value, np.float64)))
            del node.attributes[name]


def _tensor(tensor: ir.TensorProtocol) -> ir.Tensor:
    return ir.Tensor(tensor.numpy().astype(np.float64), name=tensor.name)
