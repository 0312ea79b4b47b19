"""The whole way of a job with this machine as the device, in a folder of its own; what goes wrong is arranged."""

import json
import shlex
import subprocess
import sys

import pytest
from aftermath import ENDLESS, PATIENCE_S, assert_nothing_left, during
from edgeport.devices import runner
from edgeport.devices.backends import openvino as openvino_backend
from edgeport.devices.transport import Here
from edgeport.runtime.sessions import openvino

LOCAL = ("--device", "local", "--device-timeout", "60")
FEW = ("--num-runs", "3", "--warmup-runs", "1")


def test_benchmark(edgeport, artifacts, tmp_path):
    two = artifacts["small.tflite"], artifacts["large.tflite"]
    done = edgeport("benchmark", *two, *LOCAL, *FEW, "--json")
    assert (done.code, done.json["device"]) == (0, "local")
    first, second = done.json["results"]
    assert (first["latency"]["runs"], first["latency"]["warmup"], first["ratio"]) == (3, 1, 1)
    assert second["latency"]["runtime"].startswith("ai-edge-litert ")
    shown = edgeport("benchmark", *two, *LOCAL, *FEW).out
    assert shown.startswith("local  ")
    assert "median ms" in shown
    assert_nothing_left(tmp_path / "t", tmp_path / "t")


@pytest.mark.parametrize("name", ["small.tflite", "int8.tflite", "linear.onnx", "linear_openvino_model"])
def test_validate_gives_what_this_process_gives(edgeport, artifacts, tmp_path, name):
    path = artifacts[name]
    done = edgeport("validate", path, "--reference", path, *LOCAL, "--json", "--num-validation-samples", "5")
    assert done.code == 0, done.err
    value = done.json
    assert (value["agreement"]["samples"], value["verdict"]) == (5, "ok")
    assert value["against_here"]["bit_exact"]
    assert value["here"]["agreement"] == value["agreement"]
    assert (value["kernels"], value["instructions"], value["emulated"]) == (None, None, False)
    text = edgeport("validate", path, "--reference", path, *LOCAL, "--num-validation-samples", "5").out
    assert "same bits" in text


def test_a_device_that_computes_otherwise_is_seen(edgeport, artifacts, tmp_path):
    """A device that is given another artifact than ours: the verdict is about what it answers, not about us."""
    other = tmp_path / "small.tflite"
    other.write_bytes(artifacts["other.tflite"].read_bytes())
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncp {other} swapped && mv swapped 0/small.tflite\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    path = artifacts["small.tflite"]
    arguments = ("validate", path, "--reference", path, *LOCAL, "--device-python", python, "--json")
    done = edgeport(*arguments, "--num-validation-samples", "5")
    assert done.code == 4, done.err
    assert done.json["verdict"].startswith("fail: ")
    assert not done.json["against_here"]["bit_exact"]
    assert done.json["here"]["agreement"]["snr_db"] == 200


# what: ({program on the device: its script}, what the sentence says)
FAULTS = {
    "disk full": (
        {"cat": "echo 'cat: write error: No space left on device' >&2; exit 1"},
        "cannot be written there (cat: write error: No space left on device)",
    ),
    "damaged on its way": ({"cat": "exec head -c 100"}, "was damaged on its way there; try again"),
    "runner killed": ({"python": "kill -9 $$"}, "the runner was killed, as when memory runs out, before it answered"),
    "runner crashes": ({"python": "kill -11 $$"}, "the runner was ended by a crash (segmentation fault)"),
    "runner fails": ({"python": "echo 'SyntaxError: old' >&2; exit 1"}, "the runner was ended with SyntaxError: old"),
    "device goes away": ({"python": "kill -9 $PPID"}, "went away before it answered (the connection broke)"),
    "no NumPy": (
        {"python": "echo \"ModuleNotFoundError: No module named 'numpy'\" >&2; exit 1"},
        "its Python has no numpy; install it there, or name another Python by --device-python",
    ),
    "no runtime": (
        {"python": f'PYTHONPATH=/dev/null exec {sys.executable} -S -c "$STARVED" "$@"'},
        "its Python has no ai_edge_litert; install it there",
    ),
    "never ends": ({"python": "exec sleep 1000"}, "gave no answer within 3 s"),
}
# a Python that has NumPy and no LiteRT
STARVED = f"""
import runpy, sys
sys.path += {[entry for entry in sys.path if entry]}
sys.modules["ai_edge_litert"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("what", FAULTS)
def test_faults(edgeport, artifacts, bin_, tmp_path, monkeypatch, what):
    programs, words = FAULTS[what]
    monkeypatch.setenv("STARVED", STARVED)
    paths = {name: bin_(name, script) for name, script in programs.items()}
    python = ("--device-python", paths["python"]) if "python" in paths else ()
    timeout = ("--device-timeout", "3") if what == "never ends" else ()
    done = edgeport("benchmark", artifacts["large.tflite"], *LOCAL, *FEW, *python, *timeout)
    assert done.code == 6
    assert done.error.startswith("edgeport: local: ")
    assert words in done.error
    assert done.out == ""
    assert_nothing_left(tmp_path / "t", tmp_path / "t")


ANSWER = {"runtime": "a", "load_ms": 1.0, "times_ms": [1.0] * 4, "outputs_sha256": None}
WHOLE = {"schema": 2, "facts": {}, "models": [ANSWER]}
LIES = {
    "{}": "its answer is not the runner's (object missing required field schema)",
    "[]": "its answer is not the runner's (expected object, got array)",
    "null": "its answer is not the runner's (expected object, got null)",
    "nothing": "its answer is not the runner's (Expecting value",
    "[" * 20_000: "its answer is not the runner's (nested too deeply)",
    '{"error": ""}': "the job failed there: it does not say why",
    '{"error": 7}': "its answer is not the runner's (expected str, got int, at error)",
    '{"error": "ModuleNotFoundError: "}': "its Python has no module that it needs",
    json.dumps(WHOLE | {"models": []}): "its answer is not to what was asked (it has 0 artifacts)",
    json.dumps(WHOLE | {"schema": 7}): "its answer is not to what was asked (it has a schema 7)",
    json.dumps(WHOLE | {"models": [ANSWER | {"times_ms": []}]}): "(it has 0 times)",
    json.dumps(WHOLE | {"models": [ANSWER | {"times_ms": [-1.0] * 4}]}): "(it has a time below 0)",
    json.dumps(WHOLE | {"models": [ANSWER | {"load_ms": "1"}]}): "expected float, got str, at models[0].load_ms",
    json.dumps(WHOLE | {"models": [ANSWER | {"times_ms": [float("nan")] * 4}]}): "NaN, which JSON does not have",
    json.dumps(WHOLE | {"facts": {"cores": "many"}}): "expected int, got str, at cores",
    json.dumps(WHOLE | {"facts": {"temperature_c": [1]}}): "at temperature_c",
}


@pytest.mark.parametrize("answer", LIES, ids=range(len(LIES)))
def test_a_device_that_lies(edgeport, artifacts, bin_, tmp_path, answer):
    python = bin_("python", f"cat <<'END'\n\nEDGEPORT_ANSWER {answer}\nEND")
    done = edgeport("benchmark", artifacts["small.tflite"], *LOCAL, *FEW, "--device-python", python)
    assert done.code == 6
    assert done.error.startswith("edgeport: local: ")
    assert LIES[answer] in done.error
    assert_nothing_left(tmp_path / "t", tmp_path / "t")


def test_no_python(edgeport, artifacts, tmp_path):
    done = edgeport("benchmark", artifacts["small.tflite"], *LOCAL, *FEW, "--device-python", "/no/python")
    assert done.code == 6
    assert "local: has no /no/python; name its Python by --device-python, or time a .tflite" in done.error
    assert_nothing_left(tmp_path / "t", tmp_path / "t")


def test_status_0_without_the_device_s_own_word_is_an_error(edgeport, artifacts, tmp_path, monkeypatch):
    """As `adb shell` ends when the device goes away."""
    argv = Here.argv
    monkeypatch.setattr(
        Here, "argv", lambda self, command: ["true"] if "runner.py /" in command else argv(self, command)
    )
    done = edgeport("benchmark", artifacts["small.tflite"], *LOCAL, *FEW)
    assert done.code == 6
    assert "local: went away before it answered" in done.error
    assert_nothing_left(tmp_path / "t", tmp_path / "t")


def test_damaged_on_its_way_back(edgeport, artifacts, bin_, tmp_path):
    bin_("cat", 'test $# = 0 || exec head -c 100 "$1"\nexec head -c 100000000')
    path = artifacts["small.tflite"]
    done = edgeport("validate", path, "--reference", path, *LOCAL, "--num-validation-samples", "5")
    assert done.code == 6
    assert "local: its outputs were damaged on their way back; try again" in done.error
    assert_nothing_left(tmp_path / "t", tmp_path / "t")


def test_the_runner_ends_and_cleans_up_when_its_host_is_gone(tmp_path):
    folder = tmp_path / "jobs" / "one"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps({"schema": runner.SCHEMA, "emulated": False}))
    program = (
        "import sys, time; from edgeport.devices import runner; "
        "runner.run = lambda job: print('at work', flush=True) or time.sleep(60); runner.main(sys.argv[1])"
    )
    process = subprocess.Popen([sys.executable, "-c", program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == b"at work\n"
    process.stdin.close()
    assert process.wait(PATIENCE_S) == runner.ABANDONED
    assert not folder.exists()


def test_the_runner_sets_openvino_as_our_session_does():
    assert {**openvino._HONEST, "INFERENCE_PRECISION_HINT": "f32"} == openvino_backend.CONFIG


TOOL = r"""
echo "STARTING!"
echo "$@" > arguments.txt
for word in "$@"; do case $word in --graph=*) test -s "${word#--graph=}" || exit 1;; esac; done
echo 'INFO: Loaded model 0/small.tflite'
echo 'INFO: count=5 first=900 curr=800 min=700 max=900 avg=801.5 std=20' >&2
echo 'INFO: count=50 first=830 curr=810 min=790 max=1200 avg=812.5 std=31 p5=791 median=805 p95=990' >&2
echo 'INFO: Inference timings in us: Init: 5041, First inference: 2603, Warmup (avg): 801.5, Inference (avg): 812.5' >&2
"""


def test_a_device_without_python(edgeport, artifacts, bin_, tmp_path):
    tool = bin_("benchmark_model", TOOL)
    two = artifacts["small.tflite"], artifacts["large.tflite"]
    arguments = ("--benchmark-model", tool, "--device-python", "/no/python")
    done = edgeport("benchmark", *two, *LOCAL, *arguments, "--json")
    assert done.code == 0, done.err
    latency = done.json["results"][1]["latency"]
    assert latency["median_ms"] == 0.805
    assert (latency["mean_ms"], latency["min_ms"], latency["first_ms"], latency["load_ms"]) == (
        0.8125,
        0.79,
        2.603,
        5.041,
    )
    assert (latency["p90_ms"], latency["runs"]) == (None, 50)
    assert done.json["facts"]["cores"] >= 1
    shown = edgeport("benchmark", *two, *LOCAL, *arguments).out
    assert "one after another" in shown
    assert "-  " in shown
    assert_nothing_left(tmp_path / "t", tmp_path / "t")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'ERROR: Failed to load delegate' >&2; exit 1", "benchmark_model failed there (ERROR: Failed to load"),
        ("echo done", "small.tflite: benchmark_model reports no timings"),
        ("kill -9 $PPID", "went away before it answered"),
    ],
)
def test_a_tool_that_fails(edgeport, artifacts, bin_, tmp_path, script, words):
    tool = bin_("benchmark_model", script)
    done = edgeport("benchmark", artifacts["small.tflite"], *LOCAL, "--benchmark-model", tool)
    assert (done.code, words in done.error) == (6, True), done.error
    assert_nothing_left(tmp_path / "t", tmp_path / "t")


@pytest.mark.parametrize("device", ["adb", "adb:PHONE"])
def test_adb(edgeport, artifacts, adb, tmp_path, device):
    path = artifacts["small.tflite"]
    done = edgeport("benchmark", path, "--device", device, *adb, *FEW, "--json")
    assert done.code == 0, done.err
    assert done.json["device"] == "adb:PHONE"
    done = edgeport("validate", path, "--reference", path, "--device", device, *adb, "--num-validation-samples", "2")
    assert "same bits" in done.out
    assert_nothing_left(tmp_path / "my phone", tmp_path / "t")


@pytest.mark.parametrize(
    ("device", "fault", "words"),
    [
        ("adb:NOBODY", "", "adb:NOBODY: cannot be reached (adb: device 'NOBODY' not found)"),
        ("adb:PHONE", "gone", "adb:PHONE: went away before it answered"),
        ("adb:PHONE", "full", "cannot be written there (adb: error: failed to copy"),
    ],
)
def test_adb_faults(edgeport, artifacts, adb, tmp_path, device, fault, words):
    if fault:
        (tmp_path / fault).touch()
    done = edgeport("benchmark", artifacts["small.tflite"], "--device", device, *adb, *FEW)
    assert done.code == 6
    assert words in done.error
    assert_nothing_left(tmp_path / "my phone", tmp_path / "t")


def test_a_runner_that_is_killed_while_it_works(edgeport, artifacts, adb, tmp_path):
    with during(tmp_path / "my phone", lambda pid: subprocess.run(["kill", "-9", str(pid)], check=True)):
        done = edgeport("benchmark", artifacts["small.tflite"], "--device", "adb:PHONE", *adb, *ENDLESS)
    assert done.code == 6
    assert "adb:PHONE: the runner was killed" in done.error
    assert_nothing_left(tmp_path / "my phone", tmp_path / "t")


def test_strange_names_need_no_care(edgeport, artifacts, tmp_path):
    path = tmp_path / "it's a 'name' $HOME.tflite"
    path.write_bytes(artifacts["small.tflite"].read_bytes())
    assert shlex.quote(path.name) != path.name
    assert edgeport("benchmark", path, *LOCAL, *FEW).code == 0
