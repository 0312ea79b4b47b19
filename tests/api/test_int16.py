"""Precision int16x8 and budgets of int16, from `export` to what reads the artifact."""

import edgeport
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from edgeport import Manifest
from edgeport.targets.registry import targets

MODEL = "vit_test"  # layer norm, attention, GELU
QUICK = {"weights": "random", "benchmark": False}


@pytest.fixture(scope="module")
def inputs():
    size = edgeport.get_variant(MODEL).input_size
    return np.random.default_rng(0).normal(size=(16, *size)).astype(np.float32)


@pytest.fixture(scope="module")
def made(inputs, tmp_path_factory):
    """{profile: an int16x8 artifact of it}."""
    folder = tmp_path_factory.mktemp("int16")
    return {
        profile: edgeport.export(
            *(MODEL, "tflite"),
            precision="int16x8",
            profile=profile,
            calibration=inputs,
            output_dir=folder / profile,
            **QUICK,
        )
        for profile in ("xnnpack", "npu", "micro")
    }


def types(path) -> set[str]:
    return {np.dtype(each["dtype"]).name for each in Interpreter(model_path=str(path)).get_tensor_details()}


@pytest.mark.parametrize(("profile", "ends"), [("xnnpack", "float32"), ("npu", "int16"), ("micro", "int16")])
def test_an_artifact_of_int16_activations(profile, ends, made):
    result = made[profile]
    assert (result.ok, result.path.name) == (True, f"{MODEL}_int16x8.tflite")
    assert result.agreement.snr_db > 30
    assert types(result.path) == {"int8", "int16", "int32", "int64"} | {ends}
    manifest = Manifest.read(result.manifest_path)
    assert (manifest.precision, manifest.profile) == ("int16x8", profile)
    assert (manifest.inputs[0].dtype, manifest.outputs[0].dtype) == (ends, ends)
    assert set(manifest.activations) == {"int16"} | ({"float32"} if ends == "float32" else set())
    assert manifest.calibration is not None


@pytest.mark.parametrize("profile", ["xnnpack", "npu"])
def test_the_commands_read_it(profile, made, inputs, tmp_path):
    result = made[profile]
    validated = edgeport.validate(result.path, data=inputs, num_validation_samples=4)
    assert validated.ok
    facts = edgeport.info(result.path)
    assert facts["activations"]["int16"] > 5
    found = edgeport.debug(result.path, data=inputs, num_validation_samples=2, output_dir=tmp_path)
    runs = [layer for layer in found.layers if layer.precision == "int16"]
    assert {layer.kind for layer in found.layers if layer not in runs} == (
        set() if profile == "npu" else {"LayerNormalization"}
    )
    assert all(layer.alone.snr_db > 35 for layer in runs)
    assert all(layer.accumulated.snr_db > 30 for layer in runs)
    times = edgeport.profile(result.path, num_runs=2, probe=False)
    assert {kernel.kind for kernel in times.kernels} >= {"int16"}


def test_what_differs_is_not_hidden_by_the_finer_steps(made, inputs):
    """int8's error is in the activations; what is left in int16x8 is that of the weights."""
    narrow = edgeport.export(
        *(MODEL, "tflite"),
        precision="int8",
        profile="npu",
        calibration=inputs,
        output_dir=made["npu"].path.parent,
        **QUICK,
    )
    assert made["npu"].agreement.snr_db > narrow.agreement.snr_db + 6


@pytest.mark.parametrize("target", sorted(targets().keys() - {"tflite"}))
def test_other_targets_say_that_they_have_none(target):
    with pytest.raises(edgeport.ExportError, match=f"{target}: no precision int16x8: .*; take int8, or tflite"):
        edgeport.export(MODEL, target, precision="int16x8")


REFUSED = {
    "a GPU": ({"profile": "gpu"}, "--profile gpu is for --precision fp32 and fp16 and w8a32, not for int16x8"),
    "a budget without float": (
        {"profile": "npu", "min_snr": 30},
        "nothing finer than int16 .* take --int8, whose budget",
    ),
    "float without float": (
        {"profile": "npu", "keep_float": "head"},
        "no float that units could stay in; take --keep-int16",
    ),
    "int16 among int16": ({"keep_int16": "head"}, "--keep-int16 is for --int8 with a profile without float"),
    "int16 beside float": (
        {"precision": "int8", "keep_int16": "head"},
        "--keep-int16 is for --int8 with a profile without",
    ),
    "bytes out": ({"output_type": "uint8"}, "--output-type uint8 is not of int16x8, which has float32 and int16"),
    "words out": (
        {"precision": "int8", "output_type": "int16"},
        "--output-type int16 is not of int8, which has float32",
    ),
    "no such unit": (
        {"precision": "int8", "profile": "npu", "keep_int16": "nobody"},
        "--keep-int16: no module or value is called 'nobody'",
    ),
    "the highest scores": ({"profile": "npu", "top_k": 3}, "profile npu has no integer kernel that finds the highest"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_go_together_is_said(name, inputs, tmp_path):
    options, words = REFUSED[name]
    with pytest.raises(edgeport.EdgeportError, match=words):
        edgeport.export(MODEL, "tflite", **{"precision": "int16x8"} | options, calibration=inputs, output_dir=tmp_path)
    assert not list(tmp_path.rglob("*.tflite"))


def test_a_bundle_has_no_wrapper_for_int16_ends(made, tmp_path):
    with pytest.raises(edgeport.UsageError, match="takes int16 and gives int16, which the wrappers do not"):
        edgeport.bundle(made["micro"].path, "micro", output=tmp_path / "app")


def test_units_that_are_named_have_int16_activations(inputs, tmp_path):
    options = {"precision": "int8", "profile": "npu", "calibration": inputs, "output_dir": tmp_path, **QUICK}
    result = edgeport.export(MODEL, "tflite", keep_int16="blocks.0.*", **options)
    manifest = Manifest.read(result.manifest_path)
    assert manifest.kept_int16
    assert not manifest.kept_float
    assert manifest.activations["int16"] >= len(manifest.kept_int16)
    assert {spec.dtype for spec in (*manifest.inputs, *manifest.outputs)} == {"int8"}
    assert types(result.path) == {"int8", "int16", "int32", "int64"}
    found = edgeport.debug(result.path, data=inputs, num_validation_samples=2, output_dir=tmp_path / "debug")
    assert {layer.name for layer in found.layers if layer.precision == "int16"} == set(manifest.kept_int16)
    assert all(layer.alone.snr_db > 20 for layer in found.layers if layer.alone)


def test_a_budget_raises_units_to_int16_where_there_is_no_float(inputs, tmp_path):
    """As few as it needs: it is met, not all are raised, and the figure without them was too low."""
    options = {
        "precision": "int8",
        "profile": "npu",
        "calibration": inputs,
        "output_dir": tmp_path,
        "effort": "fast",
        **QUICK,
    }
    plain = edgeport.export(MODEL, "tflite", **options, num_validation_samples=8)
    goal = plain.agreement.snr_db + 1.5
    result = edgeport.export(MODEL, "tflite", min_snr=goal, **options, num_validation_samples=8)
    manifest = Manifest.read(result.manifest_path)
    assert manifest.kept_int16 == result.search.kept_int16 != ()
    assert not result.search.kept_float
    assert "in int16" in result.search.table
    assert result.search.frontier[0]["kept_int16"] == []
    assert result.search.frontier[-1]["snr_db"] > plain.agreement.snr_db
    assert 0 < manifest.activations["int16"] < manifest.activations["int8"] + manifest.activations["int16"]
    assert types(result.path) == {"int8", "int16", "int32", "int64"}
