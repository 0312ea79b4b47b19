"""Walk a canonical graph, float or with Q/DQ, and return the bytes of a .tflite file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from ...artifacts.errors import ExportError, UnsupportedOp
from ...artifacts.sizes import Sizes
from ...graph.dialect import check
from ...graph.dtypes import held
from ...graph.edit import given, name_of, shape, where
from ...graph.fixed_selection import SUPPRESSION
from ...graph.kernels import KernelSet
from ...graph.open_sizes import at_size, is_open
from ...graph.qdq import Constant, constant_operand, qparams_of, read_qparams
from ...graph.qparams import QParams
from ..operands import Operands
from ..passes.expansions import expand
from ..passes.expansions.suppression import is_of_one
from . import conv, elementwise, index, linear, logic, movement, pool, reduce, resize  # noqa: F401  (each fills the table)
from . import metadata as metadata_file
from .builder import Builder, Operand, Target, Value
from .lowering_table import table
from .open_sizes import Lowered, open_sizes
from .units import Unit, unit_of
from .view import View
from .writer import serialize, used

OURS = "edgeport"  # our facts, as JSON
EXPANDED = frozenset({"GridSample", "LSTM", "GRU"})  # its LSTM keeps the last image's state for the next
_PAIR = ("QuantizeLinear", "DequantizeLinear")
INT8_PIXELS = QParams((1.0,), -128)
PIXELS = INT8_PIXELS.unsigned()  # the bytes differ in one bit


def convert(
    model: ir.Model,
    *,
    kernels: KernelSet,
    input_layout: str = "nhwc",
    pixels: bool = False,
    half_weights: bool = False,
    int8_weights: str = "widened",
    plain: bool = False,
    output_type: str | None = None,
    sizes: Sizes | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> bytes:
    """A canonical model as a .tflite file.

    `kernels`: the device's int8 ones; where they are all that it has, inputs and outputs are int8, too. `input_layout`:
    "nhwc" (images lie in memory as cameras give them) or "nchw" (the model's own), for inputs of rank 4. `pixels`: the
    input, which the graph takes as pixels from 0 to 255, is uint8. `half_weights`: store float weights as float16
    (inputs, outputs and arithmetic stay float32). `int8_weights`: what becomes of those of layers that compute in
    float, and `plain`: operators for the GPU's delegate, as Builder has them. `output_type`: of outputs that are real
    numbers, "float32", "int8", "uint8" or "int16"; None for the device's own. `sizes`: the file takes images of all of
    these when its input is resized, as far as the graph's constants are marked with how they follow from the size.
    `metadata`: facts written into the file beside the inputs and outputs. Signature: "serving_default", with the
    graph's own names.
    Raises ExportError (UnsupportedOp, UnsupportedAttribute, DynamicShape, ArtifactTooLarge).
    """
    check(model, quantized=True)
    model = _expanded(model, kernels)
    wanted = output_type or ("float32" if kernels.has_float else "int8")

    def lower(model: ir.Model) -> tuple[_Lowering, dict[str, int]]:
        options = {"half_weights": half_weights, "int8_weights": int8_weights, "plain": plain or sizes is not None}
        lowering = _lower(model, input_layout, Builder(kernels, **options), pixels)
        return lowering, {name_of(v): lowering.output(v, wanted) for v in model.graph.outputs}

    lowering, outputs = lower(model)
    builder, operators = lowering.builder, lowering.builder.operators
    if sizes is not None:
        others = [_lowered(*lower(at_size(model, size))) for size in sizes.corners]
        operators = open_sizes(_lowered(lowering, outputs), others)
    layouts = {name_of(v): input_layout if len(shape(v)) == 4 else None for v in model.graph.inputs}
    facts = {
        **(metadata or {}),
        "inputs": [
            {"name": name_of(v), "shape": list(shape(v)), "layout": layouts[name_of(v)]} for v in model.graph.inputs
        ],
        "outputs": [{"name": name_of(v), "shape": list(shape(v))} for v in model.graph.outputs],
    }
    if not kernels.has_float:
        check_integers(builder, list(outputs.values()))
    check_operators(builder, list(outputs.values()))
    entries = {
        OURS: json.dumps(facts, sort_keys=True, separators=(",", ":")).encode(),
        metadata_file.NAME: metadata_file.of_model(model, facts, input_layout, pixels),
    }
    content = serialize(builder.tensors, operators, lowering.inputs, outputs, entries)
    return metadata_file.with_labels(content, facts["labels"]) if facts.get("labels") else content


def _lowered(lowering: _Lowering, outputs: Mapping[str, int]) -> Lowered:
    """What was lowered, as far as the outputs depend on it."""
    builder, ends = lowering.builder, list(outputs.values())
    return Lowered(builder, used(builder.tensors, builder.operators, ends), list(lowering.inputs.values()), ends)


def check_integers(builder: Builder, outputs: list[int]) -> None:
    """Raises UnsupportedOp for an operator that reads or makes float numbers, but for the outputs."""
    for operator in used(builder.tensors, builder.operators, outputs):
        for place in (*operator.inputs, *operator.outputs):
            tensor = builder.tensors[place]
            if place >= 0 and place not in outputs and tensor.dtype in (np.float32, np.float16):
                raise UnsupportedOp(
                    f"tflite: {operator.op} works on float tensor '{tensor.name}'; {builder.kernels.name} has none"
                )


def check_operators(builder: Builder, outputs: list[int]) -> None:
    """Raises UnsupportedOp for an operator that the device's runtime does not have."""
    known = builder.kernels.operators
    for operator in used(builder.tensors, builder.operators, outputs):
        if known is not None and operator.op not in known:
            name = builder.tensors[operator.outputs[0]].name
            raise UnsupportedOp(f"tflite: '{name}' needs {operator.op}, which {builder.kernels.name} does not have")


def layouts(model: ir.Model, *, kernels: KernelSet, input_layout: str = "nhwc", plain: bool = False) -> dict[str, View]:
    """{value: how it lies in its tensor} in the file that `convert` makes of the same model, but for graph outputs,
    which are row-major. Raises ExportError."""
    builder = Builder(kernels, plain=plain or is_open(model))
    operands = _lower(_expanded(model, kernels), input_layout, builder).operands
    return {name_of(value): operand.view for value, operand in operands.items() if isinstance(operand, Value)}


def _expanded(model: ir.Model, kernels: KernelSet) -> ir.Model:
    """The model without what TFLite has no kernel for. Raises UnsupportedOp where the device has no float for it."""
    for node in filter(_is_expanded, model.graph):
        if not kernels.has_float:
            known = ", ".join(sorted(kernels.kernels))
            raise UnsupportedOp(f"tflite: {where(node)} has no int8 form; those of {kernels.name}: {known}")
    return expand(model, {*EXPANDED, SUPPRESSION}, _is_expanded)


def _is_expanded(node: ir.Node) -> bool:
    """Whether no kernel computes it: a selection is of one image and one class."""
    return node.op_type in EXPANDED or (node.op_type == SUPPRESSION and not is_of_one(node))


def _lower(model: ir.Model, input_layout: str, builder: Builder, pixels: bool = False) -> _Lowering:
    """The walk over all nodes."""
    if input_layout not in ("nhwc", "nchw"):
        raise ValueError(f"input_layout is 'nhwc' or 'nchw', not {input_layout!r}")
    lowering = _Lowering(builder)
    for value in model.graph.inputs:
        lowering.input(value, input_layout, pixels)
    for node in model.graph:
        lowering.node(node)
    return lowering


class _Lowering:
    """The state of one walk: what each ONNX value is in the builder's terms."""

    def __init__(self, builder: Builder) -> None:
        self.builder, self.kernels = builder, builder.kernels
        self.operands: Operands[Value] = Operands("tflite")
        self.inputs: dict[str, int] = {}
        self.done: set[ir.Node] = set()
        self.outputs: set[int] = set()

    def input(self, value: ir.Value, layout: str, pixels: bool) -> None:
        logical = shape(value)
        perm = (0, 2, 3, 1) if layout == "nhwc" and len(logical) == 4 else tuple(range(len(logical)))
        quant = None if self.kernels.has_float else read_qparams(value)
        dtype = held(value.dtype) if quant is None else np.dtype(quant.dtype).type
        if pixels:
            dtype, quant = np.uint8, PIXELS
        tensor = self.builder.add([logical[p] for p in perm], dtype, name_of(value), quant)
        self.inputs[name_of(value)] = tensor
        if pixels:  # int8 or float from here on, as it is read
            quantized = any(use.node.op_type == "QuantizeLinear" for use in value.uses())
            self.builder.target = Target(f"{name_of(value)}_read", INT8_PIXELS if quantized else None)
            tensor = self.builder.run("QUANTIZE" if quantized else "DEQUANTIZE", [tensor], self.builder.shape(tensor))
        self.operands[value] = Value(tensor, View.of(logical, perm))

    def node(self, node: ir.Node) -> None:
        if node in self.done:
            return
        if constant_operand(node.outputs[0]) is not None or self._dequantizes_later(node):
            return  # read as a constant, with its quantisation, by whoever uses it
        if node.op_type in _PAIR:
            self.operands[node.outputs[0]] = self._pair(node)
            return
        unit = unit_of(node, self.kernels)
        bias = constant_operand(unit.fused.bias)
        self.builder.target = Target(name_of(unit.output), unit.quant, unit.activation, bias, self._hint(unit))
        results = table(self.builder, node, self.operands.inputs(node))
        self.done.update(unit.fused.nodes)
        kept = self.operands.keep(node, unit.output, results)
        if not self.kernels.has_float and any(map(self._is_float, kept)):
            known = ", ".join(sorted(self.kernels.kernels))
            raise UnsupportedOp(f"tflite: {where(node)} has no int8 form; those of {self.kernels.name}: {known}")

    def _is_float(self, operand: Operand) -> bool:
        return isinstance(operand, Value) and self.builder.tensors[operand.tensor].dtype == np.float32

    def output(self, value: ir.Value, wanted: str) -> int:
        """The tensor of a graph output: row-major, of the wanted type if it is a real number, under the output's name.

        Raises UnsupportedOp where it is wanted quantised, and computed in float.
        """
        self.builder.target = Target(name_of(value))
        found = self.builder.value(self.operands[value])
        row_major = self.builder.contiguous if wanted == "float32" else self.builder.stored_contiguous
        tensor = row_major(found).tensor
        quant = self.builder.quant(tensor)
        if wanted != "float32" and value.dtype == ir.DataType.FLOAT and quant is None:
            raise UnsupportedOp(
                f"tflite: output '{value.name}' is computed in float by {self.kernels.name}; it can be float32 alone"
            )
        if quant is not None and {wanted, quant.dtype} in ({"int8", "int16"}, {"uint8", "int16"}):
            raise UnsupportedOp(f"tflite: output '{value.name}' is computed in {quant.dtype}; it cannot be {wanted}")
        if wanted == "uint8" and quant is not None:
            tensor = self.builder.emit("QUANTIZE", [tensor], shape(value), quant=quant.unsigned())
        constant = self.builder.tensors[tensor].data is not None
        if constant or tensor in self.inputs.values() or tensor in self.outputs:  # an output is computed, and one only
            target = [self.builder.const(np.array(shape(value), np.int32))] if shape(value) else []
            quant = self.builder.quant(tensor)
            tensor = self.builder.emit("RESHAPE", [tensor, *target], shape(value), quant=quant, newShape=shape(value))
        self.builder.rename(tensor, name_of(value))
        self.outputs.add(tensor)
        return tensor

    def _dequantizes_later(self, node: ir.Node) -> bool:
        """QuantizeLinear of a constant: its DequantizeLinear is the constant."""
        return node.op_type == "QuantizeLinear" and constant_operand(node.inputs[0]) is not None

    def _pair(self, node: ir.Node) -> Operand:
        """QuantizeLinear stores; DequantizeLinear converts nothing by itself: a float reader asks for float."""
        x = self.operands[node.inputs[0]]
        if node.op_type == "DequantizeLinear":
            return x
        if isinstance(x, Constant):
            raise ExportError(f"tflite: {where(node)} quantises a computed constant")
        return self.builder.quantized(x, qparams_of(node), name_of(node.outputs[0]))

    def _hint(self, unit: Unit) -> View | None:
        """The view of the residual that the result is added to, if it is: a linear then takes its outer order."""
        value = unit.output
        for _ in range(4):  # Q, DQ, and a view at most
            uses = tuple(value.uses())
            if len(uses) != 1:
                return None
            node = uses[0].node
            if node.op_type in _PAIR:
                value = node.outputs[0]
            elif node.op_type == "Add":
                other = node.inputs[1] if node.inputs[0] is value else node.inputs[0]
                found = self.operands.get(given(other))
                return found.view if isinstance(found, Value) else None
            else:
                return None
        return None
