"""Operator behaviours as data: a graph in ONNX's text form, run by ONNX Runtime and by each converter.

One line adds a case. Shapes are chosen so that every dimension has another size and no layout error can cancel.
"""

import numpy as np

# name -> (graph text, output, constants); the result is always `y`
CASES: dict[str, tuple[str, str, dict[str, object]]] = {}


def case(name: str, inputs: str, output: str, body: str, **constants: object) -> None:
    """Enter a graph: `inputs` and `output` as `float[1,3,8,6] x`; constants: a shape (drawn) or a list of values."""
    if name in CASES:
        raise ValueError(f"case {name} twice")
    CASES[name] = (f"agraph ({inputs}) => ({output}) {{ {body} }}", output, constants)


X = "float[1,6,8,10] x"

# convolution: strides, pads that are and are not SAME, dilation, depthwise with multiplier, groups, asymmetric pads
for tag, attrs, w, out in [
    ("1x1", "", (4, 6, 1, 1), (8, 10)),
    ("3x3_same", "pads=[1,1,1,1]", (4, 6, 3, 3), (8, 10)),
    ("3x3_stride2", "pads=[1,1,1,1], strides=[2,2]", (4, 6, 3, 3), (4, 5)),
    ("3x3_valid", "", (4, 6, 3, 3), (6, 8)),
    ("3x3_asymmetric", "pads=[0,1,2,0]", (4, 6, 3, 3), (8, 9)),
    ("3x3_dilated", "pads=[2,2,2,2], dilations=[2,2]", (4, 6, 3, 3), (8, 10)),
    ("5x3_stride2x1", "pads=[2,1,2,1], strides=[2,1]", (4, 6, 5, 3), (4, 10)),
    ("depthwise", "pads=[1,1,1,1], group=6", (6, 1, 3, 3), (8, 10)),
    ("depthwise_stride2", "pads=[2,2,2,2], group=6, strides=[2,2]", (6, 1, 5, 5), (4, 5)),
    ("grouped", "pads=[1,1,1,1], group=2", (4, 3, 3, 3), (8, 10)),
    ("depthwise_multiplier", "pads=[1,1,1,1], group=6", (12, 1, 3, 3), (8, 10)),
    ("1x1_depthwise_multiplier", "group=6", (12, 1, 1, 1), (8, 10)),
    ("1x1_depthwise_multiplier_stride2", "group=6, strides=[2,2]", (12, 1, 1, 1), (4, 5)),
    ("1x1_depthwise_multiplier_padded", "pads=[1,1,0,0], group=6", (12, 1, 1, 1), (9, 11)),
    ("grouped_of_two_and_four", "pads=[1,1,1,1], group=3", (12, 2, 3, 3), (8, 10)),
    ("patch", "strides=[2,2]", (4, 6, 2, 2), (4, 5)),
    ("depthwise_7x7", "pads=[3,3,3,3], group=6", (6, 1, 7, 7), (8, 10)),
    ("depthwise_7x7_stride2", "pads=[3,3,3,3], group=6, strides=[2,2]", (6, 1, 7, 7), (4, 5)),
    ("depthwise_7x7_dilated", "pads=[9,9,9,9], group=6, dilations=[3,3]", (6, 1, 7, 7), (8, 10)),
    ("depthwise_7x12", "pads=[3,5,3,6], group=6", (6, 1, 7, 12), (8, 10)),
    ("depthwise_9x9", "pads=[4,4,4,4], group=6", (6, 1, 9, 9), (8, 10)),
    ("depthwise_9x9_multiplier", "pads=[4,4,4,4], group=6, strides=[2,1]", (12, 1, 9, 9), (4, 10)),
    ("depthwise_11x11", "pads=[5,5,5,5], group=6", (6, 1, 11, 11), (8, 10)),
]:
    o = f"1,{w[0]},{out[0]},{out[1]}"
    case(
        f"conv_{tag}",
        X,
        f"float[{o}] y",
        f"y = Conv <{attrs}> (x, w, b)" if attrs else "y = Conv (x, w, b)",
        w=w,
        b=w[:1],
    )
# enough channels for tiles of four columns; widths that are and are not whole tiles, padded and not
for tag, attrs, size, kernel, out in [
    ("whole", "pads=[1,1,1,1]", (8, 12), (3, 3), (8, 12)),
    ("cut", "pads=[1,1,1,1]", (5, 14), (3, 3), (5, 14)),
    ("in_front", "pads=[1,1,1,1]", (6, 27), (3, 3), (6, 27)),
    ("valid", "", (10, 18), (3, 3), (8, 16)),
    ("valid_cut", "", (10, 17), (3, 3), (8, 15)),
    ("high", "pads=[2,1,2,1]", (9, 8), (5, 3), (9, 8)),
]:
    case(
        f"conv_of_tiles_{tag}",
        f"float[1,52,{size[0]},{size[1]}] x",
        f"float[1,48,{out[0]},{out[1]}] y",
        f"c = Conv <{attrs}> (x, w, b) y = Relu (c)" if attrs else "y = Conv (x, w, b)",
        w=(48, 52, *kernel),
        b=(48,),
    )
# few channels and a stride: neighbouring pixels are joined
for tag, attrs, kernel, out in [
    ("3x3_stride2", "pads=[1,1,1,1], strides=[2,2]", (3, 3), (4, 6)),
    ("3x3_stride2_right", "pads=[0,0,1,1], strides=[2,2]", (3, 3), (4, 6)),
    ("3x3_stride2_cut", "strides=[1,2]", (3, 3), (6, 5)),
    ("7x7_stride2", "pads=[3,3,3,3], strides=[2,2]", (7, 7), (4, 6)),
    ("6x6_stride4", "pads=[1,1,1,1], strides=[4,4]", (6, 6), (2, 3)),
    ("patch", "strides=[4,4]", (4, 4), (2, 3)),
    ("patch_overlaps", "pads=[3,3,3,3], strides=[4,4]", (7, 7), (2, 3)),
]:
    case(
        f"conv_cells_{tag}",
        "float[1,3,8,12] x",
        f"float[1,5,{out[0]},{out[1]}] y",
        f"c = Conv <{attrs}> (x, w, b) y = Relu (c)",
        w=(5, 3, *kernel),
        b=(5,),
    )
for tag, body in [
    ("conv", "r = Relu (c) y = Conv <pads=[1,1,1,1]> (r, v, d)"),
    ("relu6_conv", "r = Clip (c, lo, hi) y = Conv <pads=[1,1,1,1]> (r, v, d)"),
    ("depthwise_conv", "e = Conv <pads=[1,1,1,1], group=18> (c, u, f) y = Conv <pads=[1,1,1,1]> (e, v, d)"),
    ("gate_conv", "a = ReduceMean (c, axes) g = Sigmoid (a) r = Mul (c, g) y = Conv <pads=[1,1,1,1]> (r, v, d)"),
]:
    case(
        f"conv_depthwise_multiplier_{tag}",
        X,
        "float[1,4,4,5] y",
        f"c = Conv <pads=[1,1,1,1], strides=[2,2], group=6> (x, w, b) {body}",
        w=(18, 1, 3, 3),
        b=(18,),
        v=(4, 18, 3, 3),
        d=(4,),
        **({"u": (18, 1, 3, 3), "f": (18,)} if tag == "depthwise_conv" else {}),
        **({"lo": [0.0], "hi": [6.0]} if tag == "relu6_conv" else {}),
        **({"axes": [2, 3]} if tag == "gate_conv" else {}),
    )
case("conv_relu", X, "float[1,4,8,10] y", "c = Conv (x, w, b) y = Relu (c)", w=(4, 6, 1, 1), b=(4,))
case(
    "conv_relu6",
    X,
    "float[1,4,8,10] y",
    "c = Conv (x, w, b) y = Clip (c, lo, hi)",
    w=(4, 6, 1, 1),
    b=(4,),
    lo=[0.0],
    hi=[6.0],
)
case(
    "conv_clip01",
    X,
    "float[1,4,8,10] y",
    "c = Conv (x, w, b) y = Clip (c, lo, hi)",
    w=(4, 6, 1, 1),
    b=(4,),
    lo=[0.0],
    hi=[1.0],
)
case(
    "conv_conv",
    X,
    "float[1,3,8,10] y",
    "c = Conv (x, w, b) y = Conv (c, v, d)",
    w=(4, 6, 1, 1),
    b=(4,),
    v=(3, 4, 1, 1),
    d=(3,),
)

for tag, attrs, w, out in [
    ("2x2", "strides=[2,2], pads=[0,0,0,0], output_padding=[0,0]", (6, 4, 2, 2), (16, 20)),
    ("3x3", "strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]", (6, 4, 3, 3), (16, 20)),
    ("4x4", "strides=[2,2], pads=[1,1,1,1], output_padding=[0,0]", (6, 4, 4, 4), (16, 20)),
    ("3x5", "strides=[2,3], pads=[0,1,2,0], output_padding=[0,1]", (6, 4, 3, 5), (15, 32)),
    ("4x4_stride4", "strides=[4,4], pads=[0,0,0,0], output_padding=[0,0]", (6, 4, 4, 4), (32, 40)),
    ("5x5_stride3", "strides=[3,3], pads=[1,1,1,1], output_padding=[0,0]", (6, 4, 5, 5), (24, 30)),
]:
    case(
        f"conv_transpose_{tag}",
        X,
        f"float[1,4,{out[0]},{out[1]}] y",
        f"y = ConvTranspose <kernel_shape=[{w[2]},{w[3]}], {attrs}> (x, w, b)",
        w=w,
        b=(4,),
    )
case(
    "conv_transpose_relu",
    X,
    "float[1,4,16,20] y",
    "c = ConvTranspose <kernel_shape=[2,2], strides=[2,2]> (x, w, b) y = Relu (c)",
    w=(6, 4, 2, 2),
    b=(4,),
)
for mode, places, to in [
    ("linear", "half_pixel", (16, 20)),
    ("linear", "half_pixel", (5, 7)),
    ("linear", "align_corners", (13, 20)),
    ("linear", "asymmetric", (16, 7)),
    ("nearest", "asymmetric", (16, 30)),
]:
    case(
        f"resize_{mode}_{places}_{to[0]}x{to[1]}",
        X,
        f"float[1,6,{to[0]},{to[1]}] y",
        f'y = Resize <mode="{mode}", coordinate_transformation_mode="{places}", nearest_mode="floor"> (x,,,s)',
        s=[1, 6, *to],
    )
case(
    "conv_resize_conv",
    X,
    "float[1,3,16,20] y",
    """c = Conv (x, w, b)
       r = Resize <mode="linear", coordinate_transformation_mode="half_pixel", nearest_mode="floor"> (c,,,s)
       y = Conv (r, v, d)""",
    w=(4, 6, 1, 1),
    b=(4,),
    s=[1, 4, 16, 20],
    v=(3, 4, 1, 1),
    d=(3,),
)

# linear
case("linear", "float[2,5,6] x", "float[2,5,7] y", "m = MatMul (x, w) y = Add (m, b)", w=(6, 7), b=(7,))
case(
    "linear_of_one_row",
    "float[1,6,1] x",
    "float[1,1,1] y",
    "f = Reshape (x, s) m = MatMul (f, w) t = Reshape (m, u) y = ReduceMax (t, a)",
    s=[1, 6],
    w=(6, 2),
    u=[1, 2, 1],
    a=[0, 1, 2],
)
case("linear_no_bias", "float[2,5,6] x", "float[2,5,7] y", "y = MatMul (x, w)", w=(6, 7))
case(
    "linear_bias_relu",
    "float[2,6] x",
    "float[2,7] y",
    "m = MatMul (x, w) a = Add (m, b) y = Relu (a)",
    w=(6, 7),
    b=(7,),
)
case(
    "linear_of_flattened_conv",
    X,
    "float[1,5] y",
    "f = Reshape (x, s) m = MatMul (f, w) y = Add (m, b)",
    s=[1, 480],
    w=(480, 5),
    b=(5,),
)
case(
    "linear_over_width",
    X,
    "float[1,6,8,7] y",
    "m = MatMul (x, w) y = Add (m, b)",
    w=(10, 7),
    b=(7,),
)
case("matmul", "float[2,3,5,6] a, float[2,3,6,4] b", "float[2,3,5,4] y", "y = MatMul (a, b)")
case(
    "matmul_transposed",
    "float[2,3,5,6] a, float[2,3,4,6] b",
    "float[2,3,5,4] y",
    "t = Transpose <perm=[0,1,3,2]> (b) y = MatMul (a, t)",
)
# products of so many terms that they are added up in parts: rows and columns wherever they lie, and a prime number
case("matmul_long", "float[1,3,5,1024] a, float[1,3,1024,4] b", "float[1,3,5,4] y", "y = MatMul (a, b)")
case(
    "matmul_long_of_columns",
    "float[1,784,3,5] a, float[1,784,3,4] b",
    "float[1,5,3,4] y",
    "p = Transpose <perm=[0,2,3,1]> (a) q = Transpose <perm=[0,2,1,3]> (b) m = MatMul (p, q)"
    "y = Transpose <perm=[0,2,1,3]> (m)",
)
case("matmul_long_prime", "float[3,5,521] a, float[3,521,4] b", "float[3,5,4] y", "y = MatMul (a, b)")
_ATTENTION = """
    q0 = MatMul (x, wq) q1 = Reshape (q0, s) q = Transpose <perm=[0,2,1,3]> (q1)
    k0 = MatMul (x, wk) k1 = Reshape (k0, s) k = Transpose <perm=[0,2,3,1]> (k1)
    v0 = MatMul (x, wv) v1 = Reshape (v0, s) v = Transpose <perm=[0,2,1,3]> (v1)
    z = MatMul (q, k) p = Softmax <axis=3> (z) o = MatMul (p, v)
    t = Transpose <perm=[0,2,1,3]> (o) r = Reshape (t, u) m = MatMul (r, wo) y = Add (x, m)"""
case(
    "attention",
    "float[2,7,12] x",
    "float[2,7,12] y",
    _ATTENTION,
    wq=(12, 12),
    wk=(12, 12),
    wv=(12, 12),
    wo=(12, 12),
    s=[2, 7, 3, 4],
    u=[2, 7, 12],
)

# element-wise and broadcasting
for op in ("Add", "Sub", "Mul"):
    case(f"{op.lower()}_same", f"{X}, float[1,6,8,10] z", "float[1,6,8,10] y", f"y = {op} (x, z)")
    case(f"{op.lower()}_channel", f"{X}, float[1,6,1,1] z", "float[1,6,8,10] y", f"y = {op} (x, z)")
    case(f"{op.lower()}_const_channel", X, "float[1,6,8,10] y", f"y = {op} (x, c)", c=(6, 1, 1))
    case(f"{op.lower()}_const_width", X, "float[1,6,8,10] y", f"y = {op} (x, c)", c=(10,))
    case(f"{op.lower()}_scalar", X, "float[1,6,8,10] y", f"y = {op} (x, c)", c=[0.7])
    case(f"{op.lower()}_const_first", X, "float[1,6,8,10] y", f"y = {op} (c, x)", c=(6, 8, 1))
case("div_scalar", X, "float[1,6,8,10] y", "y = Div (x, c)", c=[0.7])
case("add_outer", "float[5,1] x, float[1,7] z", "float[5,7] y", "y = Add (x, z)")
case("add_relu", f"{X}, float[1,6,8,10] z", "float[1,6,8,10] y", "a = Add (x, z) y = Relu (a)")
case(
    "add_of_different_orders",
    f"{X}, float[1,80,6] z",
    "float[1,80,6] y",
    "r = Reshape (x, s) t = Transpose <perm=[0,2,1]> (r) y = Add (z, t)",
    s=[1, 6, 80],
)
case(
    "window_mask",  # a constant that is broadcast inside a merged dimension
    "float[1,24,10] x",
    "float[24,10] y",
    "a = Reshape (x, s) b = Add (a, c) y = Reshape (b, t)",
    s=[4, 6, 10],
    t=[24, 10],
    c=(4, 1, 10),
)
for op in ("Relu", "Sigmoid", "Tanh", "HardSwish", "Exp", "Neg", "Abs", "Gelu"):
    case(f"unary_{op.lower()}", X, "float[1,6,8,10] y", f"y = {op} (x)")
case("gelu_tanh", X, "float[1,6,8,10] y", 'y = Gelu <approximate="tanh"> (x)')
case("sqrt", X, "float[1,6,8,10] y", "e = Exp (x) y = Sqrt (e)")
case("hard_sigmoid", X, "float[1,6,8,10] y", "y = HardSigmoid <alpha=0.16666667, beta=0.5> (x)")
case("leaky_relu", X, "float[1,6,8,10] y", "y = LeakyRelu <alpha=0.1> (x)")
case("leaky_relu_steep", X, "float[1,6,8,10] y", "y = LeakyRelu <alpha=2.5> (x)")
case("leaky_relu_rising", X, "float[1,6,8,10] y", "y = LeakyRelu <alpha=-0.5> (x)")
case("elu", X, "float[1,6,8,10] y", "y = Elu (x)")
case("elu_alpha", X, "float[1,6,8,10] y", "y = Elu <alpha=0.5> (x)")
case("prelu", X, "float[1,6,8,10] y", "y = PRelu (x, w)", w=(6, 1, 1))
case("softplus", X, "float[1,6,8,10] y", "a = Mul (x, c) y = Softplus (a)", c=[20.0])
case("mish", X, "float[1,6,8,10] y", "a = Mul (x, c) y = Mish (a)", c=[20.0])
case("silu", X, "float[1,6,8,10] y", "s = Sigmoid (x) y = Mul (x, s)")
case("clip", X, "float[1,6,8,10] y", "y = Clip (x, lo, hi)", lo=[-0.3], hi=[0.4])
case("pow2", X, "float[1,6,8,10] y", "y = Pow (x, e)", e=[2.0])

# along dimensions
for axis in (1, 2, 3):
    case(f"softmax_{axis}", X, "float[1,6,8,10] y", f"y = Softmax <axis={axis}> (x)")
    case(f"log_softmax_{axis}", X, "float[1,6,8,10] y", f"y = LogSoftmax <axis={axis}> (x)")
case("mean_spatial", X, "float[1,6,1,1] y", "y = ReduceMean (x, a)", a=[2, 3])
case("mean_channel", X, "float[1,1,8,10] y", "y = ReduceMean (x, a)", a=[1])
case("mean_width", X, "float[1,6,8,1] y", "y = ReduceMean (x, a)", a=[3])
case(
    "layer_norm",
    "float[2,5,6] x",
    "float[2,5,6] y",
    "y = LayerNormalization <axis=-1, epsilon=1e-5> (x, g, b)",
    g=(6,),
    b=(6,),
)
case(
    "layer_norm_channels_last",
    X,
    "float[1,8,10,6] y",
    "t = Transpose <perm=[0,2,3,1]> (x) y = LayerNormalization <axis=-1, epsilon=1e-6> (t, g, b)",
    g=(6,),
    b=(6,),
)
case("layer_norm_width", X, "float[1,6,8,10] y", "y = LayerNormalization <axis=-1> (x, g, b)", g=(10,), b=(10,))
for tag, attrs, out in [
    ("2x2", "kernel_shape=[2,2], strides=[2,2]", "1,6,4,5"),
    ("3x3_stride2", "kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]", "1,6,4,5"),
    ("3x3_same", "kernel_shape=[3,3], strides=[1,1], pads=[1,1,1,1]", "1,6,8,10"),
]:
    case(f"max_pool_{tag}", X, f"float[{out}] y", f"y = MaxPool <{attrs}> (x)")
    case(f"relu_max_pool_{tag}", X, f"float[{out}] y", f"r = Relu (x) y = MaxPool <{attrs}> (r)")
    case(f"average_pool_{tag}_counted", X, f"float[{out}] y", f"y = AveragePool <{attrs}, count_include_pad=1> (x)")
# what LiteRT's GPU delegate makes one of: a padding of the model's own, and what reads it
for tag, fill, out, reader, constants in [
    ("max_pool", 0.0, "1,6,10,11", "MaxPool <kernel_shape=[2,3]> (p)", {}),
    ("average_pool", 0.0, "1,6,5,6", "AveragePool <kernel_shape=[2,3], strides=[2,2], pads=[0,1,0,0]> (p)", {}),
    ("conv", 0.5, "1,4,10,11", "Conv (p, w, b)", {"w": (4, 6, 2, 3), "b": (4,)}),
    ("depthwise", 0.5, "1,6,10,11", "Conv <group=6> (p, w, b)", {"w": (6, 1, 2, 3), "b": (6,)}),
    ("linear", -2.0, "1,11,13,4", "MatMul (t, w)", {"w": (6, 4)}),
]:
    moved = "t = Transpose <perm=[0,2,3,1]> (p)" if tag == "linear" else ""
    body = f"c = Conv (x, v) p = Pad (c, k, f) {moved} y = {reader}"
    pads = {"v": (6, 6, 1, 1), "k": [0, 0, 1, 2, 0, 0, 2, 1], "f": [fill]}
    case(f"padded_with_{fill}_{tag}", X, f"float[{out}] y", body, **pads, **constants)
_CEILED = "AveragePool <kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], ceil_mode=1>"
case(
    "average_pool_ceiled_relu6",
    X,
    "float[1,6,5,6] y",
    f"s = Mul (x, k) a = {_CEILED} (s) y = Clip (a, l, h)",
    k=[9.0],
    l=[0.0],
    h=[6.0],
)
case("pow_of_constant", X, "float[1,4,8,10] y", "c = Conv (x, w, b) y = Pow (k, c)", w=(4, 6, 1, 1), b=(4,), k=[2.0])
case("average_pool_same", X, "float[1,6,8,10] y", "y = AveragePool <kernel_shape=[3,3], pads=[1,1,1,1]> (x)")

# truth values, integers and indices
for op in ("Floor", "Ceil", "Round"):  # few numbers, none of which half precision takes across a border
    case(f"unary_{op.lower()}", "float[2,3,5] x", "float[2,3,5] y", f"y = {op} (x)")
for op in ("Sign", "Sin", "Cos", "Atan"):
    case(f"unary_{op.lower()}", X, "float[1,6,8,10] y", f"e = Mul (x, c) y = {op} (e)", c=[3.0])
case("log", X, "float[1,6,8,10] y", "e = Exp (x) f = Add (e, c) y = Log (f)", c=[0.5])
case("unary_not", "bool[2,3,5] x", "float[2,3,5] y", "n = Not (x) y = Cast <to=1> (n)")
case("is_nan", "float[2,3,5] x", "float[2,3,5] y", "n = IsNaN (x) y = Cast <to=1> (n)")
for op in ("Max", "Min"):
    case(f"{op.lower()}_channel", f"{X}, float[1,6,1,1] z", "float[1,6,8,10] y", f"y = {op} (x, z)")
    case(f"{op.lower()}_integers", "int64[7] x, int64[3,1] z", "int64[3,7] y", f"y = {op} (x, z)")
for op in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"):
    body = f"b = {op} (x, z) y = Cast <to=1> (b)"
    case(f"{op.lower()}_channel", f"{X}, float[1,6,1,1] z", "float[1,6,8,10] y", body)
    case(f"{op.lower()}_integers", "int32[2,3,5] x, int32[5] z", "float[2,3,5] y", body)
for op in ("And", "Or", "Xor", "Equal"):
    body = f"b = {op} (x, z) y = Cast <to=1> (b)"
    case(f"{op.lower()}_bools", "bool[2,3,5] x, bool[3,1] z", "float[2,3,5] y", body)
case("where", f"bool[1,1,8,10] c, {X}, float[6,1,1] z", "float[1,6,8,10] y", "y = Where (c, x, z)")
case("where_of_constants", "bool[4,3] x", "float[2,4,3] y", "y = Where (x, a, b)", a=[0.5], b=(2, 1, 3))
case(
    "where_of_other_orders",  # a condition computed channels last, values channels first
    X,
    "float[1,8,10,6] y",
    """t = Transpose <perm=[0,2,3,1]> (x) g = Greater (t, z) c = MatMul (t, w) y = Where (g, t, c)""",
    z=(6,),
    w=(6, 6),
)
case("cast_to_integer", X, "int64[1,6,8,10] y", "e = Mul (x, c) y = Cast <to=7> (e)", c=[4.0])
case("cast_to_bool", "int32[3,5] x", "float[3,5] y", "b = Cast <to=9> (x) y = Cast <to=1> (b)")
for op in ("Add", "Sub", "Mul"):
    case(f"{op.lower()}_integers", "int32[2,3,5] x, int32[3,1] z", "int32[2,3,5] y", f"y = {op} (x, z)")
case("div_integers", "int32[2,3,5] x, int32[3,1] divisor", "int32[2,3,5] y", "y = Div (x, divisor)")
case("mod_integers", "int64[2,3,5] x, int64[3,1] divisor", "int64[2,3,5] y", "y = Mod <fmod=0> (x, divisor)")
case("mod_real", X, "float[1,6,8,10] y", "y = Mod <fmod=1> (x, c)", c=[0.3])
case("pow_of_two", f"{X}, float[10] z", "float[1,6,8,10] y", "e = Exp (x) y = Pow (e, z)")
case("unary_integers", "int64[2,3,5] x", "int64[2,3,5] y", "a = Abs (x) n = Neg (a) s = Sign (x) y = Add (n, s)")
for op in ("ReduceMax", "ReduceMin", "ReduceProd"):
    case(f"{op.lower()}_channel", X, "float[1,1,8,10] y", f"y = {op} (x, a)", a=[1])
    case(f"{op.lower()}_two", X, "float[1,6,1,1] y", f"e = Tanh (x) y = {op} (e, a)", a=[2, 3])
case("reduce_sum_integers", "int32[2,3,5] x", "int32[2,1,5] y", "y = ReduceSum (x, a)", a=[1])
case("reduce_of_five_axes", "float[2,3,2,5,2] x", "float[1,3,1,5,1] y", "y = ReduceMax (x, a)", a=[0, 2, 4])
for axis, out in ((0, "1,5,7"), (1, "3,1,7"), (2, "3,5,1")):
    body = f"y = ArgMax <axis={axis}> (x)"
    case(f"arg_max_{axis}", "float[3,5,7] x", f"int64[{out}] y", body)
case("arg_min_channel", X, "int64[1,1,8,10] y", "y = ArgMin <axis=1> (x)")
case(
    "arg_max_behind_conv", X, "int64[1,1,8,10] y", "c = Conv (x, w, b) y = ArgMax <axis=1> (c)", w=(4, 6, 1, 1), b=(4,)
)
case(
    "top_k", "float[2,5,7] x", "float[2,5,3] y", "v, i = TopK <axis=2> (x, k) f = Cast <to=1> (i) y = Add (v, f)", k=[3]
)
for axis, out in ((0, "2,3,5,7"), (1, "4,2,3,7"), (2, "4,5,2,3")):
    body = f"y = Gather <axis={axis}> (x, i)"
    case(f"gather_computed_{axis}", "float[4,5,7] x, int64[2,3] i", f"float[{out}] y", body)
case("gather_constant", X, "float[1,6,8,4] y", "y = Gather <axis=3> (x, i)", i=[9, 0, 3, 3])
case("gather_channels", X, "float[1,4,8,10] y", "y = Gather <axis=1> (x, i) ", i=[5, 0, -1, 2])
case("gather_bools", "bool[4,5] x, int32[3] i", "float[3,5] y", "g = Gather <axis=0> (x, i) y = Cast <to=1> (g)")
case("scatter", "float[8,5] x, float[3,5] u", "float[8,5] y", "y = ScatterND (x, i, u)", i=np.array([[6], [0], [2]]))
case(
    "scatter_computed",
    "float[7] x, int64[1] i, float[1] u",
    "float[7] y",
    "r = Reshape (i, s) y = ScatterND (x, r, u)",
    s=[1, 1],
)
_ADDED = 'y = ScatterND <reduction="add"> (x, i, u)'
case("scatter_added", "float[4,5] x, int64[3,2] i, float[3] u", "float[4,5] y", _ADDED)
for tag, attrs in (("", ""), ("_exclusive", "<exclusive=1>"), ("_backwards", "<reverse=1>")):
    case(f"cumulated{tag}", "float[3,5,7] x", "float[3,5,7] y", f"y = CumSum {attrs} (x, a)", a=np.array(1))
case("cumulated_first", "float[3,5,7] x", "float[3,5,7] y", "y = CumSum (x, a)", a=np.array(0))
case(
    "cumulated_both",
    X,
    X.replace("x", "y"),
    "a = CumSum (x, i) b = CumSum (x, j) y = Add (a, b)",
    i=np.array(1),
    j=np.array(3),
)
case("matmul_constant_left", "float[1,2,5,7] x", "float[1,2,3,7] y", "y = MatMul (k, x)", k=(1, 2, 3, 5))
case("tile", "float[2,3,5] x", "float[4,3,15] y", "y = Tile (x, r)", r=[2, 1, 3])
case("input_as_output", "float[2,3] x", "float[2,3] y", "y = Identity (x)")
case(
    "matmul_broadcast",
    "float[2,1,5,6] a, float[3,6,4] b",
    "float[2,3,5,4] y",
    "c = Reshape (b, s) y = MatMul (a, c)",
    s=[1, 3, 6, 4],
)
case("matmul_by_constants", "float[3,5,6] x", "float[3,5,4] y", "y = MatMul (x, w)", w=(3, 6, 4))
case("concat_bools", "bool[2,3] x, bool[2,2] z", "float[2,5] y", "b = Concat <axis=1> (x, z) y = Cast <to=1> (b)")
case(
    "class_of_each_pixel",  # the head of a segmentation model: a map of classes, of which one is masked
    X,
    "float[1,1,8,10] y",
    """c = Conv (x, w, b) m = ArgMax <axis=1> (c) e = Equal (m, k) f = ReduceMax (c, a) y = Where (e, z, f)""",
    w=(4, 6, 1, 1),
    b=(4,),
    k=np.array(2),
    a=[1],
    z=[-1.0],
)

# sampling: places in the image, on its edges, beyond them and far away
for mode in ("linear", "nearest", "cubic"):
    for padding in ("zeros", "border", "reflection"):
        for aligned in (0, 1):
            case(
                f"grid_sample_{mode}_{padding}{'_aligned' * aligned}",
                "float[2,3,5,7] x, float[2,4,6,2] g",
                "float[2,3,4,6] y",
                f'y = GridSample <mode="{mode}", padding_mode="{padding}", align_corners={aligned}> (x, g)',
            )
case(
    "grid_sample_constant",
    X,
    "float[1,6,3,4] y",
    'y = GridSample <mode="linear", padding_mode="border"> (x, g)',
    g=np.random.default_rng(0).uniform(-1.3, 1.3, (1, 3, 4, 2)).astype(np.float32),
)
case(
    "grid_sample_behind_conv",
    f"{X}, float[1,5,4,2] g",
    "float[1,3,5,4] y",
    "c = Conv (x, w, b) s = GridSample (c, g) y = Conv (s, v, d)",
    w=(4, 6, 1, 1),
    b=(4,),
    v=(3, 4, 1, 1),
    d=(3,),
)

# over time: one direction, from the end, both; one image and several
for op, gates, states in (("LSTM", 4, 2), ("GRU", 3, 1)):
    attrs = ", linear_before_reset=1" if op == "GRU" else ""
    for direction, d in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
        case(
            f"{op.lower()}_{direction}",
            "float[7,2,6] x",
            f"float[7,{d},2,5] y",
            f'y = {op} <hidden_size=5, direction="{direction}"{attrs}> (x, w, r, b)',
            w=(d, gates * 5, 6),
            r=(d, gates * 5, 5),
            b=(d, 2 * gates * 5),
        )
    names = ", ".join("hc"[:states])
    case(
        f"{op.lower()}_last_state",
        f"float[6,1,4] x, {', '.join(f'float[2,1,5] {name}' for name in 'hc'[:states])}",
        "float[2,1,5] y",
        f'_, y = {op} <hidden_size=5, direction="bidirectional"{attrs}> (x, w, r, b, , {names})',
        w=(2, gates * 5, 4),
        r=(2, gates * 5, 5),
        b=(2, 2 * gates * 5),
    )
case(
    "lstm_of_columns",  # a text line: its columns are the steps, each layer a linear behind it
    "float[1,6,1,9] x",
    "float[9,1,4] y",
    """c = Conv (x, k, a) f = Reshape (c, s) t = Transpose <perm=[2,0,1]> (f)
       h = LSTM <hidden_size=5, direction="bidirectional"> (t, w, r, b) p = Transpose <perm=[0,2,1,3]> (h)
       q = Reshape (p, u) m = MatMul (q, v) y = Add (m, d)""",
    k=(8, 6, 1, 1),
    a=(8,),
    s=[1, 8, 9],
    w=(2, 20, 8),
    r=(2, 20, 5),
    b=(2, 40),
    u=[9, 1, 10],
    v=(10, 4),
    d=(4,),
)

# movement
case("transpose", X, "float[10,6,1,8] y", "y = Transpose <perm=[3,1,0,2]> (x)")
case("reshape_split", X, "float[2,3,80] y", "y = Reshape (x, s)", s=[2, 3, 80])
case("reshape_uncuttable", X, "float[8,6,10] y", "t = Transpose <perm=[0,2,1,3]> (x) y = Reshape (t, s)", s=[8, 6, 10])
case(
    "reshape_crossing",
    "float[6,4] x",
    "float[4,6] y",
    "t = Transpose <perm=[1,0]> (x) r = Reshape (t, s) y = Relu (r)",
    s=[4, 6],
)
case(
    "reshape_crossing2",
    "float[4,6] x",
    "float[3,8] y",
    "t = Transpose <perm=[1,0]> (x) r = Reshape (t, s) y = Relu (r)",
    s=[3, 8],
)
case("slice", X, "float[1,3,8,4] y", "y = Slice (x, st, en, ax, sp)", st=[1, 2], en=[4, 6], ax=[1, 3], sp=[1, 1])
case(
    "slice_strided", X, "float[1,6,4,5] y", "y = Slice (x, st, en, ax, sp)", st=[0, 1], en=[8, 10], ax=[2, 3], sp=[2, 2]
)
case("slice_to_one", X, "float[1,1,8,10] y", "y = Slice (x, st, en, ax, sp)", st=[2], en=[3], ax=[1], sp=[1])
case("concat_channels", f"{X}, float[1,3,8,10] z", "float[1,9,8,10] y", "y = Concat <axis=1> (x, z)")
case("concat_rows", f"{X}, float[1,6,3,10] z", "float[1,6,11,10] y", "y = Concat <axis=2> (x, z)")
case("concat_token", "float[1,7,6] x", "float[1,8,6] y", "y = Concat <axis=1> (c, x)", c=(1, 1, 6))
case("concat_ones", "float[1,6] x, float[1,6] z", "float[2,6] y", "y = Concat <axis=0> (x, z)")
case("concat_seven", "float[1,6] x", "float[1,42] y", "y = Concat <axis=1> (x, x, x, x, x, x, x)")
case(
    "concat_different_orders",
    f"{X}, float[1,80,6] z",
    "float[1,12,80] y",
    "r = Reshape (x, s) t = Transpose <perm=[0,2,1]> (z) y = Concat <axis=1> (r, t)",
    s=[1, 6, 80],
)
case("pad", X, "float[1,6,11,12] y", "y = Pad (x, p)", p=[0, 0, 1, 2, 0, 0, 2, 0])
case("pad_channels", X, "float[1,9,8,10] y", "y = Pad (x, p)", p=[0, 1, 0, 0, 0, 2, 0, 0])
case("pad_value", X, "float[1,6,11,12] y", "y = Pad (x, p, v)", p=[0, 0, 1, 2, 0, 0, 2, 0], v=[0.5])
case("erf", X, "float[1,6,8,10] y", "e = Mul (x, c) y = Erf (e)", c=[2.0])
case("pad_batch", X, "float[2,6,8,10] y", "y = Pad (x, p)", p=[0, 0, 0, 0, 1, 0, 0, 0])
case(
    "mobilevit_unfold",
    X,
    "float[1,6,8,10] y",
    """a = Reshape (x, s1) b = Transpose <perm=[0,2,1,3]> (a) c = Reshape (b, s2) d = Transpose <perm=[0,3,2,1]> (c)
       e = Reshape (d, s3) l = LayerNormalization <axis=-1> (e, g, h) m = MatMul (l, w) n = Add (m, v) o = Add (n, e)
       p = Reshape (o, s4) q = Transpose <perm=[0,3,2,1]> (p) r = Reshape (q, s5) t = Transpose <perm=[0,2,1,3]> (r)
       y = Reshape (t, s6)""",
    s1=[24, 2, 5, 2],
    s2=[1, 6, 20, 4],
    s3=[4, 20, 6],
    g=(6,),
    h=(6,),
    w=(6, 6),
    v=(6,),
    s4=[1, 4, 20, 6],
    s5=[24, 5, 2, 2],
    s6=[1, 6, 8, 10],
)
# of one image and class, as kernels take them; of several, whose rows come one class after the other; by their centres
_LIMITS = {"most": [5], "overlap": [0.3], "lowest": [-0.2]}
_SELECTED = "k = NonMaxSuppression (x, s, most, overlap, lowest) y = Cast <to=1> (k)"
case("suppression", "float[1,12,4] x, float[1,1,12] s", "float[5,3] y", _SELECTED, **_LIMITS)
case("suppression_of_classes", "float[2,12,4] x, float[2,3,12] s", "float[30,3] y", _SELECTED, **_LIMITS)
case(
    "suppression_by_centres",
    "float[1,12,4] x, float[1,2,12] s",
    "float[24,3] y",
    "k = NonMaxSuppression <center_point_box=1> (x, s, most, overlap) y = Cast <to=1> (k)",
    most=[20],
    overlap=[0.5],
)
