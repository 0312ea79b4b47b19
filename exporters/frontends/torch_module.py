"""Take a PyTorch module to an onnx_ir graph, with one pinned opset and without a word on the console."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir
from onnx_ir.passes import common

from ...artifacts.code_place import line_of_error, line_of_trace
from ...artifacts.errors import ExportError, foreign_code, lines_of
from ...graph.dialect import OPSET
from ...graph.edit import NAME_SCOPES, SOURCE_LINE, array
from ..passes.entry import distinct_outputs
from ..passes.forms import names

if TYPE_CHECKING:
    import torch


_STACK_TRACE = "pkg.torch.onnx.stack_trace"  # where torch.onnx keeps the Python frames of a node
_NO_FUNCTION = re.compile(r"No ONNX function found for <OpOverload\(op='([\w.]+)'")
_DEPENDS = (
    "what it does next depends on the numbers in a tensor (an `if`, a loop, an index or a size), and a file has no "
    "Python to decide that; compute both sides and choose with torch.where, or move that part behind the model"
)
# of an exception's type, or a part of its words -> what to say
_REASONS = {
    "GuardOnDataDependentSymNode": _DEPENDS,
    "DataDependentOutputException": _DEPENDS,
    "DynamicOutputShapeException": _DEPENDS,
    ".numpy() is not supported": "it leaves PyTorch for NumPy, which cannot be traced; compute it with torch",
    "SystemExit": "it ends the program; raise an error instead",
}


def from_torch(
    module: torch.nn.Module | torch.export.ExportedProgram,
    example_inputs: tuple[torch.Tensor, ...],
    *,
    input_names: Sequence[str] = ("image",),
    output_names: Sequence[str] = ("logits",),
    share_weights: bool = False,
) -> ir.Model:
    """Export `module` as it computes in eval mode, for inputs of exactly the shapes of `example_inputs`.

    Fake-quantise modules and operators become QuantizeLinear and DequantizeLinear. A program is taken as it was traced.

    Nodes keep their PyTorch module path (graph.module_path), values are named after it, and the graph holds copies of
    the weights; with `share_weights` it may hold the module's own memory, and changes with it. The module's training
    flags are as before when this returns.
    Raises ExportError where a weight is no finite number, or PyTorch cannot trace or translate the module.
    """
    import torch

    from . import attention_op, check_ops, fake_quant_ops, pool_ops, resize_ops, translation

    refuse_bad_tensors(module)
    with silence(), torch.no_grad():
        program = module if isinstance(module, torch.export.ExportedProgram) else traced(module, example_inputs)
        try:
            exported = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                verbose=False,
                optimize=False,  # a third of its time, for what canonicalize does
                external_data=False,
                custom_translation_table={
                    operator: translate
                    for table in (attention_op, check_ops, fake_quant_ops, pool_ops, resize_ops)
                    for operator, translate in table.translations().items()
                },
            )
        except Exception as e:  # the exporter wraps what its translation functions raise, in several types
            reason = _unknown_operator(e, program) or first_sentence(e)
            raise ExportError(f"torch.onnx cannot translate {type(module).__name__}: {reason}") from e
        assert exported is not None
        assert exported.exported_program is not None
        model = exported.model
        model.meta[translation.KEY] = translation.Translation.of(exported.exported_program, model.graph)
        common.CommonSubexpressionEliminationPass()(model)
        tidy(model, share_weights)
    distinct_outputs.rewrite(model)  # each is to have a name of its own
    rename(model.graph.inputs, input_names, "input")
    rename(model.graph.outputs, output_names, "output")
    names.rewrite(model)
    return model


def traced(module: torch.nn.Module, example_inputs: tuple[torch.Tensor, ...]) -> torch.export.ExportedProgram:
    """The module as torch.export sees it in eval mode. Raises ExportError."""
    import torch

    from .fake_quant_modules import frozen

    def failed(e: BaseException) -> ExportError:
        return ExportError(f"torch.export cannot trace {type(module).__name__}{_line(e)}: {_reason(e)}")

    with eval_mode(module), foreign_code(failed):
        refuse_parts(module)
        program = torch.export.export(frozen(module), tuple(example_inputs), strict=False)
    unify_numbers(program)
    fill_by_masks(program)
    return program


def unify_numbers(program: torch.export.ExportedProgram) -> None:
    """clamp(x, 0, 1.5) -> clamp(x, 0.0, 1.5): an operator's plain numbers are all float where one of them is.

    PyTorch computes the same; torch.onnx finds no operator that takes an integer beside a float.
    """
    for node in program.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        if node.op != "call_function" or schema is None:
            continue
        numbers = {each.name for each in schema.arguments if "Scalar" in str(each.type) or "number" in str(each.type)}
        named = [(each.name, value) for each, value in zip(schema.arguments, node.args, strict=False)]
        plain = [value for name, value in (*named, *node.kwargs.items()) if name in numbers]
        if not any(isinstance(value, float) for value in plain):
            continue
        node.args = tuple(float(v) if name in numbers and type(v) is int else v for name, v in named)
        node.kwargs = {k: float(v) if k in numbers and type(v) is int else v for k, v in node.kwargs.items()}


def fill_by_masks(program: torch.export.ExportedProgram) -> None:
    """x[mask] = number, x[torch.where(mask)] = number -> x.masked_fill_(mask, number): a mask selects as many places as
    the data decide, which nothing behind it needs to know. Leaves values of more than one number alone."""
    import torch

    aten, graph = torch.ops.aten, program.graph
    node: Any  # torch.fx types what a node is given too widely to read it
    filled = {
        aten.index_put_.default: aten.masked_fill_.Tensor,
        aten.index_put.default: aten.masked_fill.Tensor,
    }
    for node in [each for each in graph.nodes if each.target in filled]:
        x, indices, value, *accumulate = node.args
        axis, mask = _mask(indices)
        many = any(not isinstance(size, int) or size != 1 for size in value.meta["val"].shape)
        if mask is None or many or any(accumulate) or node.kwargs:
            continue
        behind = x.meta["val"].ndim - axis - mask.meta["val"].ndim
        with graph.inserting_before(node):
            wide = graph.call_function(aten.reshape.default, (mask, [*mask.meta["val"].shape, *[1] * behind]))
            scalar = graph.call_function(aten.reshape.default, (value, []))
        for made, source in ((wide, mask), (scalar, value)):
            made.meta = {**node.meta, "val": source.meta["val"].reshape(made.args[1])}
        node.target, node.args = filled[node.target], (x, wide, scalar)


def _mask(indices: Sequence[Any]) -> tuple[int, Any]:
    """(the axis at which the only mask among indices begins, that mask), or None in its place."""
    import torch

    axes = [axis for axis, index in enumerate(indices) if index is not None]
    first, *_ = given = [index for index in indices if index is not None]
    if len(given) == 1 and first.meta["val"].dtype == torch.bool:
        return axes[0], first
    places, wheres = first.args[0] if first.args else None, (torch.ops.aten.where.default,)
    wheres += (torch.ops.aten.nonzero_numpy.default,)
    if not isinstance(places, torch.fx.Node) or places.target not in wheres:
        return 0, None
    mask: Any = places.args[0]
    in_order = [index.args for index in given] == [(places, i) for i in range(mask.meta["val"].ndim)]
    together = axes == list(range(axes[0], axes[0] + len(axes)))
    return axes[0], mask if in_order and together and mask.meta["val"].dtype == torch.bool else None


def _line(error: BaseException) -> str:
    found = line_of_error(error)
    return f" at {Path(found[0]).name}:{found[1]}" if found else ""


def _reason(error: BaseException) -> str:
    """What the user can do about it, where PyTorch's own words would not say; else those."""
    names = {type(each).__name__ for each in _causes(error)}
    for known, sentence in _REASONS.items():
        if known in names or any(known in str(each) for each in _causes(error)):
            return sentence
    return first_sentence(error)


def _unknown_operator(error: BaseException, program: torch.export.ExportedProgram) -> str | None:
    """The operator that has no ONNX form, where the user's code calls it, and what would work."""
    found = next(filter(None, (_NO_FUNCTION.search(str(each)) for each in _causes(error))), None)
    if found is None:
        return None
    name = found[1].partition(".")[2].lstrip("_")
    traces = (node.meta.get("stack_trace") for node in program.graph.nodes if name in str(node.target).split("."))
    traces = (trace or "" for trace in traces)
    line = next(filter(None, map(line_of_trace, traces)), None)
    place = f" (at {Path(line[0]).name}:{line[1]})" if line else ""
    return f"{found[1]}{place} has no ONNX form; write it with other operators, or leave it to the application"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def refuse_bad_tensors(module: torch.nn.Module | torch.export.ExportedProgram) -> None:
    """Raise ExportError for the first parameter or buffer with a NaN or an infinity, or of a float type but float32."""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if not tensor.is_floating_point():
            continue
        if str(tensor.dtype) != "torch.float32":
            raise ExportError(f"{name!r} is of type {str(tensor.dtype).removeprefix('torch.')}; export in float32.")
        finite = tensor.isfinite()
        if not finite.all():
            kind = "NaN" if tensor.isnan().any() else "infinity"
            raise ExportError(
                f"{name!r} holds {kind} in {(~finite).sum().item()} of {tensor.numel()} places; load finite weights."
            )


def refuse_parts(module: torch.nn.Module) -> None:
    """Raise ExportError for the first part of a module in eval mode that torch.export, or ONNX, takes for another."""
    import torch

    norms = torch.nn.modules.batchnorm._BatchNorm
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            raise ExportError(f"{name!r} is TorchScript, which torch.export cannot read; give the nn.Module itself.")
        if part.training and isinstance(part, norms | torch.nn.modules.dropout._DropoutNd):
            raise ExportError(
                f"{name!r} ({type(part).__name__}) stays in training mode after eval(), so what it computes is of one "
                "batch alone; let its train() take the mode."
            )
        if getattr(part, "proj_size", 0) and isinstance(part, torch.nn.LSTM):
            raise ExportError(
                f"{name!r} is an LSTM with proj_size={part.proj_size}, which ONNX's has not; write its steps with "
                "LSTMCell and Linear."
            )


@contextlib.contextmanager
def eval_mode(module: torch.nn.Module) -> Iterator[None]:
    flags = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, flag in flags:
            part.training = flag


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep prints, warnings and log lines of the exporter to itself; errors still come through."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def first_sentence(error: BaseException) -> str:
    """What the innermost cause says, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {next(iter(lines_of(error)), 'no message')}"


def tidy(model: ir.Model, share_weights: bool) -> None:
    """Drop metadata but the name scopes, and copy the weights unless they are shared."""
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    for value in model.graph.initializers.values():
        value.const_value = ir.Tensor(array(value) if share_weights else array(value).copy(), name=value.name)
        value.shape, value.dtype = ir.Shape(value.const_value.shape), value.const_value.dtype
        value.metadata_props.clear()
    previous = None
    for node in model.graph:
        scopes = previous = node.metadata_props.get(NAME_SCOPES, previous)  # rewrites of the exporter may lose them
        line = line_of_trace(node.metadata_props.get(_STACK_TRACE, ""))
        node.metadata_props.clear()
        if line is not None:
            node.metadata_props[SOURCE_LINE] = f"{Path(line[0]).name}:{line[1]}"
        node.doc_string = None
        if scopes is not None:
            node.metadata_props[NAME_SCOPES] = scopes
        for out in node.outputs:
            out.metadata_props.clear()
            if out.dtype is None:
                out.type = None  # onnx_ir writes no tensor of an unknown type


def rename(values: Sequence[ir.Value], wanted: Sequence[str], kind: str) -> None:
    if len(values) != len(wanted):
        raise ExportError(
            f"the module has {len(values)} {kind}s, but {len(wanted)} {kind} names were given ({', '.join(wanted)})."
        )
    for value, name in zip(values, wanted, strict=True):
        value.name = name
