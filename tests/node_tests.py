"""ONNX's own node tests as models that edgeport is to export, and says which of them count.

An input that a vision model knows when it is exported (weights, axes, sizes, scales) becomes a constant with the
test's values. Of a case whose operator is written as ONNX defines it (`_expanded`) the same inputs do.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

PARAMETERS: Mapping[str, tuple[int, ...]] = {  # operator -> which inputs become constants
    **dict.fromkeys(("Conv", "ConvTranspose", "CausalConvWithState", "Gemm"), (1, 2)),
    **dict.fromkeys(("LayerNormalization", "GroupNormalization", "InstanceNormalization", "RMSNormalization"), (1, 2)),
    "BatchNormalization": (1, 2, 3, 4),
    **dict.fromkeys(("Reshape", "Expand", "Tile", "Squeeze", "Unsqueeze", "Split", "TopK", "CumSum", "Trilu"), (1,)),
    **dict.fromkeys(("Upsample", "AffineGrid"), (1,)),
    **dict.fromkeys(("PRelu", "Clip", "OneHot", "CenterCropPad", "Dropout", "CumProd", "DFT", "Col2Im"), (1, 2)),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), (1, 2)),
    **dict.fromkeys(("Pad", "Resize"), (1, 2, 3)),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (1, 2, 3, 4, 7)),
    "DeformConv": (1, 3),
    "NonMaxSuppression": (2, 3, 4),
    "Slice": (1, 2, 3, 4),
    **dict.fromkeys(("If", "ConstantOfShape"), (0,)),
    "Loop": (0, 1),
    "Range": (0, 1, 2),
}
TYPES = {"FLOAT", "FLOAT16", "DOUBLE", "INT8", "UINT8", "INT32", "INT64", "BOOL"}
NOT_TENSORS = (  # operators of text, sequences, optionals and trees
    {"StringConcat", "StringNormalizer", "StringSplit", "RegexFullMatch", "TfIdfVectorizer", "ImageDecoder"}
    | {"LabelEncoder", "TreeEnsemble", "ArrayFeatureExtractor", "Binarizer", "SplitToSequence", "SequenceInsert"}
    | {"SequenceMap", "SequenceEmpty", "SequenceLength", "ConcatFromSequence", "OptionalHasElement"}
    | {"OptionalGetElement"}
)
TRAINING = {"Adagrad", "Adam", "Momentum", "Gradient", "Bernoulli", "RandomUniformLike"}  # and what is random
SIZED_BY_DATA = {"Compress", "NonZero", "Unique", "Range", "ConstantOfShape"} | {
    "BlackmanWindow",
    "HammingWindow",
    "HannWindow",
}
OTHER_TYPE = "its first input is not of real numbers"
DEFINITION = re.compile(
    r"_expanded(_ver\d+)?$"
)  # how the names of cases end whose operator is written as its definition


@functools.cache
def collected() -> dict[str, Any]:
    """name -> onnx's TestCase, in its order; without the prefix `test_`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        return {case.name.removeprefix("test_"): case for case in collect_testcases(None)}


@functools.cache
def cases() -> dict[str, Any]:
    """The cases that are run: of tensors of the types that edgeport reads."""
    return {name: case for name, case in collected().items() if is_run(case.model)}


def is_run(model: onnx.ModelProto) -> bool:
    for value in (*model.graph.input, *model.graph.output):
        if not value.type.HasField("tensor_type"):
            return False
        if onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type) not in TYPES:
            return False
    others = NOT_TENSORS | TRAINING
    return not any(node.op_type in others or node.domain not in ("", "ai.onnx") for node in model.graph.node)


def original(name: str) -> Any:
    """The case itself, or that of the operator that it writes as its definition."""
    return collected().get(DEFINITION.sub("", name), collected()[name])


def operator(name: str) -> str:
    """The operator that a case is of."""
    return original(name).model.graph.node[0].op_type


def not_counted(name: str) -> str | None:
    """Why a case that is run says nothing about a static graph of real numbers, or None."""
    case = cases()[name]
    inputs, outputs = ([array(item) for item in part] for part in case.data_sets[0])
    if not inputs or inputs[0].dtype.kind != "f":
        return OTHER_TYPE
    if not all(a.size for a in (*inputs, *outputs)):
        return "a value of it is empty"
    if any(trains(node, case) for node in case.model.graph.node):
        return "it trains"
    if operator(name) in SIZED_BY_DATA:
        return "its shapes depend on data"
    return None


def trains(node: onnx.NodeProto, case: Any) -> bool:
    feeds = {value.name: item for value, item in zip(case.model.graph.input, case.data_sets[0][0], strict=False)}
    flag = feeds.get(node.input[2]) if node.op_type == "Dropout" and len(node.input) > 2 else None
    modes = [attribute.i for attribute in node.attribute if attribute.name == "training_mode"]
    return any(modes) or (flag is not None and bool(array(flag).any()))


def prepared(case: Any) -> tuple[ir.Model, dict[str, np.ndarray], list[np.ndarray]]:
    """(the model with its parameters as constants and its shapes fixed, inputs, expected outputs)."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    inputs, outputs = ([array(item) for item in part] for part in case.data_sets[0])
    feeds = {value.name: a for value, a in zip(model.graph.input, inputs, strict=False)}
    fixed = parameters(model) | parameters(original(case.name.removeprefix("test_")).model)
    if len(fixed & feeds.keys()) == len(feeds):  # something has to be left to compute
        fixed = set()
    for name in fixed & feeds.keys():
        model.graph.initializer.append(onnx.numpy_helper.from_array(feeds.pop(name), name))
    kept = [value for value in model.graph.input if value.name in feeds]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for value, a in zip(kept, feeds.values(), strict=True):
        value.type.tensor_type.shape.CopyFrom(onnx.TensorShapeProto())
        for size in a.shape:
            value.type.tensor_type.shape.dim.add().dim_value = size
    return ir.from_proto(model), feeds, outputs


def parameters(model: onnx.ModelProto) -> set[str]:
    """The names of what a vision model knows when it is exported."""
    return {
        name
        for node in model.graph.node
        for index, name in enumerate(node.input)
        if index in PARAMETERS.get(node.op_type, (1,) if node.op_type.startswith("Reduce") else ())
    }


def array(item: Any) -> np.ndarray:
    return onnx.numpy_helper.to_array(item) if isinstance(item, onnx.TensorProto) else np.asarray(item)
