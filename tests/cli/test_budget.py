"""Accuracy budgets and --keep-float, on a network that reads digits, one unit of which int8 spoils."""

import json
import shutil
from pathlib import Path

import digits_network
import pytest
from edgeport.artifacts.exit_codes import BAD_INPUT, DONE, OVER_BUDGET
from edgeport.artifacts.manifest import Manifest

TARGETS = ("tflite", "openvino", "coreml", "onnx")
SPOILED = "relu_1"  # what `middle` computes
PREPARED = (
    *("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225", "--resize", "crop", "--crop-pct", "0.875"),
    *("--interpolation", "bicubic"),
)  # digits_network.SPEC
SAMPLES = ("--num-validation-samples", 80)


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    digits_network.write(folder)
    return folder


@pytest.fixture
def export(edgeport, digits):
    """export(factory, *options) -> (Outcome, the JSON objects by target), int8 and not timed unless said."""

    def run(factory, *options, timed=False, int8=True):
        done = edgeport(
            *("export", f"{digits / 'models.py'}:{factory}", "--input-shape", "3,32,32", "--json", *SAMPLES, *PREPARED),
            *("--calibration-data", digits / "calibration", "--validation-data", digits / "validation"),
            *([] if timed else ["--no-benchmark"]),
            *(["--int8", "--effort", "fast"] if int8 else []),  # the default effort mends what is spoilt
            *options,
        )
        printed = json.loads(done.out) if done.out.startswith(("{", "[")) else []
        return done, {each["target"]: each for each in (printed if isinstance(printed, list) else [printed])}

    return run


@pytest.fixture
def artifacts(tmp_path):
    """artifacts(result) -> {path in it: bytes} of the artifact without its manifest."""

    def read(result):
        path = tmp_path / result["artifact"]
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        return {file.relative_to(path.parent).as_posix(): file.read_bytes() for file in files}

    return read


def test_the_search_finds_the_one_bad_unit(export, artifacts):
    """On each target; and --keep-float with what the manifest lists makes the same file again."""
    done, found = export("bad", "--target", "all", "--max-drop", 0.03)
    assert (done.code, set(found)) == (DONE, set(TARGETS)), done.err
    assert "its folders are the classes, by the sorted order of the folders" in done.err
    for target, result in found.items():
        first, last = result["frontier"]
        assert (first["change"], first["met"], last["change"], last["met"]) == ("", False, "+ middle", True), target
        assert last["chosen"]
        assert first["figure"] > 0.3, "without the search int8 is useless"
        assert result["kept_float"] == last["kept_float"] == [SPOILED]
        manifest = Manifest.read(Path(result["manifest"]))
        assert manifest.kept_float == (SPOILED,)
        assert manifest.budget.met
        assert manifest.budget.reached <= 0.03
        assert (manifest.budget.samples, manifest.budget.searched_on, manifest.budget.steps) == (40, 40, 1)
        assert f"{target}: step + middle, in float 1" in done.err
    searched = {target: artifacts(result) for target, result in found.items()}
    done, again = export("bad", "--target", "all", "--keep-float", SPOILED)
    assert done.code == DONE
    assert {target: artifacts(result) for target, result in again.items()} == searched


@pytest.mark.parametrize("budget", [("--min-agreement", 0.5), ("--min-snr", 10), ("--max-drop", 0.4)])
def test_a_budget_that_is_met_changes_nothing(export, artifacts, budget):
    done, plain = export("good")
    before = artifacts(plain["tflite"])
    done, within = export("good", *budget)
    assert done.code == DONE
    assert artifacts(within["tflite"]) == before
    assert (within["tflite"]["kept_float"], len(within["tflite"]["frontier"])) == ([], 1)


def test_a_budget_out_of_reach(export):
    done, found = export("good", "--min-snr", 190, "--budget-steps", 2)
    result = found["tflite"]
    assert done.code == OVER_BUDGET
    assert Path(result["artifact"]).exists()
    assert len(result["frontier"]) == 3
    assert "over budget: SNR in dB" in result["verdict"]
    assert "on 40 held-out inputs, must be at least 190.00; --budget-steps 2 are used up" in result["verdict"]
    manifest = Manifest.read(Path(result["manifest"]))
    assert (manifest.verdict, manifest.budget.met) == (result["verdict"], False)
    assert manifest.budget.problem in result["verdict"]


def test_all_in_float_is_not_enough_either(export):
    done, found = export("good", "--min-snr", 190)
    assert (done.code, "all that can be in float is" in done.out) == (OVER_BUDGET, True)
    snr = [step["snr_db"] for step in found["tflite"]["frontier"]]
    assert snr == sorted(snr)
    assert snr[-1] > 100 > snr[0]


def test_latency_is_measured_at_each_step(export):
    """And a step that is slower than float is the last one: no int8 artifact may be so slow where time is told."""
    done, found = export("bad", "--target", "onnx", "--min-snr", 25, "--num-runs", 5, "--warmup-runs", 1, timed=True)
    steps = found["onnx"]["frontier"]
    assert all(step["median_ms"] > 0 and step["ratio"] > 0 for step in steps)
    slow = [step["note"] == "slower than float" for step in steps]
    assert not any(slow[:-1])
    assert done.code == (DONE if steps[-1]["met"] else OVER_BUDGET)
    assert steps[-1]["met"] or (slow[-1] and "of its float twin's time" in found["onnx"]["verdict"])


def test_the_table(edgeport, digits):
    done = edgeport(
        *("export", f"{digits / 'models.py'}:bad", "--input-shape", "3,32,32", "--int8", "--no-benchmark", "--quiet"),
        *PREPARED,
        *("--calibration-data", digits / "calibration", "--validation-data", digits / "validation"),
        *("--min-agreement", 0.9, "--effort", "fast", *SAMPLES),
    )
    _, frontier = done.out.split("\n\n")
    lines = frontier.splitlines()
    assert lines[0].split()[:3] == ["step", "in", "float"]
    assert [line.split("  ")[0] for line in lines[1:3]] == ["start", "+ middle"]
    assert lines[3] == f"1 units in float: {SPOILED}"
    assert "must be at least 0.9000: within the budget" in lines[4]


LABELS = "".join(f"{i}\n" for i in (3, 1, 4, 0, 5, 9, 2, 6, 8, 7))
REFUSED = {  # name: (options, int8, what the sentence says)
    "for int8 only": (["--max-drop", 0.1], False, "--max-drop is for --int8"),
    "keep-float for int8 only": (["--keep-float", "a"], False, "--keep-float is for --int8"),
    "not measured": (["--min-snr", 9, "--no-validate"], True, "--min-snr has to be measured"),
    "no such unit": (["--keep-float", "nothing.*"], True, "no module or value is called 'nothing.*'"),
    "two budgets": (["--min-snr", 9, "--max-drop", 0.1], True, "not allowed with argument"),
    "no share": (["--min-agreement", 99], True, "must be a number from 0 to 1, not '99'"),
    "no number": (["--min-snr", "nan"], True, "must be a number of at least 0"),
    "no folders": (["--validation-data", "loose"], True, "lies in no class folder"),
    "too few folders": (["--validation-data", "three"], True, "has 3 class folders, the model 10 classes"),
    "no images": (["--validation-data", "rows.npz"], True, "--max-drop needs images in class folders"),
    "an unknown folder": (["--labels", "letters.txt"], True, "whose name is not among the labels"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(export, digits, tmp_path, name):
    import numpy as np

    options, int8, sentence = REFUSED[name]
    (tmp_path / "letters.txt").write_text("\n".join("abcdefghij"))
    for i in range(3):
        shutil.copytree(digits / "validation" / str(i), tmp_path / "three" / str(i))
    (tmp_path / "loose").mkdir()
    for i in range(2):
        shutil.copy(digits / "one.png", tmp_path / "loose" / f"{i}.png")
    np.savez(tmp_path / "rows.npz", np.zeros((4, 3, 32, 32), np.float32))
    budget = [] if any(str(option).startswith(("--m", "--k")) for option in options) else ["--max-drop", 0.1]
    done, _ = export("good", *budget, *options, int8=int8)
    assert done.code == BAD_INPUT
    assert sentence in done.err
    assert "Traceback" not in done.err
    assert not list(tmp_path.glob("artifacts/*/*"))


def test_labels_say_which_folder_is_which_class(export, tmp_path):
    """With the digits' names in another order nothing is where the network puts it, for float and int8 alike."""
    (tmp_path / "labels.txt").write_text(LABELS)
    done, found = export("bad", "--max-drop", 0.0, "--labels", "labels.txt", "--budget-steps", 1)
    assert "its folders are the classes, by the order of --labels" in done.err
    assert abs(found["tflite"]["frontier"][0]["figure"]) < 0.3  # sorted, it is above


def test_few_inputs_are_said_to_be_few(export):
    done, _ = export("good", "--min-agreement", 0.99, "--num-validation-samples", 10)
    assert "WARNING: 5 inputs judge the budget, and one counts 0.2: more than the 0.01" in done.err
