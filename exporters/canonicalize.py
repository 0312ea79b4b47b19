"""This file brings a graph into the dialect: a fixed order of passes, then the check."""

from __future__ import annotations

import onnx_ir as ir

from .dialect import OPSET, check
from .errors import ExportError, NotCanonical
from .graph import remove_dead
from .passes import (
    attention_scale,
    batch_norm,
    channel_affine,
    clip,
    constant_folding,
    constant_operands,
    conv_bias,
    expand,
    explicit_attributes,
    explicit_pads,
    explicit_reshape,
    explicit_slice,
    gather_to_slice,
    gelu,
    gemm_to_linear,
    hard_sigmoid,
    hard_sigmoid_to_clip,
    hard_swish,
    layer_norm,
    layer_norm_affine,
    layer_norm_scale,
    matmul_forms,
    merge_views,
    names,
    no_ops,
    operand_order,
    pad,
    reduce_mean,
    split_linear,
    split_to_slices,
)

FORMS = (  # each op in its one form
    constant_folding,
    no_ops,
    expand,
    split_to_slices,
    gather_to_slice,
    explicit_slice,
    pad,
    explicit_pads,
    reduce_mean,
    batch_norm,
    gemm_to_linear,
    matmul_forms,
    constant_operands,
    operand_order,
    clip,
    conv_bias,
    explicit_reshape,
)
IDIOMS = (hard_swish, hard_sigmoid, hard_swish, gelu, layer_norm)  # each idiom as its one op
FOLDS = (  # what the weights can take in
    merge_views,
    split_linear,
    merge_views,
    layer_norm_scale,
    channel_affine,
    attention_scale,
    merge_views,
    channel_affine,
    layer_norm_affine,
    hard_sigmoid_to_clip,
    no_ops,
)
FINISH = (explicit_attributes, names)


def canonicalize(model: ir.Model) -> ir.Model:
    """The same function in the canonical dialect, with the folds on the float graph done; the argument stays as it is.

    Raises UnsupportedOp, NotCanonical or DynamicShape where that cannot be done.
    """
    model = prepared(model)
    for stage in (FORMS, IDIOMS, FOLDS, FINISH):
        for step in stage:
            step.rewrite(model.graph)
            if stage is IDIOMS:
                remove_dead(model.graph)
        remove_dead(model.graph)
    check(model)
    return model


def prepared(model: ir.Model) -> ir.Model:
    """A copy whose initializers are its own and none of which is an input."""
    model = model.clone()
    graph = model.graph
    for value in graph.initializers.values():
        value.const_value = ir.Tensor(value.const_value.numpy(), name=value.name)
        value.shape = ir.Shape(value.const_value.shape)
    graph.inputs[:] = [value for value in graph.inputs if not value.is_initializer()]
    return model
