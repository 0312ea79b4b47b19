"""A scale and a shift per channel become a depthwise convolution, which rounds once and by channel."""

import numpy as np
import pytest
from edgeport.quantize import apply, collect, plan
from edgeport.quantize.rewrites.affine_to_depthwise import rewrite
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK
from graphs import run_onnx, snr_db

HEAD = (
    "(float[1,4,6,6] x, float[1,5,4] t) => (float[1,4,6,6] y, float[1,5,4] u) "
    "<float[4,1,1] s, float[4,1,1] b, float[1,1,6] row, float one, float[4,4,1,1] w, float[4] wb, float[4] last>"
)
# name: (nodes, how the operators are then called)
CASES = {
    "scale_and_shift": ("m = Mul(x, s) a = Add(m, b) y = Relu(a) u = Relu(t)", "Conv Relu Relu"),
    "scale_alone": ("m = Mul(x, s) y = Relu(m) u = Relu(t)", "Conv Relu Relu"),
    "scale_that_another_reads": ("m = Mul(x, s) a = Add(m, b) y = Mul(a, m) u = Relu(t)", "Conv Add Mul Relu"),
    "graph_output": ("m = Mul(x, s) y = Add(m, b) u = Relu(t)", "Conv Relu"),
    "shift_alone": ("y = Add(x, b) u = Relu(t)", "Add Relu"),
    "along_a_row": ("m = Mul(x, row) y = Add(m, b) u = Relu(t)", "Mul Add Relu"),
    "one_number": ("y = Mul(x, one) u = Relu(t)", "Mul Relu"),
    "tokens": ("y = Relu(x) u = Mul(t, last)", "Relu Mul"),
}


@pytest.mark.parametrize(("nodes", "wanted"), CASES.values(), ids=CASES)
def test_rewrite(build, feeds, nodes, wanted):
    model = build(f"{HEAD} {{ {nodes} }}", one=2.0)
    (feed,) = feeds(model, 1)
    stats = collect(model, [feed])
    rewritten, kept = rewrite(model, stats)
    assert [n.op_type for n in rewritten.graph] == wanted.split()
    assert kept is stats
    for name, want in run_onnx(model, feed).items():
        assert snr_db(want, run_onnx(rewritten, feed)[name]) > 110
    plan(rewritten, kept, TFLITE_XNNPACK)  # every value that int8 kernels write has its statistics


def test_channels_of_very_different_scale_keep_their_bits(build, feeds):
    model = build(
        "(float[1,4,6,6] x) => (float[1,4,6,6] y) <float[4,1,1] s, float[4,1,1] b, float[4,4,1,1] w, float[4] wb>"
        "{ m = Mul(x, s) a = Add(m, b) r = Relu(a) y = Conv(r, w, wb) }",
        s=np.array([1000, 10, 1, 0.01]).reshape(4, 1, 1),
        w=np.diag([0.001, 0.1, 1, 100]).reshape(4, 4, 1, 1),
    )
    given = list(feeds(model))
    stats = collect(model, given)

    def quality(model):
        return snr_db(
            run_onnx(model, given[0])["y"], run_onnx(apply(model, plan(model, stats, TFLITE_XNNPACK)), given[0])["y"]
        )

    assert quality(rewrite(model, stats)[0]) > quality(model)
