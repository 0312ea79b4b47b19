"""Walk a canonical graph, float or with Q/DQ, and write an .mlpackage folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from ...artifacts.errors import UnsupportedAttribute, UnsupportedOp
from ...artifacts.sizes import Size, Sizes
from ...graph.classifier import gives_probabilities
from ...graph.dialect import check
from ...graph.dtypes import held
from ...graph.edit import EXACT, attribute, producer, shape, sole_consumer, where
from ...graph.fusion import fuse
from ...graph.open_sizes import at_size
from ...graph.qdq import Constant, constant_operand, qparams_of
from ..operands import Operands
from ..passes.expansions import expand
from ..passes.expansions.suppression import is_of_one
from . import conv, elementwise, index, linear, logic, movement, pool, recurrence, reduce, resize  # noqa: F401  (each fills the table)
from .builder import Builder, Target, Var
from .lowering_table import table
from .open_sizes import open_sizes
from .package import finish, weights_digest
from .toolkit import coremltools, quiet

PRECISIONS = {"fp32": "FLOAT32", "fp16": "FLOAT16"}
TARGETS = ("iOS16", "iOS17", "iOS18")
MAX_RANK = 5  # Core ML's tensors
# resample has no cubic mode; gru adds a bias that PyTorch resets; classes are selected among by themselves
EXPANDED = frozenset({"GridSample", "GRU", "NonMaxSuppression"})
LABEL, PROBABILITIES = "classLabel", "probabilities"

# The graph comes canonical, with its quantisation decided, so most of coremltools' default passes have nothing to find
# and some would change the planned scales and zero points. These remain.
PASSES = (
    "common::dead_code_elimination",
    "common::const_elimination",
    "common::sanitize_input_output_names",
    "common::expand_high_rank_reshape_and_transpose",  # rank 6 and more between two Reshapes
    "common::fuse_transpose_matmul",
    "common::dedup_op_and_var_names",
    "common::add_fp16_cast",  # coremltools.convert leaves it out for fp32
    "common::cast_optimization",
    "common::const_elimination",
    "common::const_deduplication",
    "common::noop_elimination",
    "common::dedup_op_and_var_names",
    "common::topological_reorder",
    "common::dead_code_elimination",
)


def convert(
    model: ir.Model,
    directory: Path,
    *,
    precision: str = "fp32",
    minimum_target: str = "iOS17",
    image_input: bool = False,
    bgr: bool = False,
    labels: Sequence[str] | None = None,
    float32: Collection[str] = (),
    sizes: Sizes | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write a canonical model as an ML program into the new folder `directory`, whose name ends in .mlpackage.

    `precision`: what everything outside int8 is stored and computed in; inputs and outputs are float32 either way.
    `image_input`: the one input, which the graph takes as pixels from 0 to 255, is an image in colour, or a grey one;
    `bgr`: Core ML gives its colours to the graph as BGR. `labels`: one per class of the first output; the model becomes
    a classifier, with the label and the probability of each as further outputs. `float32`: operators, by the values
    that they give, that are computed in float32 whatever the precision. `sizes`: the one input takes images of all of
    these, as far as the graph's constants are marked with how they follow from the size. `metadata`: facts that JSON
    can hold, stored with the inputs and outputs in the user-defined metadata under "com.edgeport". The same arguments
    give the same bytes.

    Raises ExportError (UnsupportedOp, UnsupportedAttribute, DynamicShape), ValueError for arguments that do not fit the
    model, ImportError without coremltools.
    """
    if precision not in PRECISIONS or minimum_target not in TARGETS:
        raise ValueError(f"precision is one of {', '.join(PRECISIONS)}, minimum_target one of {', '.join(TARGETS)}")
    if directory.suffix != ".mlpackage" or directory.exists():
        raise ValueError(f"{directory}: not the name of a new .mlpackage folder")
    check(model, quantized=True)
    model = expand(model, EXPANDED, _is_expanded)
    _check_system(model, minimum_target)
    if image_input:
        _check_image(model)
    if labels is not None:
        _check_labels(model, labels)
    ct = coremltools()

    def write(model: ir.Model, folder: Path) -> Any:
        program, kept = _program(
            *(model, ct.target[minimum_target], minimum_target == "iOS18", labels is not None, frozenset(float32)),
            open_sizes=sizes is not None,
        )
        written = ct.convert(
            program,
            source="milinternal",
            convert_to="mlprogram",
            inputs=[_feature(ct, value, image_input, bgr) for value in model.graph.inputs],
            classifier_config=None
            if labels is None
            else ct.ClassifierConfig(
                list(labels), LABEL, predicted_probabilities_output=_probabilities_name(model.graph.outputs[0])
            ),
            compute_precision=_compute_precision(ct, precision, kept),
            minimum_deployment_target=ct.target[minimum_target],
            pass_pipeline=ct.PassPipeline(list(PASSES), "edgeport"),
            skip_model_load=True,
            package_dir=str(folder),
        )
        return written.get_spec()

    with quiet():
        spec = write(model, directory)
        if sizes is not None:
            open_sizes(spec, [_at(model, size, directory, write) for size in sizes.corners], sizes)
    finish(directory, spec, {**(metadata or {}), **_features(model, spec, image_input)})


def _at(model: ir.Model, size: Size, directory: Path, write: Callable[[ir.Model, Path], Any]) -> Any:
    """The Model message at another size. Raises UnsupportedOp where its weights are not those in `directory`."""
    with tempfile.TemporaryDirectory(prefix="edgeport-") as folder:
        other = Path(folder) / directory.name
        spec = write(at_size(model, size), other)
        if weights_digest(other) != weights_digest(directory):
            raise UnsupportedOp(f"coreml: --dynamic size: weights at {size[0]}x{size[1]} are others; leave it out")
    return spec


def _check_system(model: ir.Model, minimum_target: str) -> None:
    """Raises UnsupportedOp for what the oldest system has not."""
    if minimum_target != "iOS16":
        return
    suppression = next((node for node in model.graph if node.op_type == "NonMaxSuppression"), None)
    if suppression is not None:
        raise UnsupportedOp(f"coreml: {where(suppression)} is written as iOS 17 has it; choose iOS17 or iOS18")
    quantized = next((node for node in model.graph if node.op_type == "QuantizeLinear"), None)
    if quantized is not None:
        raise UnsupportedOp(f"coreml: {where(quantized)}: int8 needs iOS 17; choose iOS17 or iOS18")


def _is_expanded(node: ir.Node) -> bool:
    if node.op_type == "GridSample":
        return attribute(node, "mode") == "cubic"
    return node.op_type != "NonMaxSuppression" or not is_of_one(node)


def _feature(ct: Any, value: ir.Value, image: bool, bgr: bool) -> Any:
    """How coremltools is to declare an input."""
    if not image:
        return ct.TensorType(name=value.name, shape=shape(value) or (1,), dtype=_outside(value))
    colours = ct.colorlayout.BGR if bgr else ct.colorlayout.RGB
    layout = colours if shape(value)[1] == 3 else ct.colorlayout.GRAYSCALE
    return ct.ImageType(name=value.name, shape=shape(value), color_layout=layout, channel_first=True)


def _outside(value: ir.Value) -> type:
    """The type of an input or output in the file: Core ML's arrays hold no truth values."""
    return np.float32 if held(value.dtype) is np.float32 else np.int32


def _features(model: ir.Model, spec: Any, image: bool) -> dict[str, Any]:
    """Inputs and outputs by the names that they have in the file (Core ML allows identifiers only), NCHW shapes."""
    inputs = []
    for value, feature in zip(model.graph.inputs, spec.description.input, strict=True):
        facts = {
            "name": feature.name,
            "shape": list(shape(value)),
            "layout": "image" if image else "nchw" if len(shape(value)) == 4 else None,
        }
        inputs.append(facts)
    names = [feature.name for feature in spec.description.output if feature.type.HasField("multiArrayType")]
    outputs = [
        {"name": name, "shape": list(shape(value))} for name, value in zip(names, model.graph.outputs, strict=True)
    ]
    return {"inputs": inputs, "outputs": outputs}


def _check_image(model: ir.Model) -> None:
    shapes = [shape(value) for value in model.graph.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][0] != 1 or shapes[0][1] not in (1, 3):
        raise ValueError(f"an image input is one of shape (1, 3, h, w) or (1, 1, h, w); the model has {shapes}")


def _check_labels(model: ir.Model, labels: Sequence[str]) -> None:
    shapes = [shape(value) for value in model.graph.outputs]
    if not shapes or len(shapes[0]) != 2 or shapes[0][0] != 1:
        raise ValueError(f"labels are for a first output of shape (1, classes); the model has {shapes}")
    if len(labels) != shapes[0][1]:
        raise ValueError(f"there are {len(labels)} labels for {shapes[0][1]} classes")
    first: dict[str, int] = {}
    for number, label in enumerate(labels):
        if first.setdefault(label, number) != number:
            raise ValueError(
                f"label {label!r} stands for the classes {first[label]} and {number}; Core ML needs distinct ones"
            )


def _compute_precision(ct: Any, precision: str, float32: Collection[str]) -> Any:
    """What coremltools computes in: for float16 in all operations but those of these names."""
    if precision == "fp32" or not float32:
        return ct.precision[PRECISIONS[precision]]
    return ct.transform.FP16ComputePrecision(op_selector=lambda operation: operation.name not in float32)


def _program(
    model: ir.Model, target: Any, blockwise: bool, classifies: bool, float32: Collection[str], *, open_sizes: bool
) -> tuple[Any, set[str]]:
    """The MIL program of the graph, before any pass; and the operations that compute the values in `float32`."""
    from coremltools.converters.mil.mil import Builder as mil_builder
    from coremltools.converters.mil.mil import Function, Program, types

    MIL: Any = mil_builder  # its operations are methods that it gets when it is imported
    MIL.name_count.clear()  # names count up from whatever was built before, finished or not
    placeholders = {
        v.name: MIL.placeholder(
            shape=shape(v) or (1,), dtype=types.numpy_type_to_builtin_type(_outside(v)), name=v.name
        )
        for v in model.graph.inputs
    }
    lowering = _Lowering(Builder(MIL, blockwise_weights=blockwise, open_sizes=open_sizes), float32)
    with Function(placeholders, opset_version=target) as function:
        for value in model.graph.inputs:
            lowering.input(value, function.inputs[value.name])
        for node in model.graph:
            lowering.node(node)
        outputs = [lowering.output(value) for value in model.graph.outputs]
        if classifies:
            outputs.append(_probabilities(MIL, model.graph.outputs[0], outputs[0]))
        function.set_outputs(outputs)
    program = Program()
    program.add_function("main", function)
    return program, lowering.builder.float32


def _probabilities(MIL: Any, value: ir.Value, scores: Var) -> Var:
    """What becomes the probability of each label: the softmax of the scores, or they where they are that already."""
    if gives_probabilities(value):
        return MIL.identity(x=scores, name=_probabilities_name(value))
    return MIL.softmax(x=scores, axis=-1, name=_probabilities_name(value))


def _probabilities_name(scores: ir.Value) -> str:
    return f"{PROBABILITIES}_of_labels" if scores.name == PROBABILITIES else PROBABILITIES


class _Lowering:
    """The state of one walk: what each ONNX value is in the builder's terms."""

    def __init__(self, builder: Builder, float32: Collection[str]) -> None:
        self.builder, self.float32 = builder, float32
        self.operands: Operands[Var] = Operands("coreml")
        self.done: set[ir.Node] = set()
        self.outputs: list[Var] = []

    def input(self, value: ir.Value, var: Var) -> None:
        self.builder.target = Target(f"{value.name}_inside")
        if not shape(value):  # nor are there arrays without axes
            var = self.builder.run("squeeze", x=var)
        if value.dtype == ir.DataType.BOOL:
            var = self.builder.run("cast", x=var, dtype="bool")
        self.operands[value] = var

    def node(self, node: ir.Node) -> None:
        if node in self.done or constant_operand(node.outputs[0]) is not None:
            return
        if node.op_type == "QuantizeLinear" and constant_operand(node.inputs[0]) is not None:
            return  # its DequantizeLinear is the constant
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            self.operands[node.outputs[0]] = self._pair(node)
            return
        _check_rank(node)
        fused = fuse(node)
        float32 = EXACT in node.metadata_props
        float32 |= any(output.name in self.float32 for each in fused.nodes for output in each.outputs)
        self.builder.target = Target(fused.output.name or "", constant_operand(fused.bias), float32)
        results = table(self.builder, node, self.operands.inputs(node))
        self.done.update(fused.nodes)
        self.operands.keep(node, fused.output, results)

    def output(self, value: ir.Value) -> Var:
        """The result under the output's name; of an input a copy, under another: Core ML has no name for both."""
        operand, name = self.operands[value], value.name
        if value.is_graph_input():
            name = f"{name}_out"
        self.builder.target = Target(f"{name}_result")
        if value.dtype == ir.DataType.BOOL:
            operand = self.builder.run("cast", x=operand, dtype="int32")
        if not shape(value):
            operand = self.builder.run("reshape", x=operand, shape=[1])
        if value.is_graph_input() or isinstance(operand, Constant) or operand in self.outputs:
            operand = self.builder.run("identity", x=operand)
        self.outputs.append(operand)
        operand.set_name(name)
        return operand

    def _pair(self, node: ir.Node) -> Var:
        """quantize or dequantize, per tensor; a zero point of 0 is MIL's default."""
        quant = qparams_of(node)
        if quant.axis is not None:
            raise UnsupportedAttribute(f"coreml: {where(node)} quantises an activation per channel; do it per tensor")
        name = node.outputs[0].name or ""
        self.builder.target = Target(name, float32=name in self.float32)
        parameters: dict[str, Any] = {
            "input": self.operands[node.inputs[0]],
            "scale": np.float32(quant.scale),
            "zero_point": np.int8(quant.zero_point) if quant.zero_point else None,
        }
        if node.op_type == "DequantizeLinear":
            return self.builder.run("dequantize", **parameters)
        return self.builder.run("quantize", **parameters, output_dtype="int8")


def _check_rank(node: ir.Node) -> None:
    """Only between two Reshapes of lower rank can a Transpose have a rank that Core ML's tensors do not have."""
    before, after = node, node
    if node.op_type == "Transpose":
        before, after = producer(node.inputs[0], "Reshape"), sole_consumer(node.outputs[0], "Reshape")
    elif node.op_type == "Reshape" and len(shape(node.outputs[0])) > MAX_RANK:
        after = sole_consumer(node.outputs[0], "Transpose")
    values = [value for value in (*node.inputs, *node.outputs) if value is not None]
    rank = max(len(shape(value)) for value in values)
    if rank > MAX_RANK and (before is None or after is None or node.op_type not in ("Reshape", "Transpose")):
        raise UnsupportedAttribute(
            f"coreml: {where(node)} has {rank} axes; Core ML's tensors have at most {MAX_RANK}, merge some of them"
        )
