"""Read an ONNX file of any opset into a graph with static input shapes, ready to be made canonical."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import onnx
import onnx.inliner
import onnx_ir as ir
from google.protobuf.message import DecodeError

from ...artifacts.errors import ArtifactTooLarge, InputShapeError, ModelFileError, UnsupportedOp
from ...artifacts.library_logs import quiet_logger
from ...graph.edit import where
from ...graph.external_data import check_external_data, read_inner_data
from ..onnx.convert import LARGEST, OURS
from ..passes.entry.opset import light
from ..passes.forms.quantized_constants import PAIR
from .input_shapes import Open, chosen_shapes

# What the QOperator format and the dynamic one consist of; each has a counterpart made of QuantizeLinear and
# DequantizeLinear around the float operator, which says more (the parameters of every value) and runs on every target.
_INTEGER_OPS = re.compile(
    r"QLinear\w+|ConvInteger|MatMulInteger\w*|DynamicQuantize\w+|QGemm|QAttention|QEmbed\w+|DynamicQuantizeMatMul|"
    r"MatMulNBits|QMoE|QOrdered\w+"
)


def from_onnx(path: Path, shapes: Mapping[str, tuple[int, ...]] | None = None) -> ir.Model:
    """The model in a file, its functions inlined, its inputs of the chosen static shapes (input_shapes).

    Raises ModelFileError (no ONNX file, a damaged one, external data that is not there), InputShapeError, UnsupportedOp
    (integer operators).
    """
    model = read(path)
    refuse_integer_ops(model.graph)
    graph = model.graph
    graph.inputs[:] = [value for value in graph.inputs if not value.is_initializer()]
    known: dict[str, Open] = {value.name or "": _open(value) for value in graph.inputs}
    if not known:
        raise ModelFileError(f"{path}: takes no input, so there is nothing to run")
    try:
        chosen = chosen_shapes(known, shapes or {})
    except InputShapeError as e:
        raise InputShapeError(f"{path}: {e}") from e
    for value in graph.inputs:
        value.shape = ir.Shape(chosen[value.name or ""])
    infer(model, path)
    return model


@quiet_logger("onnx_ir")
def infer(model: ir.Model, path: Path) -> None:
    """Give every value the shape that follows from the inputs; what the file says of others counts where none follows.

    Raises ModelFileError where an operator cannot have the operands that it has.
    """
    values = [out for node in model.graph for out in node.outputs]
    declared = [(value, _without_negative_sizes(value.shape)) for value in values]
    for value in values:
        value.shape = None
    try:
        with light(model):
            proto = ir.to_proto(model)
            inferred = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    except MemoryError as e:
        raise ModelFileError(f"{path}: works on sizes that no memory holds") from e
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError, TypeError) as e:
        raise ModelFileError(f"{path}: contradicts itself ({_sentence(e)})") from e
    infos = (*inferred.graph.value_info, *inferred.graph.output)
    shapes = {info.name: ir.from_proto(info).shape for info in infos}
    for value, old in declared:
        new = shapes.get(value.name or "")
        value.shape = old if new is None or (not new.is_static() and old is not None) else new


@quiet_logger("onnx_ir")
def read(path: Path) -> ir.Model:
    """The model as it is written, checked, without its functions. Raises ModelFileError."""
    try:
        proto = onnx.load_model(path, load_external_data=False)
    except (DecodeError, ValueError) as e:
        raise ModelFileError(f"{path}: is not a readable ONNX file") from e
    except OSError as e:
        raise ModelFileError(f"{path}: cannot be read ({e.strerror or e})") from e
    if not proto.HasField("graph") or not proto.opset_import:
        raise ModelFileError(f"{path}: is not an ONNX file, or an empty one")
    check_external_data(proto, path)
    read_inner_data(proto, path)
    try:
        if proto.functions:
            proto = onnx.inliner.inline_local_functions(proto, convert_version=True)
        model = ir.from_proto(proto)
        for value in model.graph.initializers.values():
            if isinstance(value.const_value, ir.ExternalTensor):
                value.const_value = ir.ExternalTensor(
                    *(value.const_value.location, value.const_value.offset, value.const_value.length),
                    *(value.const_value.dtype,),
                    shape=value.const_value.shape,
                    name=value.const_value.name,
                    base_dir=path.resolve().parent,
                )
        _check_data(model.graph, path)
        for node in model.graph.all_nodes():
            if node.domain == "ai.onnx" or (node.op_type in PAIR and node.domain == "com.microsoft"):
                node.domain = ""
        with light(model):
            onnx.checker.check_model(ir.to_proto(model))
    except onnx.checker.ValidationError as e:
        raise ModelFileError(f"{path}: is not a valid ONNX model ({_sentence(e)})") from e
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as e:
        raise ModelFileError(f"{path}: is not a whole ONNX model ({_sentence(e)})") from e
    return model


def metadata(path: Path) -> dict[str, str]:
    """What a file says about itself: producer, description, and its own metadata."""
    proto = onnx.load_model(path, load_external_data=False)
    facts = {
        "producer": " ".join(filter(None, (proto.producer_name, proto.producer_version))),
        "description": proto.doc_string,
        **{entry.key: entry.value for entry in proto.metadata_props if entry.key != OURS},
    }
    return {key: value for key, value in facts.items() if value}


def own_metadata(path: Path) -> str | None:
    """What edgeport itself wrote into the file, as JSON, or None."""
    props = onnx.load_model(path, load_external_data=False).metadata_props
    return next((entry.value for entry in props if entry.key == OURS), None)


def save_model(model: onnx.ModelProto | ir.Model, path: Path) -> None:
    """Write a model in memory to a file, one message. Raises ModelFileError where it is larger than one can be."""
    proto = ir.to_proto(model) if isinstance(model, ir.Model) else model
    if proto.ByteSize() > LARGEST:
        raise ModelFileError(f"the ONNX model given takes {proto.ByteSize()} bytes; save it with external data")
    path.write_bytes(proto.SerializeToString())


def serialized(model: ir.Model) -> bytes:
    """The graph in memory as a file's content. Raises ArtifactTooLarge beyond the 2 GB of one message."""
    proto = ir.to_proto(model)
    if proto.ByteSize() > LARGEST:
        raise ArtifactTooLarge(f"onnx: the model takes {proto.ByteSize()} bytes, one message holds {LARGEST}")
    return proto.SerializeToString()


def refuse_integer_ops(graph: ir.Graph) -> None:
    """Raise UnsupportedOp for the first operator that computes in integers by itself."""
    for node in graph.all_nodes():
        if _INTEGER_OPS.fullmatch(node.op_type):
            dynamic = "Dynamic" in node.op_type or node.op_type in ("MatMulInteger", "ConvInteger")
            remedy = (
                "quantise it statically, in QDQ format"
                if dynamic
                else "quantise it in QDQ format (quant_format=QuantFormat.QDQ)"
            )
            raise UnsupportedOp(f"{where(node)} computes in integers by itself (QOperator format); {remedy}.")


def computed_in_half(model: ir.Model) -> bool:
    """Whether the file computes in another float type than float32."""
    wide = {ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE}
    values = (*model.graph.inputs, *model.graph.initializers.values())
    casts = (node for node in model.graph if node.op_type == "Cast")
    return any(value.dtype in wide for value in values) or any(
        ir.DataType(node.attributes["to"].as_int()) in wide for node in casts
    )


def _without_negative_sizes(shape: ir.Shape | None) -> ir.Shape | None:
    """The shape, open where some exporters write -1 for a size that they do not know."""
    if shape is None:
        return None
    return ir.Shape([None if isinstance(dim, int) and dim < 0 else dim for dim in shape])


def _open(value: ir.Value) -> Open:
    if value.shape is None:
        return None
    return tuple(dim if isinstance(dim, int) and dim > 0 else None for dim in value.shape)


def _check_data(graph: ir.Graph, path: Path) -> None:
    """Raise ModelFileError where a constant has more or fewer numbers than its shape says."""
    attributes = (attr for node in graph.all_nodes() for attr in node.attributes.values())
    tensors = [attr.as_tensor() for attr in attributes if attr.type == ir.AttributeType.TENSOR]
    tensors += [value.const_value for value in graph.initializers.values() if value.const_value is not None]
    for tensor in tensors:
        try:
            fits = isinstance(tensor, ir.StringTensor) or tensor.numpy().shape == tuple(tensor.shape)
        except (ValueError, TypeError, OverflowError):
            fits = False
        if not fits:
            raise ModelFileError(f"{path}: the data of {tensor.name!r} does not fit its shape {tensor.shape}")


def _sentence(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".:")
