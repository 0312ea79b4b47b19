"""Bring a graph into the dialect: stages of passes in a fixed order, then the check."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common

from ..artifacts.library_logs import quiet_logger
from ..graph.dialect import check
from ..graph.edit import array
from .passes.entry import float32, function_bodies, opset, sequences, static_shapes
from .passes.folds import (
    affine_into_layer,
    affine_into_reader,
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
    computed_weights,
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
    float_weights,
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
    recurrences,
    reductions,
    resize,
    sampled_regions,
    selections,
    split_to_slices,
    three_spatial_axes,
    variadic,
)
from .passes.forms.quantized_constants import is_quantized
from .passes.idioms import fuse_hard_swish, gelu, hard_sigmoid, layer_norm, mish, softplus
from .passes.stages import Often, Stage

FORMS = Stage(
    "each op in its one form",
    (
        constant_folding,
        quantized_constants,
        integer_ends,
        narrow_types,
        no_ops,
        number_forms,
        variadic,
        elementary,
        index_forms,
        recurrences,
        sampled_regions,
        selections,
        computed_weights,
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
    ),
)
IDIOMS = Stage("each idiom as its one op", (fuse_hard_swish, hard_sigmoid, gelu, softplus, mish, layer_norm))

STAGES = (  # in their order, which is part of what they do
    Stage("float32 and opset", (float32, opset, sequences, static_shapes), Often.ONCE),
    Stage("constants", (constant_folding, quantized_constants, integer_ends, no_ops)),
    Stage("weights quantized alone", (float_weights,), Often.ONCE),
    FORMS,
    IDIOMS,
    Stage("definitions", (function_bodies, static_shapes, FORMS, IDIOMS), Often.WHILE_THE_FIRST_APPLIES),
    Stage(
        "what the weights can take in",
        (
            merge_views,
            layer_norm_scale,
            affine_into_layer,
            affine_into_reader,
            split_linear,
            attention_scale,
            layer_norm_affine,
            hard_sigmoid_to_clip,
            no_ops,
        ),
    ),
    Stage("few axes", (explicit_attributes, few_axes, constant_folding, merge_views, no_ops)),
    Stage("short transposes", (short_transposes, few_axes)),  # not with the last: merge_views would undo it
    Stage("finish", (explicit_attributes, names), Often.ONCE),
)


@quiet_logger("onnx_ir")
def canonicalize(model: ir.Model) -> ir.Model:
    """The same function in the canonical dialect, with the folds on the float graph done; the argument stays as it is.

    A symbolic first dimension of an input becomes 1, another opset becomes the dialect's, half and double precision
    become float32. Quantization that the graph brings along stays as it is; that of weights alone is undone. Each
    stage's passes are logged at DEBUG, under "edgeport.exporters".

    Raises UnsupportedOp, NotCanonical or DynamicShape where it cannot be done.
    """
    model = copy_model(model)
    for stage in STAGES:
        stage.rewrite(model)
    check(model, quantized=is_quantized(model))
    return model


def copy_model(model: ir.Model) -> ir.Model:
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
