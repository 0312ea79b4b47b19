"""Scale moves from channels into weights: the float output stays, and channels of very different size survive int8."""

import numpy as np
import pytest
from edgeport.graph.edit import array
from edgeport.quantize import (
    QuantizeError,
    apply,
    apply_equalization,
    collect,
    correct_biases,
    find_equalization,
    observe_gates,
    plan,
)
from edgeport.quantize.tuning.equalization import STEPS
from edgeport.quantize.tuning.scale_sites import find_sites
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK
from graphs import snr_db

IMAGE = "(float[1,3,8,8] x) => (float[1,5,{size},{size}] y)"
ROWS = "(float[1,9,16] x) => (float[1,9,12] y)"
FIRST = "float[16,3,3,3] w, float[16] b"
LAST = "float[5,16,1,1] v, float[5] d"
A = "c = Conv<kernel_shape=[3,3], pads=[1,1,1,1], strides=[1,1], dilations=[1,1], group=1>(x, w, b)"
Z = "y = Conv<kernel_shape=[1,1], pads=[0,0,0,0], strides=[1,1], dilations=[1,1], group=1>({}, v, d)"
POOL = "kernel_shape=[2,2], strides=[2,2], pads=[0,0,0,0]"
DEPTHWISE = "Conv<kernel_shape=[3,3], pads=[1,1,1,1], strides=[1,1], dilations=[1,1], group=16>"
NORM = "LayerNormalization<axis=2, epsilon=1e-5>"
CONV = "Conv<kernel_shape=[1,1], pads=[0,0,0,0], strides=[1,1], dilations=[1,1], group=1>"
EXCITE = "float[4,16,1,1] u, float[4] e, float[16,4,1,1] t, float[16] f, int64[2] at"
PLACES = {"at": [2, 3]}


def excited(activation, gated):
    """A gate computed from the means of the channels, as squeeze-and-excite has it; `gated` is what it multiplies."""
    gate = f"m = ReduceMean<keepdims=1>(r, at) a = {CONV}(m, u, e) k = Relu(a) g = {CONV}(k, t, f) s = Sigmoid(g)"
    text = f"{IMAGE} <{FIRST}, {LAST}, {EXCITE}> {{ {A} r = {activation}(c) {gate} p = Mul({gated}) {Z.format('p')} }}"
    return text, PLACES


PRODUCT = (
    f"{IMAGE} <{FIRST}, {LAST}, float[16,3,3,3] u, float[16] e> "
    f"{{ {A} {A.replace('c =', 'r =').replace('w, b', 'u, e')} p = Mul(c, r) {Z.format('p')} }}"
)

# name: (text, constants, the values whose scale can move)
CASES = {
    "linear": (f"{IMAGE} <{FIRST}, {LAST}> {{ {A} {Z.format('c')} }}", {}, "c"),
    "relu": (f"{IMAGE} <{FIRST}, {LAST}> {{ {A} r = Relu(c) {Z.format('r')} }}", {}, "c"),
    "leaky": (f"{IMAGE} <{FIRST}, {LAST}> {{ {A} r = LeakyRelu<alpha=0.1>(c) {Z.format('r')} }}", {}, "c"),
    "prelu": (
        f"{IMAGE} <{FIRST}, {LAST}, float[16,1,1] s> {{ {A} r = PRelu(c, s) {Z.format('r')} }}",
        {},
        "c",
    ),
    "relu6": (
        f"{IMAGE} <{FIRST}, {LAST}, float lo, float hi> {{ {A} r = Clip(c, lo, hi) {Z.format('r')} }}",
        {"lo": 0, "hi": 6},
        "",  # what a channel gives on other inputs may be clipped
    ),
    "depthwise": (
        f"{IMAGE} <{FIRST}, {LAST}, float[16,1,3,3] u, float[16] e> "
        f"{{ {A} r = Relu(c) h = {DEPTHWISE}(r, u, e) q = Relu(h) {Z.format('q')} }}",
        {},
        "c h",
    ),
    "two_readers": (
        f"{IMAGE} <{FIRST}, {LAST}, float[5,16,1,1] u> {{ {A} r = Relu(c) {Z.format('r').replace('y =', 'f =')} "
        f"{Z.format('r').replace('y =', 'g =').replace(' v,', ' u,')} y = Add(f, g) }}",
        {},
        "c",
    ),
    "pooled": (
        f"{IMAGE} <{FIRST}, {LAST}> {{ {A} p = MaxPool<{POOL}, dilations=[1,1]>(c) {Z.format('p')} }}",
        {},
        "c",
    ),
    "mlp": (
        f"{ROWS} <float[16,16] w, float[16] b, float[16,12] v> "
        "{ m = MatMul(x, w) a = Add(m, b) r = Relu(a) y = MatMul(r, v) }",
        {},
        "a",
    ),
    "layer_norm": (
        f"{ROWS} <float[16] g, float[16] b, float[16,12] v> {{ n = {NORM}(x, g, b) y = MatMul(n, v) }}",
        {},
        "n",
    ),
    "windows": (
        f"{ROWS} <float[16] g, float[16] b, float[16,12] v, int64[4] cut, int64[3] back> "
        f"{{ n = {NORM}(x, g, b) u = Reshape(n, cut) t = Transpose<perm=[0,2,1,3]>(u) m = Reshape(t, back)"
        " y = MatMul(m, v) }",
        {"cut": [1, 3, 3, 16], "back": [1, 9, 16]},
        "n",
    ),
    "excite": (*excited("Relu", "r, s"), "c a p"),
    "excite_hard_swish": (*excited("HardSwish", "s, r"), "a p"),
    "multiplied_by_its_means": (
        f"{IMAGE} <{FIRST}, {LAST}, int64[2] at> {{ {A} m = ReduceMean<keepdims=1>(c, at) p = Mul(c, m) "
        f"{Z.format('p')} }}",
        PLACES,
        "p",  # what scales c, scales p twice
    ),
    "product": (
        f"{IMAGE} <{FIRST}, {LAST}, {FIRST.replace(' w', ' u').replace(' b', ' e')}> "
        f"{{ {A} {A.replace('c =', 'r =').replace(' w, b', ' u, e')} p = Mul(c, r) {Z.format('p')} }}",
        {},
        "c r",
    ),
    "hard_swish": (f"{IMAGE} <{FIRST}, {LAST}> {{ {A} r = HardSwish(c) {Z.format('r')} }}", {}, "r"),
    "gelu": (f"{IMAGE} <{FIRST}, {LAST}> {{ {A} r = Gelu(c) {Z.format('r')} }}", {}, "r"),
    "silu": (f"{IMAGE} <{FIRST}, {LAST}> {{ {A} s = Sigmoid(c) r = Mul(c, s) {Z.format('r')} }}", {}, ""),
    "residual": (f"{IMAGE} <{FIRST}, {LAST}> {{ {A} r = Relu(c) q = Add(r, c) {Z.format('q')} }}", {}, ""),
    "shared_weight": (
        f"{IMAGE} <{FIRST}, {LAST}> "
        f"{{ {A} r = Relu(c) {Z.format('r').replace('y =', 'f =')} g = {Z.format('c')[4:]} y = Add(f, g) }}",
        {},
        "",
    ),
}


def built(name, build, **constants):
    text, given, sites = CASES[name]
    return build(text.replace("{size}", "4" if name == "pooled" else "8"), **given, **constants), sites.split()


@pytest.mark.parametrize("name", CASES)
def test_what_can_be_scaled(name, build):
    model, sites = built(name, build)
    assert [site.value for site in find_sites(model.graph)] == sites


@pytest.mark.parametrize("name", [name for name, (_, _, sites) in CASES.items() if sites])
def test_the_float_output_stays(name, build, feeds, run):
    model, sites = built(name, build)
    rng = np.random.default_rng(0)
    found = {site.value: rng.integers(-3 * STEPS, 5 * STEPS + 1, site.channels) for site in find_sites(model.graph)}
    assert list(found) == sites
    for feed in feeds(model, 4):
        expected = run(model, feed)["y"]
        made = apply_equalization(model, found)
        assert np.abs(run(made, feed)["y"] - expected).max() <= 1e-5 * expected.std()
    names = {node.outputs[0].name for node in model.graph}
    new = {node.outputs[0].name for node in made.graph} - names
    assert {name.rpartition("_")[0] for name in new} <= names, "named after the values that they are made of"


@pytest.mark.parametrize("name", ["relu", "depthwise", "mlp", "layer_norm", "leaky"])
def test_channels_that_differ_a_thousandfold(name, build, feeds, run):
    """Spoilt by the very function, so that the float output is known: int8 gets back what it loses."""
    model, sites = built(name, build)
    rng = np.random.default_rng(1)
    spoilt = apply_equalization(
        model, {s.value: rng.integers(-5 * STEPS, 5 * STEPS, s.channels) for s in find_sites(model.graph)}
    )
    inputs, (unseen,) = list(feeds(model, 24)), feeds(model, 1, seed=9)
    expected = run(spoilt, unseen)["y"]

    def snr(graph):
        made = plan(graph, collect(graph, inputs), TFLITE_XNNPACK, observer="mse")
        return snr_db(expected, run(apply(correct_biases(graph, made, inputs), made), unseen)["y"])

    found = find_equalization(spoilt, inputs)
    assert set(found) == set(sites)
    assert snr(apply_equalization(spoilt, found)) > max(30, snr(spoilt) + 6)


def test_behind_a_gate_the_factors_are_exact_in_8_bits(build, feeds, run):
    """They are a product of a few numbers that are stored as they are, and the layer behind undoes just these."""
    model, _ = built("excite_hard_swish", build)
    made = apply_equalization(model, {"p": (np.arange(16) * 3 - 20).tolist()})
    (factors,) = (array(n.inputs[1]) for n in made.graph if n.op_type == "Mul" and n.inputs[1].const_value is not None)
    assert factors.shape == (1, 16, 1, 1)
    assert np.allclose(factors * 255, np.rint(factors * 255), atol=1e-4)
    assert (factors.max(), len(np.unique(factors))) == (1, 16)
    inputs = list(feeds(model, 8))
    statistics = collect(made, inputs)
    kernels = TFLITE_XNNPACK
    planned = plan(*kernels.apply_rewrites(made, statistics), kernels)
    assert [unit.kind for unit in planned.units if unit.output == "p_gate"] == ["Mul"]
    stored = planned.activations[next(u.operands[1] for u in planned.units if u.output == "p_gate")]
    assert np.allclose(stored.dequantize(stored.quantize(factors)), factors, rtol=1e-6)


def test_statistics_of_one_pass_serve_with_and_without_factors_behind_gates(build, feeds):
    model, _ = built("excite_hard_swish", build)
    steps, inputs = {"p": (np.arange(16) * 3 - 20).tolist()}, list(feeds(model, 8))
    both, made = collect(observe_gates(model, steps), inputs), apply_equalization(model, steps)
    for graph in (model, made):
        for name, values in collect(graph, inputs).values.items():
            assert (both[name].min, both[name].max) == pytest.approx((values.min, values.max), rel=1e-5)


def test_unlike_gates_are_made_even(build, feeds, run):
    """Where the gates of some channels are small and the layer behind makes up for it, int8 gets back what it loses."""
    rng = np.random.default_rng(5)
    f = np.where(np.arange(16) % 4, -4.0, 4.0)
    v = rng.normal(size=(5, 16, 1, 1)) * (1 + np.exp(-f)).reshape(1, -1, 1, 1)
    model, _ = built("excite_hard_swish", build, f=f, v=v, t=0.1 * rng.normal(size=(16, 4, 1, 1)))
    inputs, unseen = list(feeds(model, 24)), list(feeds(model, 8, seed=9))
    found = find_equalization(model, inputs)
    assert "p" in found

    def snr(graph):
        made = plan(graph, collect(graph, inputs), TFLITE_XNNPACK, observer="mse")
        written = apply(correct_biases(graph, made, inputs), made)
        pairs = [(run(model, feed)["y"], run(written, feed)["y"]) for feed in unseen]
        return snr_db(*map(np.stack, zip(*pairs, strict=True)))

    assert snr(apply_equalization(model, found)) > snr(model) + 3


def test_a_product_is_made_even_once(build, feeds):
    """Either factor could take all of it; both would make it as uneven as it was."""
    model, _ = built("product", build)
    spoilt = apply_equalization(model, {"c": (STEPS * (np.arange(16) % 8)).tolist()})
    assert len(find_equalization(spoilt, feeds(spoilt, 8)).keys() & {"c", "r"}) == 1


def test_behind_an_activation_function_the_factors_are_a_product(build, feeds):
    model, _ = built("hard_swish", build)
    made = apply_equalization(model, {"r": [STEPS] * 16})
    assert [node.op_type for node in made.graph] == ["Conv", "HardSwish", "Mul", "Conv"]
    widened = {"r": (STEPS * np.arange(16) % 80).tolist()}
    spoilt = apply_equalization(model, widened)
    assert find_equalization(spoilt, feeds(spoilt, 4), in_float=False).keys().isdisjoint({"r"})


def test_good_scales_are_left_alone(build, feeds):
    """All channels alike: nothing is gained by telling them apart."""
    w, v = (np.sign(np.random.default_rng(i).normal(size=s)) / 5 for i, s in ((0, (16, 3, 3, 3)), (1, (5, 16, 1, 1))))
    model, _ = built("relu", build, w=w, v=v, b=np.zeros(16))
    assert find_equalization(model, feeds(model, 8)) == {}


def test_a_dead_channel_does_not_set_the_scale(build, feeds):
    """Its weights are enormous, and nothing is ever multiplied with them."""
    w, v = (np.random.default_rng(i).normal(size=s) for i, s in ((0, (16, 3, 3, 3)), (1, (5, 16, 1, 1))))
    w[0], v[:, 0] = 0, 1000
    model, _ = built("relu", build, w=w, v=v, b=np.zeros(16))
    model = apply_equalization(model, find_equalization(model, feeds(model, 4)))
    weight = array(next(n for n in model.graph if n.outputs[0].name == "y").inputs[1])
    assert np.abs(weight[:, 0]).max() < 3 * np.abs(weight[:, 1:]).max()


def test_bad_arguments(build):
    model, _ = built("relu", build)
    with pytest.raises(QuantizeError, match="no calibration inputs"):
        find_equalization(model, [])
    for steps in ({"nothing": [1, 2]}, {"c": [1, 2]}):
        with pytest.raises(QuantizeError, match="has no 2 channels"):
            apply_equalization(model, steps)
