import contextlib
import dataclasses
import importlib.util
import io
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from edgeport.artifacts.exit_codes import BAD_INPUT, NOT_EXPORTABLE
from edgeport.artifacts.manifest import Manifest
from edgeport.cli.main import main
from edgeport.exporters import coreml
from edgeport.pipeline.options import PRECISIONS
from edgeport.runtime import compare
from edgeport.runtime.output_kinds import MAX_SNR_DB
from edgeport.targets import registry
from edgeport.targets.registry import open_session
from readback import read

MODEL, CLASSES = "mobilevit_test", 10  # convolutions, attention and Concat in one
SAMPLES = ("--num-validation-samples", "4")
ENDINGS = {
    "tflite": ".tflite",
    "openvino": "_openvino_model",
    "coreml": ".mlpackage",
    "onnx": ".onnx",
    "coreai": ".aimodel",
}
EMULATED = ("coreml", "coreai")
COMMON = ("fp32", "fp16", "int8", "w8a32")  # what every target has
EVERY = [(target, precision) for target in registry.everyday_targets() for precision in COMMON]


@pytest.fixture(scope="module")
def labels(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("labels") / "labels.txt"
    file.write_text("".join(f"class {i}\n" for i in range(CLASSES)), "utf-8")
    return file


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory, labels) -> dict[str, dict[str, dict]]:
    """{precision: {target: what --json says}} of one command for each precision."""
    folder, told = tmp_path_factory.mktemp("everywhere"), {}
    for precision in COMMON:
        out = io.StringIO()
        options = ("--labels", str(labels), "--output-dir", str(folder), "--num-runs", "3", "--quiet", "--json")
        with contextlib.redirect_stdout(out):
            code = main(["export", MODEL, "--target", "all", "--precision", precision, *SAMPLES, *options])
        assert code == 0
        results = json.loads(out.getvalue())
        assert [result["target"] for result in results] == registry.everyday_targets()
        told[precision] = {result["target"]: result for result in results}
    return told


def test_the_command_line_knows_the_targets():
    (system,) = (option for option in registry.get_target("coreml").options if option.choices)
    assert list(registry.targets()) == [*ENDINGS]
    assert tuple(compare.TOLERANCE) == PRECISIONS
    assert coreml.convert.__globals__["TARGETS"] == system.choices


@pytest.mark.parametrize(("target", "precision"), EVERY)
def test_export(everywhere, target, precision):
    result = everywhere[precision][target]
    assert Path(result["artifact"]).name == f"{MODEL}_{precision}{ENDINGS[target]}"
    assert result["verdict"] == "ok" or result["verdict"].startswith("warn: ") == (precision == "int8")
    assert result["emulated"] == (target in EMULATED)
    assert (result["latency"] is None) == result["emulated"]
    assert (result["ratio"] is None) == (precision not in ("fp32", "int8") or result["emulated"])
    manifest = Manifest.read(Path(result["manifest"]))
    assert (manifest.target, manifest.precision, manifest.verdict) == (target, precision, result["verdict"])
    assert manifest.artifact.size_bytes == result["size_bytes"]
    assert manifest.options.get("coreml_target") == ("iOS17" if target == "coreml" else None)
    assert manifest.inputs[0].layout == ("nhwc" if target == "tflite" else "nchw")
    assert (manifest.calibration is not None) == (manifest.profile is not None) == (precision == "int8")
    needed = {"fp32": 80, "fp16": 40 if target == "coreai" else 45, "int8": 20, "w8a32": 25}[precision]
    assert result["agreement"]["snr_db"] > needed


def test_the_other_precisions_are_made_where_they_are_real_and_refused_elsewhere(edgeport):
    for precision in sorted({*PRECISIONS} - {*COMMON}):
        options = ("--precision", precision, "--no-benchmark", "--json", *SAMPLES)
        done = edgeport("export", MODEL, "--target", "all", *options)
        for result in json.loads(done.out):
            refused = precision in registry.get_target(result["target"]).refused
            assert result["verdict"].startswith("error") == refused, result["verdict"]
            assert (result["artifact"] is None) == refused
            if not refused:
                manifest = Manifest.read(Path(result["manifest"]))
                quantized = precision == "int16x8"
                assert manifest.precision == precision
                assert (manifest.calibration is not None) == (manifest.profile is not None) == quantized
        assert done.code == NOT_EXPORTABLE
        target = next(name for name, each in registry.targets().items() if precision in each.refused)
        done = edgeport("export", MODEL, "--target", target, *options)
        assert (done.code, done.err.count("\n")) == (NOT_EXPORTABLE, 1), done.err


def test_without_float(edgeport):
    """--profile npu: int8 in and out, and nothing but integers between."""
    from ai_edge_litert.interpreter import Interpreter

    done = edgeport(
        "export", MODEL, "--int8", "--profile", "npu", "--ranges", "minmax", "--no-benchmark", "--json", *SAMPLES
    )
    result = json.loads(done.out)
    assert done.code == 0, done.err
    assert result["agreement"]["snr_db"] > 15
    manifest = Manifest.read(Path(result["manifest"]))
    assert (manifest.profile, manifest.calibration.observer) == ("npu", "minmax")
    assert (manifest.inputs[0].dtype, manifest.outputs[0].dtype) == ("int8", "int8")
    interpreter = Interpreter(model_path=result["artifact"])
    kinds = {tensor["dtype"].__name__ for tensor in interpreter.get_tensor_details()}
    assert kinds <= {"int8", "int32"}
    debug = edgeport("debug", result["artifact"], "--json", *SAMPLES)
    assert debug.code == 0, debug.err
    assert all(layer["precision"] == "int8" for layer in json.loads(debug.out)["layers"])


def test_for_a_microcontroller(edgeport):
    """--profile micro, from the export to what `info` says."""
    done = edgeport("export", MODEL, "--int8", "--profile", "micro", "--json", *SAMPLES)
    result = json.loads(done.out)
    assert done.code == 0, done.err
    assert (result["emulated"], Manifest.read(Path(result["manifest"])).profile) == (True, "micro")
    assert result["agreement"]["snr_db"] > 15
    need = json.loads(edgeport("info", result["artifact"], "--json").out)["microcontroller"]
    assert need["flash_bytes"] == Path(result["artifact"]).stat().st_size
    assert need["arena_bytes"] > 32 * 32 * 3
    said = edgeport("info", result["artifact"]).out
    assert f"arena {need['arena_bytes']:,} bytes ({need['arena_source']}); flash {need['flash_bytes']:,} bytes" in said
    assert all(f"{name} ({count})" in said for name, count in need["operators"].items())
    twin = json.loads(edgeport("export", MODEL, "--no-benchmark", "--no-validate", "--json").out)["artifact"]
    assert "microcontroller no: it computes in float32 (at 'image')" in edgeport("info", twin).out
    debug = edgeport("debug", result["artifact"], "--json", *SAMPLES)
    assert debug.code == 0, debug.err
    assert all(layer["precision"] == "int8" for layer in json.loads(debug.out)["layers"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--target", "onnx", "--int8", "--profile", "npu"), "--profile npu is not of onnx, which has onnxruntime-cpu"),
        (("--profile", "npu"), "--profile npu is for --precision int8 and int16x8, not for fp32"),
        (("--int8", "--profile", "gpu"), "a GPU computes an int8 file in float, of dequantised numbers, and no faster"),
        (("--int8", "--profile", "npu", "--keep-float", "stem"), "profile npu has no float"),
    ],
)
def test_profiles_that_do_not_fit(edgeport, options, message):
    done = edgeport("export", MODEL, *options)
    assert (done.code, message in done.err) == (BAD_INPUT, True), done.err


def test_the_profiles_are_listed(edgeport):
    listed = json.loads(edgeport("list", "--profiles", "--json").out)
    assert {row["name"]: row["target"] for row in listed} == {
        profile.name: target.name for target in registry.targets().values() for profile in target.profiles
    }
    assert "npu" in edgeport("list", "--profiles").out


@pytest.mark.parametrize(("target", "precision"), EVERY)
def test_validate_needs_the_artifact_and_its_manifest(edgeport, everywhere, tmp_path, target, precision):
    result = everywhere[precision][target]
    for name in ("artifact", "manifest"):
        path = Path(result[name])
        (shutil.copytree if path.is_dir() else shutil.copy)(path, tmp_path / path.name)
    name = Path(result["artifact"]).name
    if target == "openvino":
        name = f"{name}/{MODEL}.xml"
    done = edgeport("validate", name, "--json", *SAMPLES)
    again = json.loads(done.out)
    assert done.code == 0, done.err
    for key in ("target", "precision", "size_bytes", "agreement", "verdict", "emulated"):
        assert again[key] == result[key]


def test_float_and_int8_are_made_together(everywhere):
    for target, result in everywhere["int8"].items():
        fp32 = everywhere["fp32"][target]
        assert result["fp32"]["size_bytes"] == fp32["size_bytes"]
        assert (
            Manifest.read(Path(fp32["manifest"])).artifact == Manifest.read(Path(result["fp32"]["manifest"])).artifact
        )


def test_slow_int8_is_said_of_its_target(everywhere):
    for target, result in everywhere["int8"].items():
        slow = [text for text in result["warnings"] if "SLOWER" in text]
        assert len(slow) == (result["ratio"] is not None and result["ratio"] > 1)
        assert all(text.startswith(f"{target}: ") for text in slow)


def test_the_targets_agree_on_weights_and_ranges(everywhere):
    found = {target: read(Path(result["artifact"])) for target, result in everywhere["int8"].items()}
    for a, b in itertools.combinations(found, 2):
        assert found[a].weights == found[b].weights
        ranges = [
            (name, found[a].ranges[name], found[b].ranges[name]) for name in found[a].ranges if name in found[b].ranges
        ]
        if "tflite" in (a, b):  # its kernel has one range for all sigmoids
            ranges = [each for each in ranges if not each[0].endswith("_sigmoid")]
        others = [each for each in ranges if not same(*each[1:])]
        assert len(ranges) >= 40
        assert len(others) <= len(ranges) // 8
        for _, one, other in others:  # values that share their parameters in one target only, such as Concat's
            inside, around = sorted((one, other), key=lambda range_: range_[1] - range_[0])
            step = (around[1] - around[0]) / 255
            assert around[0] - step <= inside[0] <= inside[1] <= around[1] + step


def same(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether two ranges are one, as far as half precision tells."""
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) <= (a[1] - a[0]) * 2**-10


def test_one_target_alone_gives_the_same_bytes(edgeport, everywhere, labels):
    options = ("--no-benchmark", "--no-validate", "--labels", labels, "--json")
    alone = json.loads(edgeport("export", MODEL, "--target", "openvino", "--int8", *options).out)
    digests = {Manifest.read(Path(r["manifest"])).artifact.sha256 for r in (alone, everywhere["int8"]["openvino"])}
    assert len(digests) == 1


def test_labels_are_in_every_artifact(everywhere):
    import onnx
    import openvino

    wanted = [f"class {i}" for i in range(CLASSES)]
    paths = {target: Path(result["artifact"]) for target, result in everywhere["fp32"].items()}
    for path in paths.values():
        outputs = Manifest.read(path.with_name(f"{path.name}.json")).outputs
        assert all(list(output.labels) == wanted for output in outputs)
    props = {prop.key: prop.value for prop in onnx.load(paths["onnx"]).metadata_props}
    assert json.loads(props["edgeport"])["labels"] == wanted
    assert props["model_info labels"].split(" ") == [label.replace(" ", "_") for label in wanted]
    network = openvino.Core().read_model(next(paths["openvino"].glob("*.xml")))
    assert network.get_rt_info(["model_info", "labels"]).value == props["model_info labels"]
    session = open_session(paths["coreml"])
    assert list(session.labels) == wanted
    assert {"logits", "classLabel_probs"} <= {spec.name for spec in session.outputs}
    assert json.dumps(wanted, separators=(",", ":")).encode() in paths["tflite"].read_bytes()


def test_benchmark_of_all_formats(edgeport, everywhere):
    paths = [result["artifact"] for result in reversed(everywhere["fp32"].values())]
    done = edgeport("benchmark", *paths, "--num-runs", 3, "--json")
    results = {each["artifact"]: each for each in json.loads(done.out)["results"]}
    assert list(results) == paths
    assert [each["emulated"] for each in results.values()] == [path.endswith(".mlpackage") for path in paths]
    assert all((each["latency"] is None) == (each["ratio"] is None) == each["emulated"] for each in results.values())
    assert "can only be emulated" in done.err
    alone = edgeport("benchmark", next(path for path in paths if path.endswith(".mlpackage")))
    assert alone.code == 0
    assert "emulated" in alone.out


@pytest.mark.parametrize("target", registry.everyday_targets())
def test_info(edgeport, everywhere, target):
    facts = json.loads(edgeport("info", everywhere["fp32"][target]["artifact"], "--json").out)
    (taken,) = facts["inputs"]
    assert (taken["name"], taken["shape"], taken["dtype"]) == ("image", [1, 3, 128, 128], "float32")
    assert taken["stored"]["shape"] == ([1, 128, 128, 3] if target == "tflite" else [1, 3, 128, 128])
    assert facts["size_bytes"] == everywhere["fp32"][target]["size_bytes"]


def test_an_image_goes_in(edgeport):
    options = ("--image-input", "--coreml-target", "iOS16", "--json")
    done = edgeport("export", MODEL, "--target", "coreml", *SAMPLES, *options)
    result = json.loads(done.out)
    manifest = Manifest.read(Path(result["manifest"]))
    assert (done.code, result["verdict"], manifest.options["coreml_target"]) == (0, "ok", "iOS16")
    assert (manifest.inputs[0].layout, manifest.inputs[0].dtype) == ("image", "uint8")
    again = json.loads(edgeport("validate", result["artifact"], "--json", *SAMPLES).out)
    assert again["agreement"] == result["agreement"]
    other = edgeport("validate", result["artifact"], "--reference", result["artifact"], "--json", *SAMPLES)
    assert json.loads(other.out)["agreement"]["snr_db"] == MAX_SNR_DB


@pytest.mark.parametrize("target", registry.everyday_targets())
def test_a_hidden_extra_stops_only_its_target(edgeport, monkeypatch, target):
    hidden, there = set(registry.get_target(target).needs), importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in hidden else there(name))
    options = ("--no-benchmark", "--no-validate", "--json")
    done = edgeport("export", "lenet5", "--target", "all", *options)
    verdicts = {result["target"]: result["verdict"] for result in json.loads(done.out)}
    assert done.code == 2
    assert verdicts.pop(target).startswith(f"error: target {target} needs ")
    assert set(verdicts.values()) == {"not validated"}
    made = {path.name for path in Path("artifacts/lenet5").iterdir()}
    assert made == {f"lenet5_fp32{ENDINGS[t]}{end}" for t in verdicts for end in ("", ".json")}
    assert edgeport("export", "lenet5", "--target", target, *options).code == 2


def test_a_bug_in_one_target_is_told_and_the_others_go_on(edgeport, monkeypatch):
    def broken(*_):
        raise KeyError("nobody expected this")

    monkeypatch.setitem(
        registry.targets(), "openvino", dataclasses.replace(registry.get_target("openvino"), lower=broken)
    )
    done = edgeport("export", "lenet5", "--target", "all", "--num-runs", 1, *SAMPLES)
    assert done.code == 1
    assert "Traceback" in done.err
    rows = done.out.splitlines()[1:5]  # behind them is what timed it
    assert [row.split()[-1] == "ok" for row in rows] == [True, False, True, True]
    assert "error: openvino: a bug: KeyError" in rows[1]
    with pytest.raises(KeyError):
        edgeport("export", "lenet5", "--target", "openvino")


def test_disagreement_of_one_target(edgeport, monkeypatch):
    monkeypatch.setitem(compare.TOLERANCE, "fp16", compare.Limits(snr_db=90))
    done = edgeport("export", "lenet5", "--target", "all", "--precision", "fp16", "--json", "--no-benchmark", *SAMPLES)
    assert done.code == 4
    assert all(result["verdict"].startswith("fail: SNR") for result in json.loads(done.out))


def test_poor_int8_is_a_warning(edgeport, monkeypatch):
    monkeypatch.setitem(compare.EXPECTED, "int8", compare.Limits(snr_db=60))
    done = edgeport("export", "lenet5", "--int8", "--json", "--no-benchmark", *SAMPLES)
    result = json.loads(done.out)
    assert done.code == 0
    assert result["verdict"].startswith("warn: SNR in dB")
    assert Manifest.read(Path(result["manifest"])).verdict == result["verdict"]
    done = edgeport("validate", result["artifact"], *SAMPLES)
    assert done.code == 0
    assert "warn: SNR in dB" in done.out


# what: (arguments, the labels file, exit code, what the sentence says)
REFUSED = {
    "other target": ("--target tflite --image-input", None, 2, "--image-input is for --target coreml and coreai"),
    "plain": ("--target onnx --plain-operators", None, 2, "--plain-operators is for --target tflite, not for onnx"),
    "another option": ("--target onnx --coreml-target iOS17", None, 2, "--coreml-target is for --target coreml"),
    "int8 on iOS 16": ("--target coreml --int8 --coreml-target iOS16", None, 3, "int8 needs iOS 17"),
    "no labels": ("--labels no.txt", None, 2, "no.txt: cannot be read (No such file or directory)"),
    "too few labels": ("--labels l.txt", b"a\nb\n", 2, "l.txt: has 2 labels, the model has 10 classes"),
    "an empty file": ("--labels l.txt", b"", 2, "l.txt: is empty"),
    "an empty label": ("--labels l.txt", b"a\n\nb\n", 2, "l.txt: line 2 is empty"),
    "no text": ("--labels l.txt", b"\xff\xfe\x00", 2, "l.txt: is not a text file of labels"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_options(edgeport, what):
    arguments, labels, code, words = REFUSED[what]
    if labels is not None:
        Path("l.txt").write_bytes(labels)
    done = edgeport("export", "lenet5", "--no-benchmark", "--no-validate", *arguments.split())
    assert (done.code, done.out) == (code, "")
    assert words in done.err.splitlines()[-1]
    assert not Path("artifacts").exists()


def test_probabilities_by_name_in_every_format(edgeport):
    """Also where classes share a name, as two pairs of ImageNet's do; Core ML takes each name once."""
    Path("l.txt").write_text("crane\na\ncrane \nb\n\nc\nd\ne\nf\ncrane (2)\ncrane\n\n")
    options = ("--labels", "l.txt", "--softmax", "--top-k", "3", "--no-benchmark", *SAMPLES)
    done = edgeport("export", "lenet5", "--target", "all", *options, "--json")
    assert done.code == 0
    assert "l.txt: its empty lines are left out" in done.err
    assert "the same name; they are told apart as 'crane (3)', 'crane (4)'" in done.err
    wanted = ("crane", "a", "crane (3)", "b", "c", "d", "e", "f", "crane (2)", "crane (4)")
    image = np.random.default_rng(0).standard_normal((1, 1, 32, 32)).astype(np.float32)
    found = {}
    for result in json.loads(done.out):
        assert (result["verdict"], result["agreement"]["top1"]) == ("ok", 1.0)
        path = Path(result["artifact"])
        named = [output for output in Manifest.read(path.with_name(f"{path.name}.json")).outputs if output.labels]
        assert named
        assert all(output.labels == wanted for output in named)
        found[result["target"]] = open_session(path).run({"image": image})
        validated = edgeport("validate", path, *SAMPLES)
        assert (validated.code, "verdict              ok" in validated.out) == (0, True)
    by_name = found["coreml"].pop("classLabel_probs")
    for results in found.values():
        assert set(results) == {"probabilities", "top_scores", "top_classes"}
        assert results["probabilities"].sum() == pytest.approx(1, abs=1e-4)
        np.testing.assert_allclose(by_name, results["probabilities"], atol=1e-4)
    assert open_session("artifacts/lenet5/lenet5_fp32.mlpackage").labels == wanted
