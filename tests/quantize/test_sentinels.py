"""Numbers that stand for infinity (around a MaxPool, in a mask), dead channels and constants leave the ranges alone."""

import numpy as np
import pytest
from edgeport.quantize import apply, collect, plan
from edgeport.targets.kernel_sets.coreml import COREML_ANE
from edgeport.targets.kernel_sets.onnx import ONNXRUNTIME_CPU
from edgeport.targets.kernel_sets.openvino import OPENVINO_CPU
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK
from graphs import run_tflite, snr_db
from tflite_convert import convert

FRAME = 'p = Pad<mode="constant">(c, pads, fill)'
LOWEST = float(np.finfo(np.float32).min)
STEPS = "strides=[1,1], pads=[0,0,0,0], dilations=[1,1]"
POINTS = f"kernel_shape=[1,1], group=1, {STEPS}"
CONV = f"c = Conv<{POINTS}>(x, w, b)"
POOL = f"kernel_shape=[2,2], {STEPS}"
CONSTANTS = "float[4,4,1,1] w, float[4] b, int64[8] pads, float fill, int64[4] flat, int64[4] back"
PADDED = {
    "pool": f"{CONV} {FRAME} m = MaxPool<{POOL}>(p) z = Conv<{POINTS}>(m, w, b)",
    "pool_behind_views": f"{CONV} {FRAME} v = Reshape(p, flat) m = MaxPool<{POOL}>(v) "
    f"n = Reshape(m, back) z = Conv<{POINTS}>(n, w, b)",
    "mask": f"{CONV} {FRAME} s = Softmax<axis=3>(p) z = Conv<{POINTS}>(s, w, b)",
}


@pytest.mark.parametrize("fill", [LOWEST, -np.inf])
@pytest.mark.parametrize("name", PADDED)
@pytest.mark.parametrize(
    "kernels", [TFLITE_XNNPACK, OPENVINO_CPU, ONNXRUNTIME_CPU, COREML_ANE], ids=lambda kernels: kernels.name
)
def test_infinite_numbers_are_no_part_of_a_range(name, kernels, fill, build, feeds, run):
    below, size = (0, "6,7") if name == "mask" else (1, "6,6")
    text = f"(float[1,4,6,6] x) => (float[1,4,{size}] z) <{CONSTANTS}> {{ {PADDED[name]} }}"
    pads = [0, 0, 0, 0, 0, 0, below, 1]
    model = build(text, pads=pads, fill=fill, flat=[4, 1, 7, 7], back=[1, 4, 6, 6])
    stats = collect(model, feeds(model, 8))
    assert all(abs(value) < 100 for s in stats.values.values() for value in (s.min, s.max, s.mean_min, s.mean_max))
    written = apply(model, plan(model, stats, kernels))
    (feed,) = feeds(model, 1)
    expected = run(model, feed)["z"]
    assert snr_db(expected, run(written, feed)["z"]) > 30
    if kernels is TFLITE_XNNPACK:
        for delegate in (True, False):
            assert snr_db(expected, run_tflite(convert(written), feed, delegate=delegate)["z"]) > 30


def test_dead_channels_and_constants(build, feeds, run):
    """A channel that is always 0, and a tensor that is always the same number, cost the others nothing."""
    w = np.random.default_rng(0).normal(size=(4, 4, 1, 1))
    w[1], text = 0, f"{CONV} r = Relu(c) k = Mul(r, zero) a = Add(k, five) t = Add(r, a) z = Conv(t, w, b)"
    model = build(
        f"(float[1,4,6,6] x) => (float[1,4,6,6] z) <float[4,4,1,1] w, float[4] b, float zero, float five> {{ {text} }}",
        w=w,
        b=[0.1, 0, 0.1, 0.1],
        zero=0,
        five=5,
    )
    written = apply(model, plan(model, collect(model, feeds(model, 8)), TFLITE_XNNPACK))
    (feed,) = feeds(model, 1)
    assert snr_db(run(model, feed)["z"], run(written, feed)["z"]) > 30
