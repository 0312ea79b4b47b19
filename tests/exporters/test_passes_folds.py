"""Folds into the weights: before -> after, and what they leave alone (None)."""

# ruff: noqa: E501 (one case a line)

import importlib

import pytest

LINEAR = "float[1,6,8] x, float[8,12] c, float[12] cb{more} => {out} | m = MatMul(x, c) l = Add(m, cb) "
CUT = "i0 = Constant <value_ints = [0]> () i1 = Constant <value_ints = [4]> () i2 = Constant <value_ints = [8]> () i3 = Constant <value_ints = [12]> () ax = Constant <value_ints = [2]> () st = Constant <value_ints = [1]> () "
HEADS = "one = Constant <value_ints = [1]> () two = Constant <value_ints = [2]> () three = Constant <value_ints = [3]> () zero = Constant <value_ints = [0]> () "
SCALE = "s = Constant <value_float = 0.25> () "
CONV = "float[1,2,4,4] x, float[3,2,1,1] c, float[3] cb{more} => float[1,3,4,4] y{out} | v = Conv(x, c, cb) "


def linear(body, more="", out="float[1,6,12] y"):
    return LINEAR.format(more=more, out=out) + body


def conv(body, more="", out=""):
    return CONV.format(more=more, out=out) + body


CASES = [
    # columns of a linear: chunk, split, unbind of heads in either order
    ("split_linear", linear(CUT + "q = Slice(l, i0, i1, ax, st) k = Slice(l, i1, i2, ax, st) w = Slice(l, i2, i3, ax, st) a = Mul(q, k) y = Mul(a, w)", out="float[1,6,4] y"), "MatMul Add MatMul Add MatMul Add Mul Mul"),
    ("split_linear", linear(CUT + "q = Slice(l, i0, i1, ax, st) k = Slice(l, i1, i3, ax, st) y = Relu(q) z = Relu(k)", out="float[1,6,4] y, float[1,6,8] z"), "MatMul Add MatMul Add Relu Relu"),
    ("split_linear", linear(HEADS + "to = Constant <value_ints = [1,6,3,2,2]> () r = Reshape(l, to) t = Transpose <perm=[2,0,3,1,4]> (r) q = Slice(t, zero, one, zero, one) k = Slice(t, one, two, zero, one) w = Slice(t, two, three, zero, one) a = Mul(q, k) y = Mul(a, w)", out="float[1,1,2,6,2] y"), "MatMul Add MatMul Add MatMul Add Reshape Transpose Reshape Transpose Reshape Transpose Mul Mul"),
    ("split_linear", linear(HEADS + "to = Constant <value_ints = [1,6,2,3,2]> () r = Reshape(l, to) q = Slice(r, zero, one, three, one) k = Slice(r, one, two, three, one) y = Mul(q, k)", out="float[1,6,2,1,2] y"), "MatMul Add MatMul Add Reshape Reshape Mul"),
    ("split_linear", "float[1,6,8] x, float[8,12] c => float[1,6,4] y | m = MatMul(x, c) " + CUT + "q = Slice(m, i0, i1, ax, st) k = Slice(m, i2, i3, ax, st) y = Mul(q, k)", "MatMul MatMul Mul"),
    ("split_linear", linear(CUT + "q = Slice(l, i0, i1, ax, st) k = Slice(l, i1, i2, ax, st) y = Mul(q, k) z = Relu(l)", out="float[1,6,4] y, float[1,6,12] z"), None),
    ("split_linear", linear(HEADS + "y = Slice(l, one, three, one, one)", out="float[1,2,12] y"), None),
    ("split_linear", linear(CUT + "y = Slice(l, i0, i2, ax, st) z = Slice(l, i1, i3, ax, st)", out="float[1,6,8] y, float[1,6,8] z"), None),
    ("split_linear", linear(CUT + "y = Slice(l, i0, i1, ax, st)", out="float[1,6,4] y, float[1,6,12] l"), None),
    # a number per channel
    ("affine_into_layer", linear("y = Mul(l, c2)", ", float[12] c2"), "MatMul Add"),
    ("affine_into_layer", linear("y = Add(l, c2)", ", float[12] c2"), "MatMul Add"),
    ("affine_into_layer", linear("y = Mul(l, c2)", ", float c2"), "MatMul Add"),
    ("affine_into_layer", "float[1,6,8] x, float[8,12] c, float[12] c2 => float[1,6,12] y | m = MatMul(x, c) y = Mul(m, c2)", "MatMul"),
    ("affine_into_layer", "float[6,8] x, float[8,12] c, float[12] c2, float[1,12,1,1] c3 => float[1,12,2,3] y | m = MatMul(x, c) a = Add(m, c2) to = Constant <value_ints = [1,2,3,12]> () r = Reshape(a, to) t = Transpose <perm=[0,3,1,2]> (r) y = Mul(t, c3)", "MatMul Add Reshape Transpose"),
    ("affine_into_layer", conv("y = Mul(v, c2)", ", float[3,1,1] c2"), "Conv"),
    ("affine_into_layer", conv("y = Add(v, c2)", ", float[1,3,1,1] c2"), "Conv"),
    ("affine_into_layer", conv("y = Mul(v, c2)", ", float[3,4,4] c2"), None),
    ("affine_into_layer", conv("y = Mul(v, c2)", ", float[4] c2"), None),
    ("affine_into_layer", conv("y = Mul(v, c2)", ", float[3,1,1] c2", ", float[1,3,4,4] v"), None),
    ("affine_into_layer", conv("z = Relu(v) w = Mul(v, c2) y = Add(z, w)", ", float[3,1,1] c2"), None),
    ("affine_into_layer", linear("y = Mul(l, c2)", ", float[6,1] c2"), None),
    ("affine_into_layer", linear("y = Add(l, c2)", ", float[2,6,12] c2", "float[2,6,12] y"), None),
    # in front of what reads it
    ("affine_into_reader", "float[1,2,4,4] x, float[3,2,1,1] c, float[3] cb, float[2,1,1] c2 => float[1,3,4,4] y | h = HardSwish(x) m = Mul(h, c2) y = Conv(m, c, cb)", "HardSwish Conv"),
    ("affine_into_reader", "float[1,2,4,4] x, float[3,2,1,1] c, float[3] cb, float[2,1,1] c2 => float[1,3,4,4] y | h = HardSwish(x) m = Add(h, c2) y = Conv(m, c, cb)", "HardSwish Conv"),
    ("affine_into_reader", "float[1,4,4,4] x, float[4,2,3,3] c, float[4] cb, float[4,1,1] c2 => float[1,4,4,4] y | h = Relu(x) m = Mul(h, c2) y = Conv <group=2, pads=[1,1,1,1]> (m, c, cb)", "Relu Conv"),
    ("affine_into_reader", "float[1,4,4,4] x, float[4,1,3,3] c, float[4] cb, float c2, float c3 => float[1,4,4,4] y | h = Relu(x) m = Mul(h, c2) a = Add(m, c3) y = Conv <group=4, pads=[1,1,1,1]> (a, c, cb)", "Relu Add Conv"),
    ("affine_into_reader", "float[1,4,4,4] x, float[4,1,3,3] c, float[4] cb, float c3 => float[1,4,4,4] y | h = Relu(x) a = Add(h, c3) y = Conv <group=4, pads=[1,1,1,1]> (a, c, cb)", None),
    ("affine_into_reader", "float[6,8] x, float[8,12] c, float[12] cb, float[8] c2, float[8] c3 => float[6,12] y | h = Relu(x) m = Mul(h, c2) a = Add(m, c3) t = MatMul(a, c) y = Add(t, cb)", "Relu MatMul Add"),
    ("affine_into_reader", "float[6,8] x, float[8,12] c, float[8] c3 => float[6,12] y | h = Relu(x) a = Add(h, c3) y = MatMul(a, c)", "Relu MatMul Add"),
    ("affine_into_reader", "float[6,8] x, float[8,12] c, float[8,12] cw, float[8] c2 => float[6,12] y | h = Relu(x) m = Mul(h, c2) t = MatMul(m, c) u = MatMul(m, cw) y = Mul(t, u)", "Relu MatMul MatMul Mul"),
    ("affine_into_reader", "float[6,8] x, float[8,12] c, float[8] c2 => float[6,12] y, float[6,8] z | h = Relu(x) m = Mul(h, c2) y = MatMul(m, c) z = Relu(m)", None),
    ("affine_into_reader", "float[6,8] x, float[8,12] c, float[8] c2 => float[6,12] y, float[6,8] m | h = Relu(x) m = Mul(h, c2) y = MatMul(m, c)", None),
    ("affine_into_reader", "float[6,8] x, float[8,12] c, float[6,1] c2 => float[6,12] y | h = Relu(x) m = Mul(h, c2) y = MatMul(m, c)", None),
    # a number for the scores
    ("attention_scale", linear(SCALE + "k = Transpose <perm=[0,2,1]> (z) a = MatMul(l, k) y = Mul(a, s)", ", float[1,6,12] z", "float[1,6,6] y"), "MatMul Add Transpose MatMul"),
    ("attention_scale", linear(SCALE + "k = Transpose <perm=[0,2,1]> (l) a = MatMul(z, k) y = Mul(a, s)", ", float[1,6,12] z", "float[1,6,6] y"), "MatMul Add Transpose MatMul"),
    ("attention_scale", SCALE.join(["float[1,6,12] x, float[1,12,6] z => float[1,6,6] y | ", "a = MatMul(x, z) y = Mul(a, s)"]), None),
    ("attention_scale", linear(SCALE + "k = Transpose <perm=[0,2,1]> (l) a = MatMul(l, k) y = Mul(a, s)", out="float[1,6,6] y"), None),
    ("attention_scale", linear(SCALE + "k = Transpose <perm=[0,2,1]> (z) a = MatMul(l, k) y = Mul(a, s) r = Relu(a)", ", float[1,6,12] z", "float[1,6,6] y, float[1,6,6] r"), None),
    # gamma and beta
    ("layer_norm_affine", "float[2,4] x, float[4] c, float[4] cb, float[4,3] cw, float[3] c2 => float[2,3] y | n = LayerNormalization(x, c, cb) m = MatMul(n, cw) y = Add(m, c2)", "LayerNormalization MatMul Add"),
    ("layer_norm_affine", "float[2,4] x, float[4] c, float[4] cb, float[4,3] cw => float[2,3] y | n = LayerNormalization(x, c, cb) y = MatMul(n, cw)", "LayerNormalization MatMul Add"),
    ("layer_norm_affine", "float[2,4] x, float[4] c, float[4] cb, float[4,3] cw, float[4,3] cv => float[2,3] y | n = LayerNormalization(x, c, cb) m = MatMul(n, cw) l = MatMul(n, cv) y = Mul(m, l)", "LayerNormalization MatMul Add MatMul Add Mul"),
    ("layer_norm_affine", "float[4,4] x, float[4] c, float[4] cb, float[4,3] cw => float[2,2,3] y | n = LayerNormalization(x, c, cb) a = Constant <value_ints = [2,8]> () q = Reshape(n, a) b = Constant <value_ints = [2,2,4]> () r = Reshape(q, b) t = Transpose <perm=[1,0,2]> (r) y = MatMul(t, cw)", "LayerNormalization Reshape Reshape Transpose MatMul Add"),
    ("layer_norm_affine", "float[1,3,4] x, float[4] c, float[4] cb, float[4,3] cw => float[1,3,3] y | n = LayerNormalization(x, c, cb) zero = Constant <value_ints = [0]> () one = Constant <value_ints = [1]> () three = Constant <value_ints = [3]> () p = Slice(n, zero, one, one, one) q = Slice(n, one, three, one, one) r = Concat <axis=1> (q, p) y = MatMul(r, cw)", "LayerNormalization Slice Slice Concat MatMul Add"),
    ("layer_norm_affine", "float[1,3,4] x, float[1,3,4] z, float[4] c, float[4] cb, float[4,3] cw => float[1,6,3] y | n = LayerNormalization(x, c, cb) r = Concat <axis=1> (n, z) y = MatMul(r, cw)", None),
    ("layer_norm_affine", "float[1,3,4] x, float[4] c, float[4] cb, float[8,3] cw => float[1,3,3] y | n = LayerNormalization(x, c, cb) r = Concat <axis=2> (n, n) y = MatMul(r, cw)", None),
    ("layer_norm_affine", "float[2,4] x, float[4] c, float[4] cb, float[2,3] cw => float[4,3] y | n = LayerNormalization(x, c, cb) t = Transpose <perm=[1,0]> (n) y = MatMul(t, cw)", None),
    ("layer_norm_affine", "float[2,4] x, float[4] c, float[4] cb, float[8,3] cw => float[1,3] y | n = LayerNormalization(x, c, cb) a = Constant <value_ints = [1,8]> () r = Reshape(n, a) y = MatMul(r, cw)", None),
    ("layer_norm_affine", "float[2,4] x, float[4] c, float[4] cb, float[4,4] cw => float[2,4] y | n = LayerNormalization(x, c, cb) m = MatMul(n, cw) y = Add(m, n)", None),
    ("layer_norm_affine", "float[2,4] x, float[4] c, float[4] cb, float[4,3] cw => float[2,3] y, float[2,4] n | n = LayerNormalization(x, c, cb) y = MatMul(n, cw)", None),
    ("layer_norm_affine", "float[1,4,6,4] x, float[4] c, float[4] cb, float[3,4,2,2] cw, float[3] c2 => float[1,3,2,3] y | n = LayerNormalization(x, c, cb) t = Transpose <perm=[0,3,1,2]> (n) y = Conv <strides=[2,2]> (t, cw, c2)", "LayerNormalization Transpose Conv"),
    ("layer_norm_affine", "float[1,4,6,4] x, float[4] c, float[4] cb, float[4,1,2,2] cw, float[4] c2, float[3,4,1,1] cv, float[3] c3 => float[1,4,3,5] y, float[1,3,4,6] z | n = LayerNormalization(x, c, cb) t = Transpose <perm=[0,3,1,2]> (n) y = Conv <group=4> (t, cw, c2) z = Conv(t, cv, c3)", "LayerNormalization Transpose Conv Conv"),
    ("layer_norm_affine", "float[1,4,6,4] x, float[4] c, float[4] cb, float[3,4,3,3] cw, float[3] c2 => float[1,3,4,6] y | n = LayerNormalization(x, c, cb) t = Transpose <perm=[0,3,1,2]> (n) y = Conv <pads=[1,1,1,1]> (t, cw, c2)", None),
    ("layer_norm_affine", "float[1,4,6,4] x, float[4] c, float[4] cb, float[3,4,1,1] cw, float[3] c2, float[1,1,4,6] z => float[1,3,4,6] y, float[1,4,4,6] s | n = LayerNormalization(x, c, cb) t = Transpose <perm=[0,3,1,2]> (n) y = Conv(t, cw, c2) s = Add(t, z)", None),
    ("layer_norm_affine", "float[1,6,4,4] x, float[4] c, float[4] cb, float[3,4,1,1] cw, float[3] c2 => float[1,3,4,6] y | n = LayerNormalization(x, c, cb) t = Transpose <perm=[0,3,2,1]> (n) y = Conv(t, cw, c2)", None),
    ("hard_sigmoid_to_clip", conv("y = HardSigmoid <alpha=0.2, beta=0.5> (v)"), "Conv Clip"),
    ("hard_sigmoid_to_clip", linear("y = HardSigmoid <alpha=0.2, beta=0.5> (l)"), "MatMul Add Clip"),
    ("hard_sigmoid_to_clip", conv("h = HardSigmoid <alpha=0.2, beta=0.5> (v) y = Mul(h, v)"), None),
    ("hard_sigmoid_to_clip", "float[2] x => float[2] y | z = Relu(x) y = HardSigmoid(z)", None),
    ("layer_norm_scale", "float[2,3] x, float[3] c, float[3] cb, float[3] c2 => float[2,3] y | n = LayerNormalization(x, c, cb) y = Mul(n, c2)", "LayerNormalization"),
    ("layer_norm_scale", "float[2,3] x, float[3] c, float[3] cb, float[3] c2 => float[2,3] y | n = LayerNormalization(x, c, cb) y = Add(n, c2)", "LayerNormalization"),
    ("layer_norm_scale", "float[2,3] x, float[3] c, float[3] cb, float[2,1] c2 => float[2,3] y | n = LayerNormalization(x, c, cb) y = Add(n, c2)", None),
    ("layer_norm_scale", "float[2,3] x, float[3] c, float[3] cb, float[3] c2 => float[2,3] y, float[2,3] n | n = LayerNormalization(x, c, cb) y = Add(n, c2)", None),
]  # fmt: skip


@pytest.mark.parametrize(("step", "text", "ops"), CASES, ids=[f"{row[0]}-{i}" for i, row in enumerate(CASES)])
def test_fold(step, text, ops, parse, check_rewrite):
    check_rewrite(importlib.import_module(f"edgeport.exporters.passes.folds.{step}"), parse(text), ops)


def test_shared_weights_are_not_changed(parse, run, feeds):
    """The exporter stores equal tensors once; a fold into one layer must leave the other."""
    from edgeport.exporters.passes.folds import affine_into_layer

    model = parse(
        "float[2,4] x, float[4,4] c, float[4] c2 => float[2,4] y | m = MatMul(x, c) z = Mul(m, c2) y = MatMul(z, c)"
    )
    expected = run(model, feeds(model))[0]
    assert affine_into_layer.rewrite(model) == 1
    assert abs(run(model, feeds(model))[0] - expected).max() < 1e-5
