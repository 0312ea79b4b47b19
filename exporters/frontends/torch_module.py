"""Take a PyTorch module to an onnx_ir graph, with one pinned opset and without a word on the console."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import onnx_ir as ir
from onnx_ir.passes import common

from ...artifacts.errors import ExportError, foreign_code, lines_of
from ...graph.dialect import OPSET
from ...graph.edit import NAME_SCOPES, array
from ..passes.entry import distinct_outputs
from ..passes.forms import names

if TYPE_CHECKING:
    import torch


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

    from . import attention_op, fake_quant_ops, pool_ops, resize_ops, translation

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
                    for table in (attention_op, fake_quant_ops, pool_ops, resize_ops)
                    for operator, translate in table.translations().items()
                },
            )
        except Exception as e:  # the exporter wraps what its translation functions raise, in several types
            raise ExportError(f"torch.onnx cannot translate {type(module).__name__}: {first_sentence(e)}") from e
        assert exported is not None  # only where a file is written instead
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
        return ExportError(f"torch.export cannot trace {type(module).__name__}: {first_sentence(e)}")

    with eval_mode(module), foreign_code(failed):
        return torch.export.export(frozen(module), tuple(example_inputs), strict=False)


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
        node.metadata_props.clear()
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
