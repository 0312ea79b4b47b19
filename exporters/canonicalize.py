"""This file brings a graph into the dialect: a fixed order of passes, then the check."""

from __future__ import annotations

from types import ModuleType

import onnx_ir as ir
from onnx_ir.passes import common

from ..graph.dialect import OPS, check
from ..graph.edit import array, remove_dead
from .passes.entry import float32, function_bodies, old_resize, opset, sequences, static_shapes
from .passes.folds import (
    affine_into_layer,
    attention_scale,
    few_axes,
    hard_sigmoid_to_clip,
    layer_norm_affine,
    layer_norm_scale,
    merge_views,
    short_transposes,
    split_linear,
)
from .passes.forms import (
    activations,
    batch_norm,
    clip,
    column_to_image,
    constant_folding,
    constant_operands,
    conv_bias,
    conv_transpose,
    depth_to_space,
    einsum,
    elementary,
    expand,
    explicit_attributes,
    explicit_pads,
    explicit_reshape,
    explicit_slice,
    flat_indices,
    gather_to_slice,
    gemm_to_linear,
    index_forms,
    integer_ends,
    matmul_forms,
    names,
    narrow_types,
    no_ops,
    normalizations,
    number_forms,
    one_spatial_axis,
    operand_order,
    pad,
    pad_into_window,
    pad_modes,
    pools,
    quantized_constants,
    reductions,
    resize,
    split_to_slices,
    three_spatial_axes,
    variadic,
)
from .passes.idioms import fuse_hard_swish, gelu, hard_sigmoid, layer_norm, mish, softplus

FORMS = (  # each op in its one form
    constant_folding,
    quantized_constants,
    integer_ends,
    narrow_types,
    no_ops,
    number_forms,
    variadic,
    elementary,
    index_forms,
    flat_indices,
    einsum,
    expand,
    split_to_slices,
    gather_to_slice,
    explicit_slice,
    pad_modes,
    pad,
    depth_to_space,
    resize,
    column_to_image,
    one_spatial_axis,
    three_spatial_axes,
    explicit_pads,
    pad_into_window,
    conv_transpose,
    pools,
    normalizations,
    activations,
    reductions,
    batch_norm,
    gemm_to_linear,
    matmul_forms,
    constant_operands,
    operand_order,
    clip,
    conv_bias,
    explicit_reshape,
)
IDIOMS = (fuse_hard_swish, hard_sigmoid, gelu, softplus, mish, layer_norm)  # each idiom as its one op
FOLDS = (  # what the weights can take in
    merge_views,
    layer_norm_scale,
    affine_into_layer,
    split_linear,
    attention_scale,
    layer_norm_affine,
    hard_sigmoid_to_clip,
    no_ops,
)
FEW_AXES = (explicit_attributes, few_axes, constant_folding, merge_views, no_ops)
SHORT = (short_transposes, few_axes)
FINISH = (explicit_attributes, names)


def canonicalize(model: ir.Model) -> ir.Model:
    """The same function in the canonical dialect, with the folds on the float graph done; the argument stays as it is.

    A symbolic first dimension of an input becomes 1, another opset becomes the dialect's, half and double precision
    become float32. Quantisation that the graph brings along stays as it is; that of weights alone is undone.
    Raises UnsupportedOp, NotCanonical or DynamicShape where it cannot be done.
    """
    model = own_copy(model)
    version = model.graph.opset_imports.get("")
    float32.rewrite(model.graph)
    model = opset.convert(model)
    if version is not None and version < old_resize.FIRST:
        old_resize.rewrite(model.graph)
    sequences.rewrite(model.graph)
    static_shapes.infer(model)
    repeat((constant_folding, quantized_constants, integer_ends, no_ops), model.graph)
    if not is_quantized(model):
        quantized_constants.dequantize_constants(model.graph)
    for stage in (FORMS, IDIOMS):
        repeat(stage, model.graph)
    while (defined := function_bodies.expand(model, lambda op_type: op_type not in OPS)) is not model:
        model = defined
        static_shapes.infer(model)
        for stage in (FORMS, IDIOMS):
            repeat(stage, model.graph)
    repeat(FOLDS, model.graph)
    repeat(FEW_AXES, model.graph)
    repeat(SHORT, model.graph)  # not together: merge_views would undo it
    for step in FINISH:
        step.rewrite(model.graph)
    check(model, quantized=is_quantized(model))
    return model


def is_quantized(model: ir.Model) -> bool:
    """Whether values that are computed are quantised, so that layers run in int8."""
    return any(node.op_type == "QuantizeLinear" for node in model.graph)


def repeat(stage: tuple[ModuleType, ...], graph: ir.Graph) -> None:
    """Run the passes of a stage in their order until none finds anything; each leaves less to find."""
    found = 1
    while found:
        found = 0
        for step in stage:
            changed = step.rewrite(graph)
            if changed:
                remove_dead(graph)  # what nothing reads must not look like a second reader
            found += changed


def own_copy(model: ir.Model) -> ir.Model:
    """A copy that shares no tensor objects with the model; functions are inlined, and no initializer is an input."""
    model = model.clone()
    graph = model.graph
    if model.functions:
        common.InlinePass()(model)
    for value in graph.initializers.values():
        value.const_value = ir.Tensor(array(value), name=value.name)
        value.shape, value.dtype = ir.Shape(value.const_value.shape), value.const_value.dtype
    graph.inputs[:] = [value for value in graph.inputs if not value.is_initializer()]
    return model
