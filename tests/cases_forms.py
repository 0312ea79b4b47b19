"""Spatial, normalising and activating operators as ONNX has them, which canonicalize brings into the dialect, as data.

As in cases.py: one line adds a case, every dimension has another size, and the result is `y`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Form:
    """A graph of ONNX operators of `opset`. `constants`: a shape (drawn) or a list of values."""

    text: str
    opset: int = 20
    constants: dict[str, object] = field(default_factory=dict)


FORMS: dict[str, Form] = {}


def form(name: str, inputs: str, output: str, body: str, *, opset: int = 20, **constants: object) -> None:
    """Enter a graph: `inputs` and `output` as `1,3,8,6` of float x and y; `body` in ONNX's text form."""
    if name in FORMS:
        raise ValueError(f"form {name} twice")
    given = inputs if "[" in inputs else f"float[{inputs}] x"
    FORMS[name] = Form(f"agraph ({given}) => (float[{output}] y) {{ {body} }}", opset, constants)


X = "1,6,8,10"

# resize: modes by what computes them, sizes and scales, other ranks and axes
for tag, attrs, to in [
    ("nearest_twice", 'mode="nearest", coordinate_transformation_mode="half_pixel"', (1, 6, 16, 20)),
    ("nearest_seven_fold", 'mode="nearest", coordinate_transformation_mode="asymmetric"', (1, 6, 56, 20)),
    ("nearest_half", 'mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"', (1, 6, 4, 5)),
    ("nearest_odd", 'mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"', (1, 6, 11, 7)),
    ("nearest_ceil", 'mode="nearest", coordinate_transformation_mode="half_pixel", nearest_mode="ceil"', (1, 6, 11, 7)),
    ("nearest_corners", 'mode="nearest", coordinate_transformation_mode="align_corners"', (1, 6, 16, 15)),
    ("linear_half_pixel", 'mode="linear"', (1, 6, 16, 20)),
    ("linear_down", 'mode="linear"', (1, 6, 3, 7)),
    ("linear_pytorch", 'mode="linear", coordinate_transformation_mode="pytorch_half_pixel"', (1, 6, 1, 20)),
    ("linear_symmetric", 'mode="linear", coordinate_transformation_mode="half_pixel_symmetric"', (1, 6, 16, 7)),
    ("linear_corners", 'mode="linear", coordinate_transformation_mode="align_corners"', (1, 6, 13, 20)),
    ("linear_asymmetric", 'mode="linear", coordinate_transformation_mode="asymmetric"', (1, 6, 13, 5)),
    ("linear_antialias", 'mode="linear", antialias=1', (1, 6, 3, 7)),
    ("cubic", 'mode="cubic"', (1, 6, 16, 7)),
    ("cubic_pytorch", 'mode="cubic", coordinate_transformation_mode="pytorch_half_pixel"', (1, 6, 13, 20)),
    ("cubic_antialias", 'mode="cubic", antialias=1, cubic_coeff_a=-0.5', (1, 6, 3, 7)),
    ("cubic_exclude_outside", 'mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5', (1, 6, 13, 7)),
    ("linear_channels", 'mode="linear"', (1, 9, 8, 10)),
    ("linear_width", 'mode="linear"', (1, 6, 8, 15)),
]:
    form(f"resize_{tag}", X, ",".join(map(str, to)), f"y = Resize <{attrs}> (x,,,s)", s=list(to))
form("resize_scales", X, "1,6,12,17", 'y = Resize <mode="linear"> (x,,f)', f=[1.0, 1.0, 1.5, 1.75])
form(
    "resize_scales_pytorch",
    X,
    "1,6,5,16",
    'y = Resize <mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"> (x,,f)',
    f=[1.0, 1.0, 0.7, 1.6],
)
form(
    "resize_crop",
    X,
    "1,6,5,7",
    """y = Resize <mode="linear", coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=0.5>
           (x, r,, s)""",
    r=[0.0, 0.0, 0.2, -0.3, 1.0, 1.0, 0.7, 0.9],
    s=[1, 6, 5, 7],
)
form(
    "resize_not_larger",
    X,
    "1,6,4,5",
    'y = Resize <mode="linear", axes=[2,3], keep_aspect_ratio_policy="not_larger"> (x,,,s)',
    s=[4, 7],
)
form("resize_rank_3", "2,6,10", "2,6,15", 'y = Resize <mode="linear"> (x,,,s)', s=[2, 6, 15])
form("resize_rank_3_image", "5,8,10", "5,16,20", 'y = Resize <mode="nearest"> (x,,,s)', s=[5, 16, 20])
form("resize_rank_5", "1,3,4,6,8", "1,3,8,12,16", 'y = Resize <mode="linear"> (x,,,s)', s=[1, 3, 8, 12, 16])
form(
    "resize_between_layouts",
    X,
    "320,4",
    """c = Conv (x, w, b) r = Resize <mode="linear"> (c,,,s) t = Transpose <perm=[0,2,3,1]> (r) y = Reshape (t, u)""",
    w=(4, 6, 1, 1),
    b=(4,),
    s=[1, 4, 16, 20],
    u=[320, 4],
)
form("resize_channels_last", "1,8,10,6", "1,16,15,6", 'y = Resize <mode="linear", axes=[1,2]> (x,,,s)', s=[16, 15])
form("upsample_9", X, "1,6,16,30", 'y = Upsample <mode="nearest"> (x, f)', opset=9, f=[1.0, 1.0, 2.0, 3.0])
form("upsample_9_linear", X, "1,6,16,20", 'y = Upsample <mode="linear"> (x, f)', opset=9, f=[1.0, 1.0, 2.0, 2.0])
form("resize_10", X, "1,6,4,20", 'y = Resize <mode="nearest"> (x, f)', opset=10, f=[1.0, 1.0, 0.5, 2.0])

# transposed convolution
for tag, attrs, w, out in [
    ("2x2", "strides=[2,2]", (6, 4, 2, 2), "1,4,16,20"),
    ("3x3_stride2", "strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]", (6, 4, 3, 3), "1,4,16,20"),
    ("4x4_stride2", "strides=[2,2], pads=[1,1,1,1]", (6, 4, 4, 4), "1,4,16,20"),
    ("3x5_asymmetric", "strides=[2,3], pads=[0,1,2,0]", (6, 4, 3, 5), "1,4,15,31"),
    ("stride1", "pads=[1,1,1,1]", (6, 4, 3, 3), "1,4,8,10"),
    ("dilated", "strides=[2,2], dilations=[2,3], pads=[1,0,2,1]", (6, 4, 3, 3), "1,4,16,24"),
    ("grouped", "strides=[2,2], group=2, output_padding=[1,0]", (6, 2, 3, 3), "1,4,18,21"),
    ("depthwise", "strides=[2,2], group=6, pads=[1,1,1,1]", (6, 1, 4, 4), "1,6,16,20"),
    ("same_upper", 'strides=[2,2], auto_pad="SAME_UPPER"', (6, 4, 3, 3), "1,4,16,20"),
    ("output_shape", "strides=[2,2], output_shape=[17,20]", (6, 4, 3, 3), "1,4,17,20"),
    ("cut_wide", "strides=[3,3], pads=[3,3,3,3], group=2", (6, 2, 2, 2), "1,4,17,23"),
]:
    form(f"conv_transpose_{tag}", X, out, f"y = ConvTranspose <{attrs}> (x, w, b)", w=w, b=(int(out.split(",")[1]),))
form("conv_transpose_no_bias", X, "1,4,16,20", "y = ConvTranspose <strides=[2,2]> (x, w)", w=(6, 4, 2, 2))
form(
    "conv_transpose_1d",
    "1,6,10",
    "1,4,20",
    "y = ConvTranspose <strides=[2], pads=[1,1]> (x, w, b)",
    w=(6, 4, 4),
    b=(4,),
)
form(
    "conv_transpose_batch_norm_relu",
    X,
    "1,4,16,20",
    "c = ConvTranspose <strides=[2,2]> (x, w) n = BatchNormalization (c, g, b, m, v) y = Relu (n)",
    w=(6, 4, 2, 2),
    g=(4,),
    b=(4,),
    m=(4,),
    v=[0.5, 1.0, 1.5, 2.0],
)

# columns to an image, Col2Im: windows that overlap or not, that leave pixels out
for tag, attrs, columns, window, out in [
    ("overlap", "strides=[2,2], pads=[1,1,1,1]", "2,27,35", [3, 3], "2,3,9,13"),
    ("apart", "strides=[2,4]", "1,24,12", [2, 4], "1,3,8,12"),
    ("dense", "pads=[0,1,0,1]", "2,18,50", [3, 2], "2,3,7,9"),
    ("dilated", "dilations=[1,2], strides=[3,2]", "1,12,16", [2, 3], "1,2,12,12"),
]:
    form(
        f"column_to_image_{tag}",
        columns,
        out,
        f"y = Col2Im <{attrs}> (x, size, window)",
        size=[int(s) for s in out.split(",")[2:]],
        window=window,
    )

# convolution of three axes, of which one is convolved place by place
for tag, attrs, w, out in [
    ("last", "pads=[1,1,0,1,1,0]", (4, 6, 3, 3, 1), "2,4,5,7,8"),
    ("first", "pads=[0,0,2,0,1,1], strides=[1,2,1], dilations=[1,1,2]", (4, 3, 1, 2, 3), "2,4,5,4,7"),
]:
    group = 6 // w[1]
    form(f"conv_3d_{tag}", "2,6,5,7,8", out, f"y = Conv <group={group}, {attrs}> (x, w, b)", w=w, b=(4,))

# convolution of one axis, and wide ones
form("conv_1d", "2,6,10", "2,4,5", "y = Conv <strides=[2], pads=[1,1]> (x, w, b)", w=(4, 6, 3), b=(4,))
form("conv_1d_grouped_dilated", "1,6,10", "1,4,8", "y = Conv <dilations=[2], pads=[1,1], group=2> (x, w)", w=(4, 3, 3))
form("conv_1d_same", "1,6,10", "1,4,10", 'y = Conv <auto_pad="SAME_UPPER"> (x, w)', w=(4, 6, 4))
for tag, attrs, w, out in [
    ("7x7", "pads=[3,3,3,3]", (6, 1, 7, 7), "1,6,8,10"),
    ("7x7_multiplier", "pads=[3,3,3,3]", (12, 1, 7, 7), "1,12,8,10"),
    ("7x7_narrow", "pads=[3,1,3,2]", (6, 1, 7, 7), "1,6,8,7"),
    ("7x7_stride2", "pads=[3,3,3,3], strides=[2,2]", (6, 1, 7, 7), "1,6,4,5"),
    ("9x9", "pads=[4,4,4,4]", (6, 1, 9, 9), "1,6,8,10"),
]:
    body = f"c = Conv <{attrs}, group=6> (x, w, b) y = Relu (c)"
    form(f"depthwise_{tag}", X, out, body, w=w, b=(w[0],))

# pools
for tag, attrs, out in [
    ("padded", "kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]", "1,6,4,5"),
    ("asymmetric", "kernel_shape=[4,3], pads=[2,0,0,1]", "1,6,7,9"),
    ("wide", "kernel_shape=[7,9], pads=[3,4,3,4]", "1,6,8,10"),
    ("same_lower", 'kernel_shape=[4,4], strides=[2,3], auto_pad="SAME_LOWER"', "1,6,4,4"),
    ("ceil", "kernel_shape=[3,3], strides=[2,2], ceil_mode=1", "1,6,4,5"),
    ("ceil_padded", "kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], ceil_mode=1", "1,6,5,6"),
]:
    form(f"max_pool_{tag}", X, out, f"y = MaxPool <{attrs}> (x)")
    form(f"average_pool_{tag}", X, out, f"y = AveragePool <{attrs}> (x)")
    if "same" not in tag:
        form(f"average_pool_{tag}_counted", X, out, f"y = AveragePool <{attrs}, count_include_pad=1> (x)")
form("average_pool_dilated", X, "1,6,6,8", "y = AveragePool <kernel_shape=[2,3], dilations=[2,1]> (x)")
form(
    "average_pool_dilated_padded",
    X,
    "1,6,4,5",
    "y = AveragePool <kernel_shape=[3,3], dilations=[2,2], strides=[2,2], pads=[1,2,2,1]> (x)",
)
form(
    "max_pool_dilated",
    X,
    "1,6,5,4",
    "y = MaxPool <kernel_shape=[2,3], dilations=[3,2], strides=[1,2], pads=[0,1,0,0]> (x)",
)
form("max_pool_1d", "2,6,10", "2,6,5", "y = MaxPool <kernel_shape=[3], strides=[2], pads=[1,1]> (x)")
form("average_pool_1d", "2,6,10", "2,6,10", "y = AveragePool <kernel_shape=[3], pads=[1,1]> (x)")
form("global_max_pool", X, "1,6,1,1", "y = GlobalMaxPool (x)")
form("global_max_pool_rank_3", "2,6,10", "2,6,1", "y = GlobalMaxPool (x)")
form("global_max_pool_rank_5", "1,3,4,6,8", "1,3,1,1,1", "y = GlobalMaxPool (x)")
form("lp_pool", X, "1,6,4,5", "y = LpPool <kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]> (x)")
form("lp_pool_1", X, "1,6,4,5", "y = LpPool <kernel_shape=[2,2], strides=[2,2], p=1> (x)")
form("lp_pool_3", X, "1,6,7,9", "y = LpPool <kernel_shape=[2,2], p=3> (x)")
form("global_lp_pool", X, "1,6,1,1", "y = GlobalLpPool (x)")
form("global_lp_pool_3", "2,6,10", "2,6,1", "y = GlobalLpPool <p=3> (x)")

# normalisations
form(
    "batch_norm",
    X,
    X,
    "y = BatchNormalization (x, g, b, m, v)",
    g=(6,),
    b=(6,),
    m=(6,),
    v=[0.5, 1.0, 1.5, 2.0, 2.5, 3.0],
)
form("instance_norm", X, X, "y = InstanceNormalization <epsilon=1e-3> (x, g, b)", g=(6,), b=(6,))
form("instance_norm_rank_3", "2,6,10", "2,6,10", "y = InstanceNormalization (x, g, b)", g=(6,), b=(6,))
form("instance_norm_rank_5", "1,3,4,6,8", "1,3,4,6,8", "y = InstanceNormalization (x, g, b)", g=(3,), b=(3,))
form(
    "group_norm_as_instance_norm",
    X,
    X,
    """r = Reshape (x, s) n = InstanceNormalization (r, o, z) m = Reshape (n, t) p = Mul (m, g) y = Add (p, b)""",
    s=[1, 3, -1],
    o=[1.0, 1.0, 1.0],
    z=[0.0, 0.0, 0.0],
    t=[1, 6, 8, 10],
    g=(6, 1, 1),
    b=(6, 1, 1),
)
form("layer_norm_image", X, X, "y = LayerNormalization <axis=1> (x, g, b)", g=(6, 8, 10), b=(6, 8, 10))
form("layer_norm_no_bias", "2,5,6", "2,5,6", "y = LayerNormalization (x, g)", g=(6,))
form("layer_norm_computed_scale", "float[2,5,6] x, float[6] g", "2,5,6", "y = LayerNormalization (x, g, b)", b=(6,))
form("lp_norm", X, X, "y = LpNormalization <axis=1> (x)")
form("lp_norm_1", "5,7", "5,7", "y = LpNormalization <p=1> (x)")
form("normalize", X, X, "n = ReduceL2 <keepdims=1> (x, a) c = Clip (n, e) y = Div (x, c)", a=[1], e=[1e-12])
form(
    "rms_norm",
    "2,5,6",
    "2,5,6",
    "s = Mul (x, x) m = ReduceMean (s, a) p = Add (m, e) q = Sqrt (p) d = Div (x, q) y = Mul (d, g)",
    a=[-1],
    e=[1e-6],
    g=(6,),
)
form("mean_variance_norm", X, X, "y = MeanVarianceNormalization (x)", opset=12)
form("lrn", X, X, "y = LRN <size=5, alpha=0.3> (x)")
form("lrn_parameters", X, X, "y = LRN <size=3, alpha=0.3, beta=0.5, bias=2.0> (x)")

# borders
for mode, pads in [
    ("reflect", [0, 0, 2, 3, 0, 0, 1, 0]),
    ("edge", [0, 0, 1, 7, 0, 0, 0, 2]),
    ("wrap", [0, 0, 2, 3, 0, 0, 1, 0]),
    ("edge", [0, 2, 0, 1, 1, 0, 0, 0]),
]:
    to = ",".join(str(size + pads[i] + pads[i + 4]) for i, size in enumerate((1, 6, 8, 10)))
    form(f"pad_{mode}_{pads[1]}", X, to, f'y = Pad <mode="{mode}"> (x, p)', p=pads)
form("pad_reflect_rank_3", "2,5,7", "2,5,11", 'y = Pad <mode="reflect"> (x, p, , a)', p=[1, 3], a=[-1])
form(
    "pad_reflect_conv",
    X,
    "1,4,8,10",
    'p = Pad <mode="reflect"> (x, s) y = Conv (p, w, b)',
    s=[0, 0, 1, 1, 0, 0, 1, 1],
    w=(4, 6, 3, 3),
    b=(4,),
)
form("pad_edge_cut", X, "1,6,7,11", 'y = Pad <mode="edge"> (x, p)', p=[0, 0, -2, 2, 0, 0, 1, -1])
for pool in ("AveragePool", "MaxPool"):
    form(f"{pool}_of_one", X, "1,6,4,4", f"y = {pool} <kernel_shape=[1,1], strides=[2,3]> (x)")
form("pad_shift", X, "1,6,8,10", "y = Pad (x, p)", p=[0, 0, -1, 2, 0, 0, 1, -2])
form("pad_cut", X, "1,6,7,11", "y = Pad (x, p)", p=[0, 0, -2, 2, 0, 0, 1, -1])
form(
    "pad_lowest",
    X,
    "1,6,5,6",
    "p = Pad (x, s, v) y = MaxPool <kernel_shape=[2,2], strides=[2,2]> (p)",
    s=[0, 0, 1, 1, 0, 0, 1, 1],
    v=[-3e38],
)

form(
    "pad_conv_same",
    X,
    "1,4,4,5",
    "p = Pad (x, s) y = Conv <strides=[2,2]> (p, w, b)",
    s=[0, 0, 0, 0, 0, 0, 1, 1],
    w=(4, 6, 3, 3),
    b=(4,),
)
form(
    "pad_average",
    X,
    "1,6,4,5",
    "p = Pad (x, s) y = AveragePool <kernel_shape=[3,3], strides=[2,2]> (p)",
    s=[0, 0, 0, 0, 0, 0, 1, 1],
)

# data movement
form("depth_to_space_dcr", "1,12,3,5", "1,3,6,10", "y = DepthToSpace <blocksize=2> (x)")
form("depth_to_space_crd", "1,12,3,5", "1,3,6,10", 'y = DepthToSpace <blocksize=2, mode="CRD"> (x)')
form("space_to_depth", X, "1,24,4,5", "y = SpaceToDepth <blocksize=2> (x)")
form(
    "pixel_shuffle_spelled",
    X,
    "1,3,16,20",
    "c = Conv (x, w) r = Reshape (c, s) t = Transpose <perm=[0,1,4,2,5,3]> (r) y = Reshape (t, u)",
    w=(12, 6, 1, 1),
    s=[1, 3, 2, 2, 8, 10],
    u=[1, 3, 16, 20],
)
form(
    "conv_depth_to_space_conv",
    X,
    "1,5,16,20",
    'c = Conv (x, w) d = DepthToSpace <blocksize=2, mode="CRD"> (c) y = Conv (d, v)',
    w=(12, 6, 1, 1),
    v=(5, 3, 1, 1),
)
form(
    "roll",
    X,
    X,
    """a = Slice (x, i, e, d) b = Slice (x, z, i, d) y = Concat <axis=2> (a, b)""",
    i=[-3],
    z=[0],
    e=[8],
    d=[2],
)

# activations
for tag, body in [
    ("celu", "y = Celu <alpha=0.7> (x)"),
    ("selu", "y = Selu (x)"),
    ("selu_parameters", "y = Selu <alpha=2.0, gamma=0.5> (x)"),
    ("elu_half", "y = Elu <alpha=0.5> (x)"),
    ("softsign", "y = Softsign (x)"),
    ("mish_spelled", "s = Softplus (x) t = Tanh (s) y = Mul (x, t)"),
    ("thresholded_relu", "y = ThresholdedRelu <alpha=0.4> (x)"),
    ("shrink_hard", "y = Shrink <lambd=0.6> (x)"),
    ("shrink_soft", "y = Shrink <lambd=0.6, bias=0.6> (x)"),
    ("hard_sigmoid_defaults", "y = HardSigmoid (x)"),
    ("hard_swish_spelled", "h = HardSigmoid <alpha=0.3, beta=0.4> (x) y = Mul (x, h)"),
    ("hardmax", "y = Hardmax <axis=1> (x)"),
    ("log_softmax_channels", "y = LogSoftmax <axis=1> (x)"),
    ("dropout", "d = Dropout (x) y = Abs (d)"),
]:
    form(tag, X, X, body)
for tag, slope in [
    ("one", (1,)),
    ("channels", (6, 1, 1)),
    ("batched", (1, 6, 1, 1)),
    ("width", (10,)),
    ("all", (6, 8, 10)),
]:
    form(f"prelu_{tag}", X, X, "y = PRelu (x, w)", w=slope)
form("prelu_rank_2", "5,7", "5,7", "y = PRelu (x, w)", w=(7,))
form("prelu_rank_3", "2,6,10", "2,6,10", "y = PRelu (x, w)", w=(6, 1))
form("prelu_computed", f"float[{X}] x, float[6,1,1] w", X, "y = PRelu (x, w)")
form("prelu_conv", X, "1,4,8,10", "c = Conv (x, w, b) y = PRelu (c, s)", w=(4, 6, 1, 1), b=(4,), s=(4, 1, 1))
form("prelu_after_view", "1,80,6", "1,6,80", "t = Transpose <perm=[0,2,1]> (x) y = PRelu (t, w)", w=(6, 1))
form("clip_computed", X, X, "m = ReduceMean <keepdims=0> (x) y = Clip (x, , m)")
form("clip_computed_both", X, X, "m = ReduceMean <keepdims=0> (x) e = Exp (m) y = Clip (x, m, e)")
form("clip_crossed", X, X, "y = Clip (x, lo, hi)", lo=[0.5], hi=[-0.5])
form("softmax_11", "2,3,4,5", "2,3,4,5", "y = Softmax <axis=2> (x)", opset=11)
form("log_softmax_11", "2,3,4,5", "2,3,4,5", "y = LogSoftmax (x)", opset=11)

# convolutions whose weight is an input
for tag, attrs, w, to in [
    ("dense", "pads=[1,1,1,1]", "4,6,3,3", "1,4,8,10"),
    ("strided", "pads=[0,1,2,1], strides=[2,1], dilations=[1,2]", "4,6,3,3", "1,4,4,8"),
    ("grouped", "group=2", "4,3,1,3", "1,4,8,8"),
    ("depthwise", "group=6, pads=[1,1,1,1], strides=[2,2]", "6,1,3,3", "1,6,4,5"),
    ("pointwise", "", "4,6,1,1", "1,4,8,10"),
]:
    form(
        f"conv_computed_{tag}",
        f"float[{X}] x, float[{w}] w",
        to,
        f"y = Conv <{attrs}> (x, w)" if attrs else "y = Conv (x, w)",
    )
form("conv_computed_bias", f"float[{X}] x, float[4,6,1,1] w, float[4] b", "1,4,8,10", "y = Conv (x, w, b)")
form("conv_computed_images", "float[2,6,8,10] x, float[4,6,2,2] w", "2,4,7,9", "y = Conv (x, w)")

# regions of an image
_REGIONS = "output_height=3, output_width=4, sampling_ratio=2, spatial_scale=0.7"
for tag, mode in (("aligned", "half_pixel"), ("plain", "output_half_pixel")):
    form(
        f"roi_align_{tag}",
        f"float[{X}] x, float[5,4] b",
        "5,6,3,4",
        f'y = RoiAlign <{_REGIONS}, coordinate_transformation_mode="{mode}"> (x, b, i)',
        i=[0] * 5,
    )
form(
    "roi_align_of_images",
    "float[2,3,8,10] x, float[3,4] b",
    "3,3,3,4",
    f"y = RoiAlign <{_REGIONS}> (x, b, i)",
    i=[1, 0, 1],
)
form(
    "roi_align_one_sample",
    f"float[{X}] x, float[2,4] b",
    "2,6,2,2",
    "y = RoiAlign <output_height=2, output_width=2, sampling_ratio=1> (x, b, i)",
    i=[0, 0],
)
form(
    "roi_align_second_image",
    "float[2,3,8,10] x, float[2,4] b",
    "2,3,3,4",
    f"y = RoiAlign <{_REGIONS}> (x, b, i)",
    i=[1, 1],
)

# pools of volumes along one axis, as LocalResponseNorm has them
form(
    "average_pool_of_channels",
    "1,1,6,8,10",
    "1,1,6,8,10",
    "y = AveragePool <kernel_shape=[3,1,1], pads=[1,0,0,1,0,0], count_include_pad=1> (x)",
)
form("max_pool_of_frames", "1,2,5,6,4", "1,2,5,3,2", "y = MaxPool <kernel_shape=[1,2,2], strides=[1,2,2]> (x)")

# recurrences that no target has
form(
    "rnn",
    "7,2,6",
    "7,2,2,5",
    'y = RNN <hidden_size=5, direction="bidirectional"> (x, w, r, b)',
    w=(2, 5, 6),
    r=(2, 5, 5),
    b=(2, 10),
)
form(
    "rnn_relu", "7,2,6", "7,1,2,5", 'y = RNN <hidden_size=5, activations=["Relu"]> (x, w, r)', w=(1, 5, 6), r=(1, 5, 5)
)
form(
    "lstm_peepholes",
    "4,2,6",
    "4,1,2,5",
    "y = LSTM <hidden_size=5> (x, w, r, b, , , , p)",
    w=(1, 20, 6),
    r=(1, 20, 5),
    b=(1, 40),
    p=(1, 15),
)
form(
    "gru_before",
    "4,2,6",
    "4,2,2,5",
    'y = GRU <hidden_size=5, direction="bidirectional"> (x, w, r, b)',
    w=(2, 15, 6),
    r=(2, 15, 5),
    b=(2, 30),
)
form(
    "lstm_lengths",
    "4,2,6",
    "4,1,2,5",
    "l = Cast <to=6> (n) y = LSTM <hidden_size=5> (x, w, r, b, l)",
    w=(1, 20, 6),
    r=(1, 20, 5),
    b=(1, 40),
    n=[4, 4],
)
