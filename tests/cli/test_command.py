import json
import resource
import subprocess
import sys

import pytest
from edgeport.artifacts.exit_codes import EXIT_CODES
from edgeport.cli.main import COMMANDS, parser
from edgeport.models import export_status, list_models

ENTRY = [sys.executable, "-c", "import sys; from edgeport.cli.main import main; sys.exit(main())"]
HEAVY = ("torch", "onnx", "onnxruntime", "onnx_ir", "ai_edge_litert", "openvino", "coremltools", "PIL", "rich")


@pytest.mark.parametrize(
    ("arguments", "limit_s"),
    [
        (["--help"], 0.5),
        (["list", "--json"], 1.0),
        (["list", "--family", "resnet"], 1.0),
        (["info", "mobilevit_s"], 1.0),
        (["weights", "list", "resnet18"], 1.0),
    ],
)
def test_answers_at_once(arguments, limit_s):
    """In time of the processor's own: what else the machine does is not the command's."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([*ENTRY, *arguments], capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert (done.returncode, done.stderr) == (0, "")
    assert min(times) < limit_s


@pytest.mark.parametrize("command", ["export m", "debug a", "bundle a --platform linux", "report d", "sweep"])
@pytest.mark.parametrize("flag", ["-o", "--output", "--output-dir"])
def test_where_the_results_go_is_said_in_the_same_way_everywhere(command, flag):
    args = parser().parse_args([*command.split(), flag, "there"])
    assert "there" in (getattr(args, "output", None), getattr(args, "output_dir", None))


@pytest.mark.parametrize("arguments", ["--help", "list", "info mobilevit_s", "export --help"])
def test_light_verbs_import_nothing_heavy(arguments):
    program = (
        "import sys; from edgeport.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments.split()], capture_output=True, text=True)
    assert done.stderr == "[]\n"


def test_help_shows_verbs_and_exit_codes(edgeport):
    shown = edgeport("--help").out
    for command in COMMANDS:
        assert command.NAME in shown
    for code, meaning in EXIT_CODES.items():
        assert f"  {code}  {meaning}\n" in shown


def test_version_and_no_verb(edgeport):
    assert edgeport("--version").out.startswith("edgeport ")
    assert edgeport().code == 2


def test_list(edgeport):
    rows = json.loads(edgeport("list", "--json").out)
    assert {row["name"] for row in rows} >= {"mobilevit_s", "lenet5"}
    assert all(list(row) == ["name", "family", "params", "macs", "input_size", "weights"] for row in rows)
    assert {row["name"]: row["weights"] for row in rows}.items() >= {
        "lenet5": "random",
        "resnet18": "pretrained",
    }.items()
    assert edgeport("list", "--family", "lenet").out.count("\n") == 1 + len(list_models("lenet"))


def test_info(edgeport, exported, monkeypatch):
    monkeypatch.setattr(export_status, "EXPORT_STATUS", {"resnet18": {"tflite": ("fp32", "int8"), "coreml": ()}})
    known = json.loads(edgeport("info", "resnet18", "--json").out)
    assert (known["input_size"], known["params"], known["macs"]) == ([3, 224, 224], 11689512, 1814073344)
    assert known["weights"][0]["licence"] == "apache-2.0"
    assert known["passed"] == {"tflite": ["fp32", "int8"], "coreml": []}
    shown = edgeport("info", "resnet18").out
    for fact in ("1814.07 M", "arXiv:1512.03385", "resnet18.a1_in1k (apache-2.0)", "tflite fp32 int8; coreml nothing"):
        assert fact in shown
    for fact in ("none are public", "not run"):
        assert fact in edgeport("info", "lenet5").out
    facts = json.loads(edgeport("info", exported["int8"], "--json").out)
    (taken,) = facts["inputs"]
    assert (taken["name"], taken["shape"], taken["dtype"]) == ("image", [1, 1, 32, 32], "float32")
    assert facts["manifest"]["precision"] == "int8"
    assert "image" in edgeport("info", exported["int8"]).out


def test_doctor(edgeport, monkeypatch):
    facts = json.loads(edgeport("doctor", "--json").out)
    assert facts["targets"]["tflite"] == {"ready": True, "missing": [], "extra": "edgeport[tflite]"}
    assert facts["backends"]["torch"]
    assert {name: target["extra"] for name, target in facts["targets"].items()} == {
        "tflite": "edgeport[tflite]",
        "openvino": "edgeport[openvino]",
        "coreml": "edgeport[coreml]",
        "onnx": "edgeport",
        "coreai": "edgeport[coreai]",
    }
    import importlib.util

    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ai_edge_litert" else there(name))
    assert "ai-edge-litert: pip install 'edgeport[tflite]'" in edgeport("doctor").out
    done = edgeport("export", "lenet5")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "pip install 'edgeport[tflite]'" in done.err


def test_a_closed_pipe_is_no_error():
    command = f'{sys.executable} -c "from edgeport.cli.main import main; import sys; sys.exit(main())" list | head -1'
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stderr == ""


def test_benchmark(edgeport, exported):
    arguments = ("--num-runs", 3, "--warmup-runs", 1)
    done = json.loads(edgeport("benchmark", exported["fp32"], exported["int8"], "--json", *arguments).out)
    assert [each["artifact"] for each in done["results"]] == [str(exported["fp32"]), str(exported["int8"])]
    assert done["results"][0]["ratio"] == 1
    assert done["results"][1]["latency"]["runs"] == 3
    twice = json.loads(edgeport("benchmark", exported["fp32"], exported["fp32"], "--json", *arguments).out)
    assert len(twice["results"]) == 2
