"""Every operator case through the Core AI converter and Apple's runtime; what else is written, and the same bytes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from cases import CASES
from edgeport.artifacts.errors import UnsupportedAttribute, UnsupportedOp
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.input_normalization import Normalization, prepend_normalization
from edgeport.graph.dialect import OPS
from edgeport.quantize import apply, collect, plan
from edgeport.targets.kernel_sets.coreai import COREAI_ANE
from edgeport.targets.registry import open_session
from graphs import canonical, feeds, graph, run_onnx, snr_db

pytest.importorskip("coreai", reason="coreai-core is for x86-64 Linux and macOS")

from edgeport.exporters.coreai import convert
from edgeport.exporters.coreai.convert import EXPANDED
from edgeport.exporters.coreai.lowering_table import table
from edgeport.runtime.contents.coreai import read_contents
from edgeport.runtime.sessions.coreai_program import read_program

CLASSIFIER = """agraph (float[1,3,8,10] x) => (float[1,5] y) {
    c = Conv <pads=[1,1,1,1]> (x, w, b) r = Relu (c) p = ReduceMean (r, a) f = Reshape (p, s)
    m = MatMul (f, v) y = Add (m, d) }"""
CONSTANTS = {"w": (4, 3, 3, 3), "b": (4,), "a": [2, 3], "s": [1, 4], "v": (4, 5), "d": (5,)}
IMAGENET = Normalization(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
INT8 = [n for n in CASES if n.startswith(("conv", "linear", "attention", "mobilevit")) or n in ("silu", "clip")]


@pytest.fixture
def asset(tmp_path):
    """asset(model, **options) -> the path of the written asset"""
    count = iter(range(100))

    def write(model, **options) -> Path:
        directory = tmp_path / f"{next(count)}.aimodel"
        convert(model, directory, **options)
        return directory

    return write


def case(name):
    text, _, constants = CASES[name]
    return canonical(text, constants)


def quantized(model):
    stats = collect(model, (feeds(model, seed) for seed in range(4)))
    decided = plan(model, stats, COREAI_ANE)
    return apply(model, decided), decided


def run(path, inputs):
    session = open_session(path)
    try:
        return session.run(inputs)["y"]
    finally:
        session.close()


def test_the_table_is_the_dialect():
    assert table.ops() | EXPANDED == set(OPS)
    assert not table.ops() & EXPANDED


@pytest.mark.parametrize("name", CASES)
def test_float_operator(name, asset):
    model = case(name)
    inputs = feeds(model)
    expected = run_onnx(model, inputs)["y"]
    got = run(asset(model), inputs)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=1e-5 * max(expected.std(), 1), rtol=0)


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("grid_sample")])
def test_half_operator(name, asset):
    """Sums are float16, too, so long ones are less exact than on a device that adds in float32. Places in half
    precision are other pixels where a grid samples the nearest.
    """
    model = case(name)
    inputs = feeds(model)
    expected = run_onnx(model, inputs)["y"]
    got = run(asset(model, precision="fp16"), inputs)
    assert np.square(got - expected).sum() <= 10 ** (-45 / 10) * np.square(expected).sum()  # an SNR of 45 dB


@pytest.mark.parametrize("name", INT8)
def test_int8_operator(name, asset):
    """The case canonicalised, calibrated and quantised: ONNX Runtime's numbers, but for a step where a sum is a tie."""
    model, decided = quantized(canonicalize(case(name)))
    inputs = feeds(model)
    expected = run_onnx(model, inputs)["y"]
    path = asset(model)
    got = run(path, inputs)
    step = max((p.scale for p in decided.activations.values()), default=0)
    assert np.abs(got - expected).max() <= 1.01 * step + 1e-6
    kinds = [operation.kind for operation in read_program(path).operations]
    assert kinds.count("quantize") == len(decided.activations)
    assert kinds.count("dequantize") == len(decided.activations) + len(decided.weights)


def test_a_product_is_clamped_before_it_is_quantised(asset):
    """The Neural Engine's fused multiplication does not saturate; what is no product needs no clamp."""
    text = "agraph (float[1,3,8,10] x) => (float[1,4,8,10] y) { s = Sigmoid (x) p = Mul (x, s) y = Conv (p, w, b) }"
    model, _ = quantized(canonical(text, {"w": (4, 3, 1, 1), "b": (4,)}))
    operations = read_program(asset(model)).operations
    made_by = {value.key: each for each in operations for value in each.results}

    def before(operation):
        return made_by.get(operation.operands[0].key)

    (rounds_product,) = [each for each in operations if each.kind == "quantize" and each.name.startswith("p")]
    assert before(rounds_product).kind == "broadcasting_minimum"
    assert before(before(rounds_product)).kind == "broadcasting_maximum"
    assert before(before(before(rounds_product))).kind == "broadcasting_mul"
    plain, _ = quantized(canonical(CLASSIFIER, CONSTANTS))
    assert "broadcasting_maximum" not in {each.kind for each in read_program(asset(plain)).operations}


def test_operators_that_float16_cannot_compute_stay_float32(asset):
    text = "agraph (float[1,4] x) => (float[1,4] y) { a = Mul (x, c) y = Mul (a, d) }"
    model = canonical(text, {"c": np.float32(3e5), "d": np.float32(1e-5)})
    name = model.graph[0].outputs[0].name
    x = {"x": np.array([[1, -2, 0.5, 4]], np.float32)}
    assert not np.isfinite(run(asset(model, precision="fp16"), x)).all()
    names = {node.outputs[0].name for node in model.graph}
    np.testing.assert_allclose(run(asset(model, precision="fp16", float32=names), x), 3 * x["x"], rtol=1e-3)
    assert name in names


def test_what_is_not_a_number(asset):
    model = canonical("agraph (float[2,2] x) => (float[2,2] y) { n = IsNaN (x) y = Where (n, c, x) }", {"c": [7.0]})
    got = run(asset(model), {"x": np.array([[np.nan, 1], [-np.inf, np.nan]], np.float32)})
    np.testing.assert_array_equal(got, [[7, 1], [-np.inf, 7]])


def test_small_scales_keep_their_precision_in_half(asset):
    """Below 6e-5 float16 has fewer digits; those scales are stored as float32."""
    text = "agraph (float[1,3,8,10] x) => (float[1,4,8,10] y) { y = Conv (x, w, b) }"
    w = np.random.default_rng(0).normal(size=(4, 3, 1, 1)).astype(np.float32) * 1e-5
    model, _ = quantized(canonical(text, {"w": w, "b": (4,)}))
    kinds = {value.dtype for each in read_program(asset(model, precision="fp16")).operations for value in each.operands}
    assert "float32" in kinds
    inputs = feeds(model)
    assert snr_db(run_onnx(model, inputs)["y"], run(asset(model, precision="fp16"), inputs)) >= 40


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_pixels_and_facts(precision, asset):
    model = canonical(CLASSIFIER, CONSTANTS)
    facts = {"model": "tiny", "labels": list("abcde"), "layout": "nhwc", "license": "Apache-2.0"}
    path = asset(prepend_normalization(model, IMAGENET), precision=precision, pixels=True, metadata=facts)
    written = json.loads((path / "metadata.json").read_text())
    assert json.loads(written["creatorDefinedMetadata"]["com.edgeport"]) == facts
    assert (written["author"], written["description"], written["license"]) == ("edgeport", "tiny", "Apache-2.0")
    assert "creationDate" not in written
    ((name, image),) = read_program(path).inputs
    assert (name, image.shape, image.dtype) == ("x", (1, 8, 10, 3), "uint8")
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 8, 10)).astype(np.uint8)
    mean, std = (np.reshape(v, (1, 3, 1, 1)) for v in (IMAGENET.mean, IMAGENET.std))
    expected = run_onnx(model, {"x": ((pixels - mean) / std).astype(np.float32)})["y"]
    np.testing.assert_allclose(run(path, {"x": pixels}), expected, atol={"fp32": 1e-5, "fp16": 5e-3}[precision])


def test_an_output_that_is_an_input(asset):
    model = canonical("agraph (float[2,3] x) => (float[2,3] y, float[2,3] z) { y = Relu (x) z = Relu (x) }")
    model.graph.outputs[1] = model.graph.inputs[0]
    x = np.array([[-1, 2, -3], [4, -5, 6]], np.float32)
    session = open_session(asset(model, precision="fp16"))
    (_, relu), (_, same) = session.run({"x": x}).items()
    np.testing.assert_array_equal(relu, np.maximum(x, 0))
    np.testing.assert_array_equal(same, x)


def test_names_are_the_models_own(asset):
    model = canonical("agraph (float[2,3] x) => (float[2,3] y) { y = Relu (x) }")
    model.graph.inputs[0].name, model.graph.outputs[0].name = "input.1", 'the "sum" ü'
    session = open_session(asset(model))
    assert [spec.name for spec in (*session.inputs, *session.outputs)] == ["input.1", 'the "sum" ü']


def test_unknown_operator_is_named_with_its_place(asset):
    with pytest.raises(UnsupportedOp, match=r"Sinh 'n0' is outside the dialect; known ops: .*Conv"):
        asset(graph("agraph (float[2,3] x) => (float[2,3] y) { y = Sinh (x) }"))


def test_arguments_that_do_not_fit(asset, tmp_path):
    model = canonical(CLASSIFIER, CONSTANTS)
    with pytest.raises(ValueError, match="precision is one of fp32, fp16"):
        asset(model, precision="fp8")
    with pytest.raises(ValueError, match=r"not the name of a new \.aimodel folder"):
        convert(model, tmp_path / "a.mlpackage")


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from cases import CASES
from edgeport.exporters.coreai import convert
from graphs import canonical
assert "coreai" not in sys.modules
text, _, constants = CASES["mobilevit_unfold"]
convert(canonical(text, constants), Path(sys.argv[2]), precision="fp16")
"""


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_same_bytes_in_every_process_and_not_a_word(tmp_path, asset):
    """Nor the name of a source file or of the place where it was written."""
    here = str(Path(__file__).parents[1])
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, here, tmp_path / f"seed{seed}.aimodel"],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC{seed}"},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    first = contents(tmp_path / "seed1.aimodel")
    assert set(first) == {"main.mlirb", "main.hash", "metadata.json"}
    assert contents(tmp_path / "seed2.aimodel") == first
    assert contents(asset(case("mobilevit_unfold"), precision="fp16")) == first
    places = (b"toolkit.", b"convert.", b"<string>", b"DW_LANG", str(tmp_path).encode(), here.encode())
    assert not any(word in first["main.mlirb"] for word in places)


def test_same_bytes_of_int8_and_after_a_failure(asset):
    model, _ = quantized(canonical(CLASSIFIER, CONSTANTS))
    first = contents(asset(model, precision="fp16"))
    with pytest.raises(UnsupportedOp):
        asset(graph("agraph (float[2,3] x) => (float[2,3] y) { y = Sinh (x) }"))
    assert contents(asset(model, precision="fp16")) == first


@pytest.mark.parametrize("reverses", [False, True], ids=["rgb", "bgr"])
def test_an_image_input_takes_pixels(reverses, asset):
    """All but the image itself, which this runtime cannot be given: a tensor of its pixels is in its place."""
    model = canonical(CLASSIFIER, CONSTANTS)
    taken = prepend_normalization(model, Normalization(IMAGENET.mean, IMAGENET.std, reverses))
    path = asset(taken, pixels=True, image=True, metadata={"layout": "image"})
    assert b"image_to_tensor" in (path / "main.mlirb").read_bytes()
    assert read_program(path).images == {"x"}
    (port,) = read_contents(path).inputs
    assert (port.shape, port.dtype) == ((8, 10, 3), "rgb image")
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 8, 10)).astype(np.uint8)
    seen = pixels[:, ::-1] if reverses else pixels
    mean, std = (np.reshape(v, (1, 3, 1, 1)) for v in (IMAGENET.mean, IMAGENET.std))
    expected = run_onnx(model, {"x": ((seen - mean) / std).astype(np.float32)})["y"]
    np.testing.assert_allclose(run(path, {"x": pixels}), expected, atol=1e-5)


def test_an_image_has_three_channels(asset):
    model = canonical("agraph (float[1,1,8,10] x) => (float[1,1,8,10] y) { y = Relu (x) }")
    with pytest.raises(UnsupportedAttribute, match=r"an image input has 3 channels, and 'x' is \(1, 1, 8, 10\)"):
        asset(prepend_normalization(model, Normalization((127.5,), (63.75,))), pixels=True, image=True)


def test_a_dimension_of_every_rank(asset):
    """Six axes, as a window partition has them, and none."""
    text = "agraph (float[1,64,6] x) => (float[1,4,2,4,2,6] y) { a = Reshape (x, s) y = Relu (a) }"
    model = canonical(text, {"s": [1, 4, 2, 4, 2, 6]})
    inputs = feeds(model)
    np.testing.assert_array_equal(run(asset(model), inputs), run_onnx(model, inputs)["y"])
    scalar = canonical("agraph (float x) => (float y) { y = Relu (x) }")
    assert scalar.graph.inputs[0].dtype == ir.DataType.FLOAT
    assert run(asset(scalar), {"x": np.float32(3)}) == 3
