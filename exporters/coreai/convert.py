"""Walk a canonical graph, float or with Q/DQ, and write an .aimodel folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from ...artifacts.errors import ExportError, UnsupportedAttribute
from ...graph.dialect import check
from ...graph.dtypes import held
from ...graph.edit import name_of, shape, where
from ...graph.fusion import fuse
from ...graph.qdq import Constant, constant_operand, qparams_of
from ..passes.expansions import expand
from . import conv, elementwise, index, linear, logic, movement, pool, reduce, resize  # noqa: F401  (each fills the table)
from .builder import Builder, Operand, Target, Var, fits_half
from .lowering_table import table
from .package import save
from .toolkit import Port, program

EXPANDED = frozenset({"GridSample", "LSTM", "GRU"})  # the library has none of them
PRODUCT = "broadcasting_mul"
PRECISIONS: dict[str, type[np.floating]] = {"fp32": np.float32, "fp16": np.float16}


def convert(
    model: ir.Model,
    directory: Path,
    *,
    precision: str = "fp32",
    pixels: bool = False,
    image: bool = False,
    float32: Collection[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write a canonical model as the new folder `directory`, whose name ends in .aimodel.

    `precision`: what everything outside int8 is stored and computed in; inputs and outputs are float32 either way.
    `pixels`: the one input, which the graph takes as pixels from 0 to 255, is uint8 NHWC. `image`:
    it is then an image of Apple's, in RGB. `float32`: operators, by the
    values that they give, that are computed in float32 whatever the precision. `metadata`: facts that JSON can hold,
    stored in the asset's own metadata under "com.edgeport". The same arguments give the same bytes.

    Raises ExportError (UnsupportedOp, UnsupportedAttribute, DynamicShape), ValueError for arguments that do not fit the
    model, ImportError without coreai-core.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is one of {', '.join(PRECISIONS)}")
    if directory.suffix != ".aimodel" or directory.exists():
        raise ValueError(f"{directory}: not the name of a new .aimodel folder")
    check(model, quantized=True)
    model = expand(model, EXPANDED)
    inputs = [_port(value, pixels, image) for value in model.graph.inputs]
    outputs = [_port(value) for value in model.graph.outputs]
    lowering = _Lowering(PRECISIONS[precision], float32, pixels)
    written = program(inputs, outputs, lambda values: lowering.graph(model.graph, values), image=image)
    save(written, directory, metadata or {})


def _port(value: ir.Value, pixels: bool = False, image: bool = False) -> Port:
    """An input or output as the file has it. Raises UnsupportedAttribute for what is no image of Apple's."""
    if pixels:
        n, c, h, w = shape(value)
        if image and (n, c) != (1, 3):
            raise UnsupportedAttribute(
                f"coreai: an image input has 3 channels, and {name_of(value)!r} is {shape(value)}"
            )
        return name_of(value), (h, w, c) if image else (n, h, w, c), np.uint8
    return name_of(value), shape(value), held(value.dtype)


class _Lowering:
    """The state of one walk: what each ONNX value is in the builder's terms."""

    def __init__(self, float_type: type[np.floating], float32: Collection[str], pixels: bool) -> None:
        self.builder = Builder(float_type)
        self.float_type, self.float32, self.pixels = float_type, float32, pixels
        self.operands: dict[ir.Value, Operand] = {}
        self.done: set[ir.Node] = set()

    def graph(self, graph: ir.Graph, values: list[Any]) -> list[Any]:
        """The whole graph, from the library's inputs to its outputs."""
        for value, given in zip(graph.inputs, values, strict=True):
            self.operands[value] = self._input(value, self.builder.var(given))
        for node in graph:
            self.node(node)
        return [self._output(value).value for value in graph.outputs]

    def _input(self, value: ir.Value, var: Var) -> Operand:
        self.builder.target = Target(name_of(value))
        if not self.pixels:
            return var
        real = self.builder.cast(var, self.float_type)
        if len(var.shape) == 3:  # an image's pixels
            real = self.builder.run("reshape", real, np.array((1, *var.shape), np.uint32))
        return self.builder.run("transpose", real, np.array((0, 3, 1, 2), np.uint32))

    def node(self, node: ir.Node) -> None:
        if node in self.done or constant_operand(node.outputs[0]) is not None:
            return
        if node.op_type == "QuantizeLinear" and constant_operand(node.inputs[0]) is not None:
            return  # its DequantizeLinear is the constant
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            self.operands[node.outputs[0]] = self._pair(node)
            return
        fused = fuse(node)
        single = any(output.name in self.float32 for each in fused.nodes for output in each.outputs)
        self.builder.float_type = np.float32 if single else self.float_type
        self.builder.target = Target(name_of(fused.output), constant_operand(fused.bias))
        results = table(self.builder, node, [None if v is None else self.operand(v) for v in node.inputs])
        self.done.update(fused.nodes)
        outputs = [fused.output, *node.outputs[1:]]
        for value, result in zip(outputs, results if isinstance(results, tuple) else (results,), strict=False):
            if tuple(result.shape) != shape(value):
                raise ExportError(f"coreai: {where(node)} gave shape {result.shape}, the graph says {shape(value)}")
            self.operands[value] = result

    def operand(self, value: ir.Value | None) -> Operand:
        assert value is not None, "only trailing inputs are left out"
        found = constant_operand(value)
        if found is not None:
            return found
        if value not in self.operands:
            raise ExportError(f"coreai: value '{value.name}' is read before it is computed")
        return self.operands[value]

    def _output(self, value: ir.Value) -> Var:
        """The result in the type that the file has outside."""
        operand, kind = self.operand(value), held(value.dtype)
        self.builder.target, self.builder.float_type = Target(name_of(value)), np.float32
        if isinstance(operand, Constant):
            return self.builder.run("reshape", operand, np.array(shape(value), np.uint32))
        result = self.builder.cast(operand, kind)
        assert isinstance(result, Var)
        return result

    def _pair(self, node: ir.Node) -> Var:
        """quantize or dequantize, per tensor; scales that float16 holds with less than its precision stay float32.

        A product is clamped to what the integers stand for before it is quantised: the Neural Engine's fused
        multiplication does not saturate.
        """
        quant = qparams_of(node)
        if quant.axis is not None:
            raise UnsupportedAttribute(f"coreai: {where(node)} quantises an activation per channel; do it per tensor")
        scale = np.float32(quant.scale)
        self.builder.float_type = self.float_type if fits_half(np.asarray(scale)) else np.float32
        self.builder.target = Target(name_of(node.outputs[0]))
        x = self.operand(node.inputs[0])
        zero_point = np.dtype(quant.dtype).type(quant.zero_point)
        axes = np.arange(len(x.shape), dtype=np.int32)
        told = (self.builder.real(float(scale)), zero_point, self.builder.real(0), axes)
        if node.op_type == "DequantizeLinear":
            return self.builder.run("dequantize", x, *told)
        if isinstance(x, Var) and x.op == PRODUCT:
            low, high = (self.builder.real(bound) for bound in quant.range)
            x = self.builder.run("broadcasting_minimum", self.builder.run("broadcasting_maximum", x, low), high)
        return self.builder.run("quantize", x, *told)
