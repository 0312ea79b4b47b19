"""Every operator case through the Core ML converter and our runner; what convert refuses; what else it writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from cases import CASES
from edgeport.artifacts.errors import NotCanonical, UnsupportedAttribute, UnsupportedOp
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.coreml import convert
from edgeport.exporters.coreml.convert import EXPANDED
from edgeport.exporters.coreml.lowering_table import table
from edgeport.exporters.input_normalization import Normalization, prepend_normalization
from edgeport.graph.dialect import OPS
from edgeport.quantize import apply, collect, plan
from edgeport.runtime.mil.package import read_package
from edgeport.targets.kernel_sets.coreml import COREML_ANE
from edgeport.targets.registry import open_session
from graphs import canonical, canonical_case, feeds, graph, run_onnx

CLASSIFIER = """agraph (float[1,3,8,10] x) => (float[1,5] y) {
    c = Conv <pads=[1,1,1,1]> (x, w, b) r = Relu (c) p = ReduceMean (r, a) f = Reshape (p, s)
    m = MatMul (f, v) y = Add (m, d) }"""
CONSTANTS = {"w": (4, 3, 3, 3), "b": (4,), "a": [2, 3], "s": [1, 4], "v": (4, 5), "d": (5,)}
IMAGENET = Normalization(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))


@pytest.fixture
def package(tmp_path):
    """package(model, **options) -> the path of the written package"""
    count = iter(range(100))

    def write(model, **options) -> Path:
        directory = tmp_path / f"{next(count)}.mlpackage"
        convert(model, directory, **options)
        return directory

    return write


def quantized(model):
    stats = collect(model, (feeds(model, seed) for seed in range(4)))
    decided = plan(model, stats, COREML_ANE)
    return apply(model, decided), decided


def types(path: Path) -> list[str]:
    return [operation.type for operation in read_package(path).operations if operation.type != "const"]


def test_the_table_is_the_dialect():
    assert table.ops() | EXPANDED == set(OPS)


@pytest.mark.parametrize("name", CASES)
def test_float_operator(name, package):
    model = canonical_case(name)
    inputs = feeds(model)
    expected = run_onnx(model, inputs)["y"]
    got = open_session(package(model)).run(inputs)["y"]
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=1e-5 * max(expected.std(), 1), rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_half_operator(name, package):
    model = canonical_case(name)
    inputs = feeds(model)
    expected = run_onnx(model, inputs)["y"]
    got = open_session(package(model, precision="fp16")).run(inputs)["y"]
    assert np.square(got - expected).sum() <= 10 ** (-50 / 10) * np.square(expected).sum()  # an SNR of 50 dB


@pytest.mark.parametrize(
    "name", [n for n in CASES if n.startswith(("conv", "linear", "attention", "mobilevit")) or n in ("silu", "clip")]
)
def test_int8_operator(name, package):
    """The case canonicalised, calibrated and quantised: ONNX Runtime's numbers, but for a step where a sum is a tie."""
    model, decided = quantized(canonicalize(canonical_case(name)))
    inputs = feeds(model)
    expected = run_onnx(model, inputs)["y"]
    path = package(model)
    got = open_session(path).run(inputs)["y"]
    step = max((p.scale for p in decided.activations.values()), default=0)
    assert np.abs(got - expected).max() <= 1.01 * step + 1e-6
    assert types(path).count("quantize") == len(decided.activations)
    assert types(path).count("constexpr_affine_dequantize") == len(decided.weights)


@pytest.mark.parametrize(("target", "version"), [("iOS16", 7), ("iOS17", 8), ("iOS18", 9)])
def test_minimum_target(target, version, package):
    model = canonical(CLASSIFIER, CONSTANTS)
    path = package(model, minimum_target=target)
    assert read_package(path).specification == version
    inputs = feeds(model)
    np.testing.assert_allclose(open_session(path).run(inputs)["y"], run_onnx(model, inputs)["y"], atol=1e-5)


def test_int8_for_ios_18_stores_weights_in_its_own_operation(package):
    model, _ = quantized(canonical(CLASSIFIER, CONSTANTS))
    older, newer = package(model, minimum_target="iOS17"), package(model, minimum_target="iOS18")
    assert types(newer).count("constexpr_blockwise_shift_scale") == 2
    inputs = feeds(model)
    np.testing.assert_array_equal(open_session(newer).run(inputs)["y"], open_session(older).run(inputs)["y"])


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_image_input_and_labels(precision, package):
    model = canonical(CLASSIFIER, CONSTANTS)
    path = package(
        prepend_normalization(model, IMAGENET),
        precision=precision,
        image_input=True,
        labels=list("abcde"),
        metadata={"precision": precision},
    )
    program, session = read_package(path), open_session(path)
    (image,) = program.inputs
    assert (image.name, image.kind, image.colour, image.shape) == ("x", "image", "rgb", (1, 3, 8, 10))
    assert [(f.name, f.kind) for f in program.outputs] == [
        ("classLabel", "string"),
        ("classLabel_probs", "dictionary"),
        ("y", "array"),
    ]
    assert (program.label_name, program.probabilities_name) == ("classLabel", "classLabel_probs")
    assert session.labels == tuple("abcde")
    facts = json.loads(program.metadata["com.edgeport"])
    assert facts == {
        "precision": precision,
        "inputs": [{"name": "x", "shape": [1, 3, 8, 10], "layout": "image"}],
        "outputs": [{"name": "y", "shape": [1, 5]}],
    }
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 8, 10)).astype(np.float32)
    mean, std = (np.reshape(v, (1, 3, 1, 1)) for v in (IMAGENET.mean, IMAGENET.std))
    expected = run_onnx(model, {"x": ((pixels - mean) / std).astype(np.float32)})["y"]
    got = session.run({"x": pixels})
    tolerance = {"fp32": 1e-5, "fp16": 5e-3}[precision]
    np.testing.assert_allclose(got["y"], expected, atol=tolerance)
    probabilities = np.exp(expected) / np.exp(expected).sum()
    np.testing.assert_allclose(got["classLabel_probs"], probabilities, atol=tolerance)


def test_grey_image(package):
    model = canonical("agraph (float[1,1,8,10] x) => (float[1,1,8,10] y) { y = Relu (x) }")
    path = package(prepend_normalization(model, Normalization((127.5,), (63.75,))), image_input=True)
    assert read_package(path).inputs[0].colour == "grayscale"
    pixels = np.arange(80, dtype=np.float32).reshape(1, 1, 8, 10) * 3
    np.testing.assert_allclose(
        open_session(path).run({"x": pixels})["y"], np.maximum((pixels - 127.5) / 63.75, 0), atol=1e-5
    )


def test_an_output_that_is_an_input(package):
    model = canonical("agraph (float[2,3] x) => (float[2,3] y, float[2,3] z) { y = Relu (x) z = Relu (x) }")
    model.graph.outputs[1] = model.graph.inputs[0]
    path = package(model)
    x = np.array([[-1, 2, -3], [4, -5, 6]], np.float32)
    (_, relu), (_, same) = open_session(path).run({"x": x}).items()
    np.testing.assert_array_equal(relu, np.maximum(x, 0))
    np.testing.assert_array_equal(same, x)


def test_names_that_core_ml_does_not_allow(package):
    model = canonical("agraph (float[2,3] x) => (float[2,3] y) { y = Relu (x) }")
    model.graph.inputs[0].name, model.graph.outputs[0].name = "input.1", "3"
    program = read_package(package(model))
    facts = json.loads(program.metadata["com.edgeport"])
    assert [f["name"] for f in (*facts["inputs"], *facts["outputs"])] == [
        f.name for f in (*program.inputs, *program.outputs)
    ]


HIGH_RANK = "agraph (float[1,64,6] x) => (float[{out}] y) {{ a = Reshape (x, s) b = {op} (a) y = {then} }}"


def test_six_axes_between_reshapes(package):
    """A window partition, as Swin has it."""
    text = HIGH_RANK.format(out="16,4,6", op="Transpose <perm=[0,1,3,2,4,5]>", then="Reshape (b, t)")
    model = canonical(text, {"s": [1, 4, 2, 4, 2, 6], "t": [16, 4, 6]})
    inputs = feeds(model)
    np.testing.assert_array_equal(open_session(package(model)).run(inputs)["y"], run_onnx(model, inputs)["y"])


def test_six_axes_anywhere_else_are_refused(package):
    text = HIGH_RANK.format(out="1,4,2,4,2,6", op="Relu", then="Neg (b)")
    with pytest.raises(UnsupportedAttribute, match=r"coreml: Reshape 'y' has 6 axes; .* at most 5"):
        package(canonical(text, {"s": [1, 4, 2, 4, 2, 6]}))


def test_unknown_operator_is_named_with_its_place(package):
    with pytest.raises(UnsupportedOp, match=r"Sinh 'n0' is outside the dialect; known ops: .*Conv"):
        package(graph("agraph (float[2,3] x) => (float[2,3] y) { y = Sinh (x) }"))


def test_what_it_has_not_is_named(package):
    model = canonical("agraph (float[1,2,6,6] x) => (float[1,2,4,4] y) { y = MaxPool <kernel_shape=[3,3]> (x) }")
    model.graph[0].attributes["dilations"] = ir.AttrInt64s("dilations", (2, 2))
    with pytest.raises(UnsupportedAttribute, match="pools with dilations"):
        package(model)


def test_what_left_the_dialect_is_named(package):
    model = canonical("agraph (float[1,2,6,6] x) => (float[1,2,4,4] y) { y = MaxPool <kernel_shape=[3,3]> (x) }")
    model.graph[0].attributes["ceil_mode"] = ir.AttrInt64("ceil_mode", 1)
    with pytest.raises(NotCanonical, match="MaxPool 'y' has attribute 'ceil_mode'"):
        package(model)


def test_int8_needs_ios_17(package):
    model, _ = quantized(canonical(CLASSIFIER, CONSTANTS))
    with pytest.raises(UnsupportedOp, match="int8 needs iOS 17"):
        package(model, minimum_target="iOS16")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"precision": "fp8"}, "precision is one of"),
        ({"minimum_target": "iOS9"}, "minimum_target one of"),
        ({"labels": ["a", "b"]}, "2 labels for 5 classes"),
        ({"labels": ["a", "b", "c", "b", "d"]}, "label 'b' stands for the classes 1 and 3"),
    ],
)
def test_arguments_that_do_not_fit(options, match, package):
    with pytest.raises(ValueError, match=match):
        package(canonical(CLASSIFIER, CONSTANTS), **options)


def test_image_input_needs_an_image(package):
    with pytest.raises(ValueError, match="an image input is one of shape"):
        package(canonical("agraph (float[2,3] x) => (float[2,3] y) { y = Relu (x) }"), image_input=True)


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from edgeport.exporters.coreml import convert
from graphs import canonical_case
assert "coremltools" not in sys.modules
convert(canonical_case("mobilevit_unfold"), Path(sys.argv[2]), precision="fp16")
assert not {"tensorflow", "sklearn", "xgboost", "transformers", "torchvision"} & set(sys.modules)
"""


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_same_bytes_in_every_process_and_not_a_word(tmp_path, package):
    here = str(Path(__file__).parents[1])
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, here, tmp_path / f"seed{seed}.mlpackage"],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC{seed}"},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    first = contents(tmp_path / "seed1.mlpackage")
    assert set(first) == {
        "Manifest.json",
        "Data/com.apple.CoreML/model.mlmodel",
        "Data/com.apple.CoreML/weights/weight.bin",
    }
    assert contents(tmp_path / "seed2.mlpackage") == first
    assert contents(package(canonical_case("mobilevit_unfold"), precision="fp16")) == first


def test_same_bytes_after_a_failure_and_on_another_day(package, monkeypatch):
    import datetime

    from coremltools.converters import _converters_entry

    first = contents(package(canonical_case("attention")))
    with pytest.raises(UnsupportedOp):
        package(quantized(canonical(CLASSIFIER, CONSTANTS))[0], minimum_target="iOS16")

    class Later(datetime.date):
        @classmethod
        def today(cls):
            return cls(2999, 1, 1)

    monkeypatch.setattr(_converters_entry, "date", Later)
    assert contents(package(canonical_case("attention"))) == first
