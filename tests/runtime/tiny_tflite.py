"""Write tiny .tflite models by hand, so that the runtime's tests need no converter."""

import json

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FLOAT32, INT8 = schema.TensorType.FLOAT32, schema.TensorType.INT8


def _tensor(name, shape, dtype=FLOAT32, buffer=0, scale=None, zero_point=0):
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name.encode(), list(shape), dtype, buffer
    if scale is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero_point]
    return tensor


def _operator(code_index, inputs, outputs, options_type=0, options=None):
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code_index, inputs, outputs
    operator.builtinOptionsType, operator.builtinOptions = options_type, options
    return operator


def _pack(tensors, codes, operators, inputs, outputs, constants=(), metadata=None, signature=True):
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = tensors, operators
    graph.inputs, graph.outputs = list(inputs.values()), list(outputs.values())
    model = schema.ModelT()
    model.version, model.description, model.subgraphs = 3, b"tiny", [graph]
    model.operatorCodes = []
    for code in codes:
        entry = schema.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        entry.version = 1
        model.operatorCodes.append(entry)
    contents = [None, *constants]
    if metadata is not None:
        entry = schema.MetadataT()
        entry.name, entry.buffer = b"edgeport", len(contents)
        contents.append(np.frombuffer(json.dumps(metadata).encode(), np.uint8))
        model.metadata = [entry]
    model.buffers = []
    for content in contents:
        buffer = schema.BufferT()
        buffer.data = content
        model.buffers.append(buffer)
    if signature:
        model.signatureDefs = [schema.SignatureDefT()]
        model.signatureDefs[0].signatureKey = b"serving_default"
        for side, names in (("inputs", inputs), ("outputs", outputs)):
            maps = []
            for name, index in names.items():
                entry = schema.TensorMapT()
                entry.name, entry.tensorIndex = name.encode(), index
                maps.append(entry)
            setattr(model.signatureDefs[0], side, maps)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def add_channels(offsets, *, layout="nhwc", shape=(1, 4, 5), ours=True, signature=True):
    """image (1, H, W, C) + offsets (C,) -> (1, 4, 5, C); with `ours` the metadata entry says which layout."""
    n, h, w = shape
    c = len(offsets)
    physical = (n, h, w, c) if layout == "nhwc" else (n, c, h, w)
    constant = np.asarray(offsets, np.float32)
    constant_shape = (c,) if layout == "nhwc" else (1, c, 1, 1)
    entry = {"shape": [n, c, h, w], "layout": layout}
    described = {"inputs": [{"name": "image", **entry}], "outputs": [{"name": "shifted", **entry}]}
    return _pack(
        [_tensor("in", physical), _tensor("offsets", constant_shape, buffer=1), _tensor("out", physical)],
        [schema.BuiltinOperator.ADD],
        [_operator(0, [0, 1], [2], schema.BuiltinOptions.AddOptions, schema.AddOptionsT())],
        {"image": 0},
        {"shifted": 2},
        [constant.view(np.uint8)],
        described if ours else None,
        signature,
    )


def int8_ends(scale=0.5, zero_point=-3, size=6):
    """int8 (1, size) -> RESHAPE to (1, size) -> int8 out: inputs and outputs are quantised."""
    options = schema.ReshapeOptionsT()
    options.newShape = [1, size]
    return _pack(
        [
            _tensor("in", (1, size), INT8, scale=scale, zero_point=zero_point),
            _tensor("out", (1, size), INT8, scale=scale, zero_point=zero_point),
        ],
        [schema.BuiltinOperator.RESHAPE],
        [_operator(0, [0], [1], schema.BuiltinOptions.ReshapeOptions, options)],
        {"x": 0},
        {"y": 1},
    )


def dense(weights, *, layers=1):
    """`layers` FULLY_CONNECTED of (1, n) by square weights (n, n), then a RESHAPE: several parts to damage."""
    n = len(weights)
    tensors, operators = [_tensor("in", (1, n)), _tensor("w", (n, n), buffer=1)], []
    for layer in range(layers):
        tensors.append(_tensor(f"layer{layer}", (1, n)))
        last = len(tensors) - 1
        source = 0 if layer == 0 else last - 1
        options = schema.FullyConnectedOptionsT()
        operators.append(_operator(0, [source, 1, -1], [last], schema.BuiltinOptions.FullyConnectedOptions, options))
    options = schema.ReshapeOptionsT()
    options.newShape = [1, n]
    tensors.append(_tensor("out", (1, n)))
    operators.append(
        _operator(1, [len(tensors) - 2], [len(tensors) - 1], schema.BuiltinOptions.ReshapeOptions, options)
    )
    return _pack(
        tensors,
        [schema.BuiltinOperator.FULLY_CONNECTED, schema.BuiltinOperator.RESHAPE],
        operators,
        {"x": 0},
        {"y": len(tensors) - 1},
        [np.ascontiguousarray(weights, np.float32).reshape(-1).view(np.uint8)],
        {"inputs": [], "outputs": []},
    )


def half_delegated():
    """x -> ABS -> FLOOR_MOD by a constant -> ABS -> y: XNNPACK has no FLOOR_MOD, so it takes two parts."""
    sizes = [_tensor(name, (1, 4)) for name in ("in", "a", "m", "out")]
    return _pack(
        [*sizes, _tensor("three", (1, 4), buffer=1)],
        [schema.BuiltinOperator.ABS, schema.BuiltinOperator.FLOOR_MOD],
        [_operator(0, [0], [1]), _operator(1, [1, 4], [2]), _operator(0, [2], [3])],
        {"x": 0},
        {"y": 3},
        [np.full(4, 3, np.float32).view(np.uint8)],
    )
