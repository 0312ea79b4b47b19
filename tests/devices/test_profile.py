"""`profile --device`: what a device tells, and what goes wrong; tests/api/test_profile.py looks at its figures."""

import json
import subprocess
import sys

import pytest
from aftermath import ENDLESS, assert_nothing_left, during
from edgeport.artifacts.errors import DeviceError
from edgeport.devices.benchmark_model import parse, parse_profile

LOCAL = ("--device", "local", "--device-timeout", "60")
FEW = ("--num-runs", "4", "--no-probe", "-o", "out")


def test_adb(edgeport, artifacts, adb, tmp_path):
    done = edgeport("profile", artifacts["large.tflite"], "--device", "adb", *adb, *FEW, "--json")
    assert done.code == 0, done.err
    assert (done.json["device"], done.json["facts"]["cores"] >= 1) == ("adb:PHONE", True)
    assert sum(kernel["macs"] for kernel in done.json["kernels"]) == 512 * 512
    assert "FULLY_CONNECTED" in {name for kernel in done.json["kernels"] for name in kernel["operators"]}
    assert json.loads((tmp_path / "out/profile.json").read_text())["device"] == "adb:PHONE"
    shown = edgeport("profile", artifacts["large.tflite"], "--device", "adb", *adb, *FEW).out
    assert "\nadb:PHONE  " in shown
    assert_nothing_left(tmp_path / "my phone", tmp_path / "t")


# a Python that imports what the runner wants, but for what SPOILT takes away
SPOILT = f"""
import runpy, sys
sys.path += {[entry for entry in sys.path if entry]}
{{}}
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
NO_PROFILER = """
import ctypes
load = ctypes.CDLL
class Library:
    def __init__(self, path):
        self.own = load(path)
    def __getattr__(self, name):
        if "Profiler" in name:
            raise AttributeError(name)
        return getattr(self.own, name)
import ai_edge_litert.interpreter
ctypes.CDLL = Library
"""
FAULTS = {
    "no runtime": ("sys.modules['ai_edge_litert'] = None", "its Python has no ai_edge_litert; install it there"),
    "a version without a profiler": (
        NO_PROFILER,
        "the job failed there: this LiteRT has no LiteRtCompiledModelGetProfiler: pip install --upgrade",
    ),
    "died": ("import os; os.kill(os.getpid(), 9)", "the runner was killed, as when memory runs out"),
    "gone": ("import os; os.kill(os.getppid(), 9)", "went away before it answered"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_faults(edgeport, artifacts, bin_, tmp_path, what):
    spoils, words = FAULTS[what]
    (tmp_path / "spoilt.py").write_text(SPOILT.format(spoils))
    python = bin_("python", f'PYTHONPATH=/dev/null exec {sys.executable} -S {tmp_path / "spoilt.py"} "$@"')
    done = edgeport("profile", artifacts["large.tflite"], *LOCAL, *FEW, "--device-python", python)
    assert (done.code, done.out) == (6, "")
    assert done.error.startswith("edgeport: local: ")
    assert words in done.error
    assert not (tmp_path / "out").exists()
    assert_nothing_left(tmp_path / "t", tmp_path / "t")


def test_a_device_that_dies_in_the_middle(edgeport, artifacts, adb, tmp_path):
    with during(tmp_path / "my phone", lambda pid: subprocess.run(["kill", "-9", str(pid)], check=True)):
        done = edgeport("profile", artifacts["small.tflite"], "--device", "adb:PHONE", *adb, *FEW[2:], *ENDLESS)
    assert done.code == 6
    assert "adb:PHONE: the runner was killed" in done.error
    assert not (tmp_path / "out").exists()
    assert_nothing_left(tmp_path / "my phone", tmp_path / "t")


MODEL = {"runtime": "a", "load_ms": 1.0, "times_ms": [], "outputs_sha256": None}
PROFILE = {"first_ms": 1.0, "loaded_mb": 1.0, "peak_mb": 1.0, "wall_us": [1.0] * 4, "cpu_us": [1.0] * 4}
EVENTS = {"operators": [], "sequences": [[["Fully Connected", 8, 0]]], "runs": [[0, [5.0]]]}
LIES = {
    "no profile": (None, "its answer is not to what was asked (it has no profile)"),
    "too few runs": (PROFILE | {"wall_us": [], "events": {}}, "(it has 0 plain runs of a profile)"),
    "a negative time": (PROFILE | {"cpu_us": [-1.0] * 4, "events": {}}, "(it has a time below 0)"),
    "no events": (PROFILE | {"events": {}}, "object missing required field operators"),
    "times of other events": (PROFILE | {"events": EVENTS | {"runs": [[0, [1.0, 2.0]]]}}, "not a time of each event"),
    "nothing recorded": (PROFILE | {"events": EVENTS | {"runs": []}}, "profiler has recorded no operator"),
    "another sequence": (PROFILE | {"events": EVENTS | {"runs": [[7, [1.0]]]}}, "not a time of each event"),
    "operators of another file": (
        PROFILE
        | {
            "events": EVENTS
            | {
                "operators": [
                    *({"op_name": "ADD", "inputs": [], "outputs": [i]} for i in range(9)),
                    {"op_name": "DELEGATE", "inputs": [], "outputs": list(range(9))},
                ]
            }
        },
        "an operator that the file has not",
    ),
}


@pytest.mark.parametrize("what", LIES)
def test_a_device_that_lies(edgeport, artifacts, bin_, tmp_path, what):
    profile, words = LIES[what]
    answer = json.dumps({"schema": 2, "facts": {}, "models": [MODEL | {"profile": profile}]})
    python = bin_("python", f"cat <<'END'\n\nEDGEPORT_ANSWER {answer}\nEND")
    done = edgeport("profile", artifacts["small.tflite"], *LOCAL, *FEW, "--device-python", python)
    assert done.code == 6
    assert words in done.error
    assert not (tmp_path / "out").exists()
    assert_nothing_left(tmp_path / "t", tmp_path / "t")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--device", "qemu:cortex-a55"), 2, "qemu:cortex-a55: an emulated CPU has no times to profile"),
        (("--device", "adb:NOBODY"), 6, "adb:NOBODY: cannot be reached"),
        (("--device", "local", "--benchmark-model", "/no/tool"), 2, "/no/tool: no such file"),
        (("--device", "local", "--benchmark-model", "x", "--against", "y.tflite"), 2, "not in turns; profile each"),
    ],
)
def test_refused(edgeport, artifacts, adb, tmp_path, arguments, code, words):
    done = edgeport("profile", artifacts["small.tflite"], *FEW, *arguments)
    assert (done.code, words in done.error) == (code, True), done.error
    assert not (tmp_path / "out").exists()


# what benchmark_model prints: of LiteRT of late, and of older ones with a column more and the delegate's own table
TIMES = """INFO: count=4 first=80 curr=60 min=60 max=80 avg=65 std=2 p5=60 median=61 p95=80
INFO: Inference timings in us: Init: 5041, First inference: 90, Warmup (avg): 65, Inference (avg): 65
INFO: Memory footprint delta from the start of the tool (MB): init=8.44922 overall=10.8789
"""
RULE = "=============================="
KERNEL = "Fully Connected (NC, F32) GEMM"
OPERATORS = "INFO: Operator-wise Profiling Info for Regular Benchmark Runs:\n"


def table(title: str, *rows: tuple[str, float, int, str], start: bool = False) -> str:
    """A table of (node type, mean ms, times called, name); older ones tell when a node starts, too."""
    columns = ("[node type]", *(["[start]"] if start else []), "[first]", "[avg ms]", "[%]", "[cdf%]", "[mem KB]")
    lines = [f"{RULE} {title} {RULE}", "\t".join(["", *columns, "[times called]", "[Name]"])]
    for kind, ms, times, name in rows:
        cells = [f"{kind:>40}", *(["  0.041"] if start else []), f"  {2 * ms:.3f}", f" {ms:.3f}", "3.783%", "99.000%"]
        lines.append("\t".join(["", *cells, "   0.000", f"       {times}", name]))
    return "\n".join([*lines, "", ""])


INIT = "INFO: Profiling Info for Benchmark Initialization:\n" + table(
    "Run Order", ("ModifyGraphWithDelegate", 14.842, 1, "ModifyGraphWithDelegate/0")
)
OWN = ("RESHAPE", 0.007, 1, "[y:0, z]:3")
INNER = [(KERNEL, ms, 1, f"Delegate/{KERNEL}:{i}") for i, ms in enumerate((0.020, 0.018, 0.019))]
TOP = table("Top by Computation Time", OWN)
LATE = INIT + OPERATORS + table("Run Order", *INNER, OWN) + TOP
OLD = (
    *(INIT, OPERATORS, table("Run Order", ("TfLiteXNNPackDelegate", 0.041, 1, "[x]:4"), OWN, start=True), TOP),
    "Delegate internal:\n",
    table("Run Order", *(("DelegateOpInvoke", ms, 0, name) for _, ms, _, name in INNER), start=True),
)
NODES = {(KERNEL, 8, 0): 20, (KERNEL, 8, 1): 18, (KERNEL, 8, 2): 19, ("RESHAPE", 2, 3): 7}


@pytest.mark.parametrize(
    ("printed", "nodes"), [(LATE, NODES), ("".join(OLD), NODES | {("TfLiteXNNPackDelegate", 2, 4): 41})]
)
def test_what_benchmark_model_prints(printed, nodes):
    found = parse_profile(TIMES, TIMES + printed, parse(TIMES, "x"), "adb:X: a.tflite")
    (sequence,), ((_, us),) = found.events["sequences"], found.events["runs"]
    assert dict(zip(sequence, us, strict=True)) == pytest.approx(nodes)
    assert (found.loaded_mb, found.peak_mb, found.first_ms) == (8.44922, 10.8789, 0.09)


UNTOLD = {
    "no profiler": (TIMES, "this benchmark_model has no profiler: it prints no operators"),
    "a kernel in two parts": (
        TIMES + OPERATORS + table("Run Order", (KERNEL, 0.020, 2, f"Delegate/{KERNEL}:0")),
        "takes it in several parts",
    ),
    "two parts": (
        TIMES + OPERATORS + table("Run Order", INNER[0], OWN, ("Add (ND)", 0.001, 1, "Delegate/Add (ND):0")),
        "takes it in several parts",
    ),
}


@pytest.mark.parametrize("what", UNTOLD)
def test_what_benchmark_model_does_not_tell(what):
    printed, words = UNTOLD[what]
    with pytest.raises(DeviceError, match=words):
        parse_profile(TIMES, printed, parse(TIMES, "x"), "adb:X: a.tflite")


def test_a_device_without_python(edgeport, artifacts, adb, bin_, tmp_path):
    """As a phone: the kernels of three layers, and an operator that no delegate took."""
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    plain.write_text(TIMES)
    watched.write_text(TIMES.replace("median=61", "median=99") + LATE)
    tool = bin_("benchmark_model", f'case "$*" in *--enable_op_profiling=true*) cat {watched};; *) cat {plain};; esac')
    arguments = ("--device", "adb", "--device-dir", tmp_path / "my phone", "--benchmark-model", tool)
    done = edgeport("profile", artifacts["small.tflite"], *arguments, *FEW, "--json")
    assert done.code == 0, done.err
    told = done.json
    assert [kernel["operators"] for kernel in told["kernels"]] == [["FULLY_CONNECTED"]] * 3 + [["RESHAPE"]]
    assert [kernel["partition"] for kernel in told["kernels"]] == [0, 0, 0, None]
    assert told["kernels_ms"] == pytest.approx(0.066)  # and half a microsecond for each, which was cut off
    assert (told["latency"]["median_ms"], told["cpu_ms"], told["peaks"]) == (0.061, None, None)
    assert told["accounted"] == pytest.approx(0.066 / 0.065)  # means are compared with the mean
    assert (told["memory"]["loaded_mb"], told["missing"]) == (8.44922, "")
    assert "Not probed on adb:PHONE" in (tmp_path / "out/profile.html").read_text()
    refused = edgeport("profile", artifacts["linear.onnx"], *arguments, *FEW)
    assert refused.code == 6
    assert "benchmark_model takes only .tflite files" in refused.error
    assert_nothing_left(tmp_path / "my phone", tmp_path / "t")
