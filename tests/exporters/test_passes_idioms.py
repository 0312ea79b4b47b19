"""Idioms in every spelling become one op; a number that is a little different leaves them alone."""

# ruff: noqa: E501 (one case a line)

import importlib

import pytest

ERF = (
    "h = Constant <value_float = 0.70710678> () o = Constant <value_float = 1.0> () f = Constant <value_float = 0.5> ()"
)
TANH = (
    "k = Constant <value_float = 0.044715> () s = Constant <value_float = 0.7978845608> () n = Constant <value_float = 3.0> ()"
    "o = Constant <value_float = 1.0> () f = Constant <value_float = 0.5> () "
)
SIX = "z = Constant <value_float = 0.0> () t = Constant <value_float = 3.0> () s = Constant <value_float = 6.0> () i = Constant <value_float = 0.16666667> ()"
LN = "a = Constant <value_ints = [-1]> () e = Constant <value_float = 1e-5> () m = ReduceMean(x, a) d = Sub(x, m)"
OPEN = "float[2,3] x => float[2,3] y | "

CASES = [
    ("gelu", OPEN + ERF + "u = Mul(x, h) v = Erf(u) w = Add(v, o) p = Mul(x, f) y = Mul(p, w)", "Gelu"),
    ("gelu", OPEN + ERF + "u = Mul(h, x) v = Erf(u) w = Add(v, o) p = Mul(x, w) y = Mul(p, f)", "Gelu"),
    ("gelu", OPEN + ERF + "u = Mul(x, h) v = Erf(u) w = Add(v, o) p = Mul(w, f) y = Mul(x, p)", "Gelu"),
    ("gelu", OPEN + ERF + "u = Mul(x, f) v = Erf(u) w = Add(v, o) p = Mul(x, f) y = Mul(p, w)", None),
    ("gelu", "float[2,3] x, float[2,3] x2 => float[2,3] y | " + ERF + "u = Mul(x, h) v = Erf(u) w = Add(v, o) p = Mul(x2, f) y = Mul(p, w)", None),
    ("gelu", OPEN + TANH + "c3 = Pow(x, n) q = Mul(c3, k) r = Add(x, q) u = Mul(r, s) v = Tanh(u) w = Add(v, o) p = Mul(x, f) y = Mul(p, w)", "Gelu"),
    ("gelu", OPEN + TANH + "x2 = Mul(x, x) x3 = Mul(x2, x) q = Mul(k, x3) r = Add(q, x) u = Mul(s, r) v = Tanh(u) w = Add(v, o) p = Mul(w, x) y = Mul(p, f)", "Gelu"),
    ("gelu", OPEN + TANH + "x2 = Mul(x, x) q = Mul(x2, k) r = Add(q, o) g = Mul(x, s) u = Mul(g, r) v = Tanh(u) w = Add(v, o) p = Mul(x, f) y = Mul(p, w)", "Gelu"),
    ("gelu", OPEN + TANH + "x2 = Mul(x, x) q = Mul(x2, k) r = Add(x, q) u = Mul(r, s) v = Tanh(u) w = Add(v, o) p = Mul(x, f) y = Mul(p, w)", None),
    ("gelu", OPEN + TANH.replace("0.044715", "0.05") + "c3 = Pow(x, n) q = Mul(c3, k) r = Add(x, q) u = Mul(r, s) v = Tanh(u) w = Add(v, o) p = Mul(x, f) y = Mul(p, w)", None),
    ("hard_sigmoid", OPEN + SIX + "u = Add(x, t) v = Clip(u, z, s) y = Mul(v, i)", "HardSigmoid"),
    ("hard_sigmoid", OPEN + SIX + "u = Add(x, s) v = Clip(u, z, s) y = Mul(v, i)", None),
    ("hard_sigmoid", OPEN + SIX + "u = Add(x, t) v = Clip(u, z, t) y = Mul(v, i)", None),
    ("hard_sigmoid", "float[2,3] x => float[2,3] y, float[2,3] u | " + SIX + "u = Add(x, t) v = Clip(u, z, s) y = Mul(v, i)", None),
    ("fuse_hard_swish", OPEN + "v = HardSigmoid <alpha=0.16666667, beta=0.5> (x) y = Mul(x, v)", "HardSwish"),
    ("fuse_hard_swish", OPEN + "v = HardSigmoid <alpha=0.16666667, beta=0.5> (x) y = Mul(v, x)", "HardSwish"),
    ("fuse_hard_swish", OPEN + SIX + "u = Add(x, t) v = Clip(u, z, s) w = Mul(x, v) y = Mul(w, i)", "HardSwish"),
    ("fuse_hard_swish", OPEN + SIX + "u = Add(x, t) v = Clip(u, z, s) w = Mul(x, i) y = Mul(w, v)", "HardSwish"),
    ("fuse_hard_swish", OPEN + "v = HardSigmoid <alpha=0.2, beta=0.5> (x) y = Mul(x, v)", None),
    ("fuse_hard_swish", "float[2,3] x, float[2,3] z => float[2,3] y | v = HardSigmoid <alpha=0.16666667, beta=0.5> (x) y = Mul(z, v)", None),
    ("layer_norm", OPEN + LN + "q = Mul(d, d) v = ReduceMean(q, a) w = Add(v, e) r = Sqrt(w) y = Div(d, r)", "LayerNormalization"),
    ("layer_norm", OPEN + LN + "t = Constant <value_float = 2.0> () q = Pow(d, t) v = ReduceMean(q, a) w = Add(v, e) r = Sqrt(w) y = Div(d, r)", "LayerNormalization"),
    ("layer_norm", OPEN + LN + "o = Constant <value_float = 1.0> () q = Mul(d, d) v = ReduceMean(q, a) w = Add(v, e) r = Sqrt(w) i = Div(o, r) y = Mul(d, i)", "LayerNormalization"),
    ("layer_norm", OPEN + LN + "q = Mul(d, x) v = ReduceMean(q, a) w = Add(v, e) r = Sqrt(w) y = Div(d, r)", None),
    ("layer_norm", OPEN + LN.replace("-1", "0") + "q = Mul(d, d) v = ReduceMean(q, a) w = Add(v, e) r = Sqrt(w) y = Div(d, r)", None),
    ("softplus", "float[1,3] x => float[1,3] y | t = Constant <value_float=20.0> () g = Greater(x, t) s = Softplus(x) y = Where(g, x, s)", "Softplus"),
    ("softplus", "float[1,3] x => float[1,3] y | t = Constant <value_float=2.0> () g = Greater(x, t) s = Softplus(x) y = Where(g, x, s)", None),
    ("mish", "float[1,3] x => float[1,3] y | s = Softplus(x) t = Tanh(s) y = Mul(t, x)", "Mish"),
    ("mish", "float[1,3] x, float[1,3] z => float[1,3] y | s = Softplus(x) t = Tanh(s) y = Mul(t, z)", None),
]  # fmt: skip


@pytest.mark.parametrize(("step", "text", "ops"), CASES, ids=[f"{row[0]}-{i}" for i, row in enumerate(CASES)])
def test_idiom(step, text, ops, parse, check_rewrite):
    module = importlib.import_module(f"edgeport.exporters.passes.idioms.{step}")
    model = parse(text)
    reductions = importlib.import_module("edgeport.exporters.passes.forms.reductions")
    reductions.rewrite(model)  # axes stand in their one form when the idioms are looked for
    check_rewrite(module, model, ops)
