"""Turn the builder's tensors and operators into the bytes of a .tflite flatbuffer (schema version 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...artifacts.errors import ArtifactTooLarge
from ...graph.qparams import QParams
from .versions import minimum_runtime, operator_version

_ALIGNMENT = 16  # the schema's force_align of Buffer.data: memory-mapped and micro runtimes read it in place
_LIMIT = 2**31 - 1  # a flatbuffer's offsets are signed 32-bit


@dataclass
class Tensor:
    """A tensor of the subgraph; `data` is None unless it is a constant. `shape` is the physical shape, `signature` the
    same with -1 for a length that follows from the image's."""

    name: str
    shape: tuple[int, ...]
    dtype: Any
    quant: QParams | None = None
    data: np.ndarray | None = None
    signature: tuple[int, ...] | None = None


@dataclass
class Operator:
    """An operator. `inputs` and `outputs` index the tensors; -1 is an absent optional input."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)


# Operators whose options have another name than the operator itself; None: no options table.
_OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "PADV2": "PadV2Options",
    "RELU": None,
    "RELU6": None,
    "LOGISTIC": None,
    "TANH": None,
    "SQRT": None,
    "PRELU": None,
    "ELU": None,
    "RSQRT": None,
    **dict.fromkeys(("FLOOR", "CEIL", "ROUND", "SIN", "LOG", "ATAN2")),
    "SUM": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions",
    "REDUCE_MIN": "ReducerOptions",
    "REDUCE_PROD": "ReducerOptions",
    "TOPK_V2": "TopKV2Options",
    "SELECT_V2": "SelectV2Options",
    "SCATTER_ND": "ScatterNdOptions",
    "GATHER_ND": "GatherNdOptions",
}


def used(tensors: Sequence[Tensor], operators: Sequence[Operator], outputs: Sequence[int]) -> list[Operator]:
    """The operators on which `outputs` depend, in order."""
    needed, kept = set(outputs), []
    for o in reversed(operators):
        if not needed.isdisjoint(o.outputs):
            needed.update(o.inputs)
            kept.append(o)
    return kept[::-1]


def serialize(
    tensors: Sequence[Tensor],
    operators: Sequence[Operator],
    inputs: Mapping[str, int],
    outputs: Mapping[str, int],
    metadata: Mapping[str, bytes],
) -> bytes:
    """The file. `inputs` and `outputs`: signature name -> tensor; `metadata`: name -> content of its buffer.

    The same arguments give the same bytes. Raises ArtifactTooLarge from 2 GB on.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    class AlignedBuffer(schema.BufferT):
        """Buffer.data at multiples of 16 bytes; the generated packer ignores the schema's force_align."""

        def Pack(self, builder: Any) -> int:
            data = None
            if self.data is not None:
                raw = np.ascontiguousarray(self.data).reshape(-1).view(np.uint8)
                builder.StartVector(1, raw.size, _ALIGNMENT)
                builder.head -= raw.size
                np.frombuffer(builder.Bytes, np.uint8)[builder.head : builder.head + raw.size] = raw
                data = builder.EndVector()
            schema.BufferStart(builder)
            if data is not None:
                schema.BufferAddData(builder, data)
            return schema.BufferEnd(builder)

    operators = used(tensors, operators, list(outputs.values()))
    keep = sorted(
        {i for o in operators for i in (*o.inputs, *o.outputs) if i >= 0} | {*inputs.values(), *outputs.values()}
    )
    size = sum(t.data.nbytes for i in keep if (t := tensors[i]).data is not None)
    if size >= _LIMIT:
        raise ArtifactTooLarge(f"tflite: {size / 1e9:.1f} GB of constants; a .tflite file holds at most 2 GB")
    number = {old: new for new, old in enumerate(keep)}
    buffers = [AlignedBuffer()]  # buffer 0 is empty by convention: every tensor without data names it

    def buffer(data: np.ndarray) -> int:
        buffers.append(AlignedBuffer(data=data))
        return len(buffers) - 1

    codes: dict[tuple[str, int], int] = {}
    ops = []
    for o in operators:
        version = operator_version(o.op, [tensors[i] for i in o.inputs if i >= 0], tensors[o.outputs[0]], o.options)
        op = schema.OperatorT(
            opcodeIndex=codes.setdefault((o.op, version), len(codes)),
            inputs=[number.get(i, -1) for i in o.inputs],
            outputs=[number[i] for i in o.outputs],
        )
        options = _OPTIONS.get(o.op, o.op.title().replace("_", "") + "Options")
        if options is not None:
            op.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            op.builtinOptions = getattr(schema, options + "T")(**o.options)
        ops.append(op)

    subgraph = schema.SubGraphT(
        name="main",
        tensors=[_tensor(schema, tensors[i], buffer) for i in keep],
        operators=ops,
        inputs=[number[i] for i in inputs.values()],
        outputs=[number[i] for i in outputs.values()],
    )

    def maps(names: Mapping[str, int]) -> list[Any]:
        return [schema.TensorMapT(name=n, tensorIndex=number[i]) for n, i in names.items()]

    runtime = minimum_runtime(list(codes)).encode()
    entries = {"min_runtime_version": runtime.ljust(16, b"\0"), **metadata}
    model = schema.ModelT(
        version=3,
        description="edgeport",
        operatorCodes=[_operator_code(schema, op, version) for op, version in codes],
        subgraphs=[subgraph],
        signatureDefs=[
            schema.SignatureDefT(inputs=maps(inputs), outputs=maps(outputs), signatureKey="serving_default")
        ],
        metadata=[schema.MetadataT(name=name, buffer=buffer(_bytes(content))) for name, content in entries.items()],
        buffers=buffers,
    )
    builder = flatbuffers.Builder(size + (1 << 16) + 512 * len(keep))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(memoryview(builder.Bytes)[builder.Head() :])


def _bytes(raw: bytes) -> np.ndarray:
    return np.frombuffer(raw, np.uint8)


def _operator_code(schema: Any, op: str, version: int) -> Any:
    code = getattr(schema.BuiltinOperator, op)
    # runtimes before 2.4 read the one-byte code, which saturates at 127 (PLACEHOLDER_FOR_GREATER_OP_CODES)
    return schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=min(code, 127), version=version)


def _tensor(schema: Any, t: Tensor, buffer: Any) -> Any:
    quantization = None
    if t.quant is not None:
        quantization = schema.QuantizationParametersT(
            scale=np.asarray(t.quant.scales, np.float32),
            zeroPoint=np.full(len(t.quant.scales), t.quant.zero_point, np.int64),
            quantizedDimension=t.quant.axis or 0,
        )
    return schema.TensorT(
        name=t.name,
        shape=np.asarray(t.shape, np.int32),
        type=getattr(schema.TensorType, np.dtype(t.dtype).name.upper()),
        buffer=0 if t.data is None else buffer(t.data),
        quantization=quantization,
        hasRank=True,
        shapeSignature=None if t.signature is None else np.asarray(t.signature, np.int32),
    )
