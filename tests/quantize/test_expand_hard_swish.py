"""HardSwish becomes int8 kernels, and its sixth goes into the layers behind it; the float network stays what it was."""

import numpy as np
import pytest
from edgeport.exporters.canonicalize import canonicalize
from edgeport.quantize import apply, collect, plan
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK
from graphs import operators, run_onnx, snr_db
from tflite_convert import convert

HEAD = (
    "(float[1,4,6,6] x) => (float[1,4,6,6] y) "
    "<float[4,4,1,1] w, float[4] b, float[4,4,1,1] w2, float[4] b2, float[4,4,1,1] w3, int64[2] axes>"
)
# name: (nodes, how many HardSwishes are left)
CASES = {
    "one_reader": ("h = HardSwish(x) y = Conv(h, w, b)", 0),
    "of_a_view": ("t = Transpose<perm=[0,1,3,2]>(x) h = HardSwish(t) y = Conv(h, w, b)", 0),
    "squeeze_and_excite": (
        "h = HardSwish(x) m = ReduceMean(h, axes) e = Conv(m, w2, b2) s = Sigmoid(e) p = Mul(s, h) y = Conv(p, w, b)",
        0,
    ),
    "residual_of_a_layer": ("h = HardSwish(x) c = Conv(h, w, b) a = Add(c, h) y = Conv(a, w2, b2)", 0),
    "one_behind_the_other": ("h = HardSwish(x) c = Conv(h, w, b) g = HardSwish(c) y = Conv(g, w2, b2)", 0),
    "product_of_two": (
        "h = HardSwish(x) c = Conv(h, w, b) g = HardSwish(c) p = Mul(h, g) y = Conv(p, w2, b2)",
        0,
    ),
    "leaves_the_graph": ("y = HardSwish(x)", 1),
    "residual_of_the_input": ("h = HardSwish(x) a = Add(h, x) y = Conv(a, w, b)", 1),
    "residual_of_a_shared_layer": (
        "h = HardSwish(x) c = Conv(x, w, b) a = Add(c, h) d = Mul(a, c) y = Conv(d, w, b)",
        1,
    ),
    "times_itself": ("h = HardSwish(x) m = ReduceMean(h, axes) p = Mul(h, m) y = Conv(p, w, b)", 1),
    "another_function": ("h = HardSwish(x) t = Tanh(h) y = Conv(t, w, b)", 1),
}


@pytest.mark.parametrize(("nodes", "left"), CASES.values(), ids=CASES)
def test_rewrite(build, feeds, nodes, left):
    model = build(f"{HEAD} {{ {nodes} }}", axes=[2, 3])
    given = list(feeds(model))
    stats = collect(model, given)
    rewritten, mapped = TFLITE_XNNPACK.apply_rewrites(model, stats)
    assert [n.op_type for n in rewritten.graph].count("HardSwish") == left
    assert snr_db(run_onnx(model, given[0])["y"], run_onnx(rewritten, given[0])["y"]) > 110
    for name, measured in collect(rewritten, given).values.items():
        if name in mapped.values:  # not the sum before the clip, which no kernel writes
            ours = mapped[name]
            assert (ours.min, ours.max) == pytest.approx((measured.min, measured.max), rel=1e-5, abs=1e-5)
            assert ours.histogram.counts.sum() == measured.histogram.counts.sum()
            means = [np.average(h.centres, weights=h.counts) for h in (ours.histogram, measured.histogram)]
            assert means[0] == pytest.approx(means[1], abs=measured.histogram.width)


def test_int8_kernels_run_it(build, feeds):
    model = canonicalize(build(f"{HEAD} {{ {CASES['squeeze_and_excite'][0]} }}", axes=[2, 3]))
    given = list(feeds(model))
    rewritten, stats = TFLITE_XNNPACK.apply_rewrites(model, collect(model, given))
    written = apply(rewritten, plan(rewritten, stats, TFLITE_XNNPACK))
    found = operators(convert(written))
    assert "HARD_SWISH" not in found
    assert found.count("DELEGATE") == 1
    assert found.count("QUANTIZE") + found.count("DEQUANTIZE") == 2  # in and out
    assert snr_db(run_onnx(model, given[0])["y"], run_onnx(written, given[0])["y"]) > 30
