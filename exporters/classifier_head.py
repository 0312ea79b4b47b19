"""Put what an app does with the scores behind a classifier: probabilities, and the highest of them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..artifacts.errors import ExportError
from ..graph.classifier import is_classifier
from ..graph.edit import constant, name_of, shape
from ..graph.qparams import QParams

PROBABILITIES, TOP_SCORES, TOP_CLASSES = "probabilities", "top_scores", "top_classes"


def add_classifier_head(
    model: ir.Model, *, softmax: bool = False, top_k: int = 0, quant: QParams | None = None
) -> ir.Model:
    """logits (1, n) -> probabilities (1, n) instead of them; and top_scores (1, k), top_classes (1, k) beside them

    Works on a canonical graph, float or with Q/DQ, and leaves `model` as it was; `top_k` is at most the classes.
    `quant`: of the probabilities, for a device that computes all in int8. Raises ExportError unless the model has one
    output of shape (1, classes).
    """
    model = model.clone()
    graph = model.graph
    shapes = [shape(value) for value in graph.outputs]
    if not is_classifier(graph):
        raise ExportError(f"softmax and top-k are for one output of shape (1, classes); the model has {shapes}")
    if softmax:
        name = f"{PROBABILITIES}_exact" if quant else PROBABILITIES
        _append(graph, "Softmax", [graph.outputs[0]], {"axis": 1}, {name: (shapes[0], ir.DataType.FLOAT)})
        graph.outputs.pop(0)  # `del` leaves the value marked as an output
        if quant:
            _quantize(graph, quant)
    if top_k:
        operands = [graph.outputs[0], constant(graph, np.array([top_k], np.int64), "top_k")]
        results = {TOP_SCORES: ((1, top_k), ir.DataType.FLOAT), TOP_CLASSES: ((1, top_k), ir.DataType.INT64)}
        _append(graph, "TopK", operands, {"axis": 1, "largest": 1, "sorted": 1}, results)
    return model


def _quantize(graph: ir.Graph, quant: QParams) -> None:
    """Let the one output go through its int8 form, and call it PROBABILITIES."""
    dims = shape(graph.outputs[0])
    parameters = [
        constant(graph, np.array(quant.scale, np.float32), f"{PROBABILITIES}.scale"),
        constant(graph, np.array(quant.zero_point, quant.dtype), f"{PROBABILITIES}.zero_point"),
    ]
    steps = (
        ("QuantizeLinear", f"{PROBABILITIES}_int8", ir.DataType[quant.dtype.upper()]),
        ("DequantizeLinear", PROBABILITIES, ir.DataType.FLOAT),
    )
    for op_type, name, dtype in steps:
        _append(graph, op_type, [graph.outputs[0], *parameters], {}, {name: (dims, dtype)})
        graph.outputs.pop(0)  # `del` leaves the value marked as an output


def _append(graph: ir.Graph, op_type: str, inputs: list[ir.Value], attributes: dict, outputs: dict) -> None:
    """A node at the end, whose results leave the graph under the given names."""
    taken = {name_of(value) for node in graph for value in node.outputs} | set(graph.initializers)
    node = ir.node(op_type, inputs, attributes, num_outputs=len(outputs), name=f"head_{op_type}")
    for value, (name, (dims, dtype)) in zip(node.outputs, outputs.items(), strict=True):
        if name in taken:
            raise ExportError(f"the model has a value called {name!r}, which is what --softmax and --top-k would add")
        value.name, value.shape, value.dtype = name, ir.Shape(dims), dtype
    graph.append(node)
    graph.outputs.extend(node.outputs)
