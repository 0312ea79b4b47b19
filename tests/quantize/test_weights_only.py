"""w8a32, w8a16 and dynamic: int8 weights in the file, everything else in float, the same answers; or a refusal."""

import numpy as np
import onnx
import pytest
from edgeport.artifacts.errors import UnsupportedOp
from edgeport.pipeline.options import WEIGHTS_ONLY
from edgeport.quantize import quantize_weights
from edgeport.runtime.sessions.tflite import TFLiteSession
from edgeport.targets.registry import get_target, open_session, targets
from edgeport.targets.target import Recipe
from graphs import snr_db

W = "strides=[1,1], dilations=[1,1]"
TEXT = (
    "(float[1,32,8,8] x) => (float[1,64,40] y) <float[64,32,3,3] w, float[64] b, float[64,1,5,5] d, float[64] e, "
    "float[64,96] m, float[96] n, float[96,40] l, float[48,64,2,2] t, float[64] f, float[48,64,1,1] s, float[48] g, "
    "int64[3] to> "
    f"{{ c = Conv<kernel_shape=[3,3], pads=[1,1,1,1], {W}, group=1>(x, w, b) r = Relu(c)"
    f" h = Conv<kernel_shape=[5,5], pads=[2,2,2,2], {W}, group=64>(r, d, e)"
    f" i = Conv<kernel_shape=[1,1], pads=[0,0,0,0], strides=[2,2], dilations=[1,1], group=1>(h, s, g)"
    " k = ConvTranspose<kernel_shape=[2,2], pads=[0,0,0,0], strides=[2,2], output_padding=[0,0]>(i, t, f)"
    " a = Add(h, k) v = Reshape(a, to) u = Transpose<perm=[0,2,1]>(v) p = MatMul(u, m) q = Add(p, n) o = Gelu(q)"
    " y = MatMul(o, l) }"
)
MADE = [(p, t) for t, target in targets().items() for p in WEIGHTS_ONLY if p not in target.refused]
REFUSED = [(p, t) for t, target in targets().items() for p in target.refused]


@pytest.fixture(scope="module")
def model(build):
    made = build(TEXT, to=[1, 64, 64])
    for node in made.graph:
        if node.op_type == "Gelu":
            node.attributes.add(onnx_attribute("approximate", "none"))
    return made


def onnx_attribute(name, value):
    import onnx_ir as ir

    return ir.AttrString(name, value)


def written(model, target, precision, folder):
    to = get_target(target)
    recipe = Recipe(
        precision=precision,
        metadata={"preprocess": None, "labels": None},
        profile=to.profile(None),
        options=to.own_options({"input_layout": "nchw"}),
    )
    path = folder / f"{precision}{to.ending}"
    to.write(model, path, recipe)
    return path


def size(path):
    """Bytes of the weights, with whatever is in their file."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files if file.suffix != ".xml")  # an OpenVINO graph is a text of its own


@pytest.mark.parametrize(("precision", "target"), MADE)
def test_the_weights_shrink_and_the_answers_stay(precision, target, model, feeds, run, tmp_path):
    whole = written(model, target, "fp32", tmp_path)
    small = written(quantize_weights(model), target, precision, tmp_path)
    weights = 4 * sum(v.const_value.size for v in model.graph.initializers.values())
    assert size(whole) - size(small) > 0.55 * weights, "what took four bytes takes one"
    (feed,) = feeds(model, 1)
    expected = run(model, feed)["y"]
    session = open_session(small)
    (got,) = session.run(feed).values()
    assert snr_db(expected, got) > (30 if precision == "dynamic" else 35)
    if target == "tflite":
        assert TFLiteSession(small).undelegated() == []


@pytest.mark.parametrize(("precision", "target"), REFUSED)
def test_what_a_target_cannot_do_is_refused(precision, target):
    with pytest.raises(UnsupportedOp, match=f"{target}: no precision {precision}: .* take "):
        get_target(target).check_precision(precision)


def test_dynamic_is_computed_in_integers(model, tmp_path):
    """On ONNX in MatMulInteger, in TFLite by kernels that read float and int8."""
    path = written(quantize_weights(model), "onnx", "dynamic", tmp_path)
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("DynamicQuantizeLinear") == kinds.count("MatMulInteger") == 2


def test_weights_are_within_half_a_step(model):
    stored = quantize_weights(model).graph.initializers
    for name in "wdmlts":
        real, axis = model.graph.initializers[name].const_value.numpy(), 1 if name in "mlt" else 0
        along = [-1 if i == axis else 1 for i in range(real.ndim)]
        scale = stored[f"{name}_scale"].const_value.numpy().reshape(along)
        assert np.abs(stored[f"{name}_q"].const_value.numpy() * scale - real).max() <= 0.5001 * scale.max()
    assert "b_q" not in stored
