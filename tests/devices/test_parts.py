"""The parts that need no device: addresses, figures, what tools print."""

import ast
import math
import sys

import numpy as np
import pytest
from edgeport.artifacts.errors import DeviceError
from edgeport.devices import address, board, job, qemu, qemu_setup, runner, ssh
from edgeport.devices.benchmark_model import parse
from edgeport.devices.board import kernels
from edgeport.devices.cpus import PROFILES
from edgeport.devices.difference import difference, step_of
from edgeport.devices.transport import last_words
from edgeport.pipeline.device_runs import describe_device


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("pi@board", ("pi@board", "")),
        ("pi@board:2222", ("pi@board", "2222")),
        ("board.local", ("board.local", "")),
        ("pi@[fe80::1%eth0]:22", ("pi@fe80::1%eth0", "22")),
        ("[::1]", ("::1", "")),
    ],
)
def test_ssh_addresses(text, parts):
    assert ssh.parse(text) == parts


@pytest.mark.parametrize("text", ["local", "adb", "adb:192.168.1.5:5555", "qemu:cortex-a55,cortex-a76", "ssh:a@b:1"])
def test_devices(text):
    assert address.check(text) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a device is local|ssh:"),
        ("phone", "a device is local|ssh:"),
        ("local:1", "a device is local|ssh:"),
        ("ssh:", "ssh wants [user@]host[:port]"),
        ("ssh:-oProxyCommand=evil", "ssh wants"),
        ("ssh:a:b", "ssh wants"),
        ("ssh:a:0", "ssh wants"),
        ("ssh:a:70000", "ssh wants"),
        ("ssh:a b", "ssh wants"),
        ("qemu:", "there is no emulated CPU ''; known: cortex-a53"),
        ("qemu:cortex-a55,pentium", "there is no emulated CPU 'pentium'"),
    ],
)
def test_no_devices(edgeport, text, words):
    done = edgeport("benchmark", "a.tflite", "--device", text)
    assert (done.code, words in done.err) == (2, True), done.err


@pytest.mark.parametrize("artifact", ["a.mlpackage", "a.txt"])
def test_what_runs_on_no_device(edgeport, tmp_path, artifact):
    for verb in ("validate", "benchmark"):
        done = edgeport(verb, artifact, "--device", "local")
        assert done.code == 6
        assert (
            f"{artifact}: runs on no device of this kind; those take .tflite, _openvino_model, .xml, .onnx"
            in done.error
        )


STEPS = np.arange(-128, 128) * 0.0375
DIFFERENCES = {
    "the same": (STEPS, STEPS, (True, 0.0, 0)),
    "two steps in one place": (STEPS, STEPS + np.eye(256)[7] * 0.075, (False, 1 / 256, 2)),
    "no steps": (np.sin(STEPS), np.sin(STEPS) + 1e-6, (False, 1.0, None)),
    "few whole steps": (np.array([3.0, 1.0, 1.5]), np.array([3.0, 1.0, 2.5]), (False, 1 / 3, 2)),
    "integers": (np.array([0, 7, 255], np.uint8), np.array([0, 8, 255], np.uint8), (False, 1 / 3, 1)),
    "one value": (np.array([2.0, 2.0]), np.array([2.0, 3.0]), (False, 0.5, None)),
}


@pytest.mark.parametrize("what", DIFFERENCES)
def test_difference(what):
    here, there, (exact, differing, steps) = DIFFERENCES[what]
    here, there = (each if each.dtype == np.uint8 else each.astype(np.float32) for each in (here, there))
    found = difference([[here]], [[there]])
    assert (found.bit_exact, found.differing, found.max_steps) == (exact, differing, steps)
    assert (found.snr_db == 200) == exact


def test_difference_from_what_is_no_number():
    found = difference([[STEPS]], [[np.where(STEPS > 1, np.nan, STEPS)]])
    assert (found.bit_exact, found.max_steps) == (False, None)
    assert math.isnan(found.snr_db)
    assert math.isnan(found.max_abs)


def test_difference_of_shapes():
    with pytest.raises(ValueError, match=r"has the shape \(2,\) there and \(3,\) here"):
        difference([[np.zeros(3)]], [[np.zeros(2)]])


def test_steps_of_what_is_not_quantised():
    rng = np.random.default_rng(0)
    assert step_of(rng.standard_normal(10)) is None
    assert step_of(rng.standard_normal(1000)) is None


def test_arrays_come_back_as_they_went(tmp_path):
    samples = [[np.full((1, 2), i, np.int8), np.float32(i) * np.ones((3, 1, 2), np.float32)] for i in range(12)]
    job.save(samples, tmp_path / "a.npz")
    back = job.load(tmp_path / "a.npz")
    assert len(back) == 12
    for mine, theirs in zip(samples, back, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            assert (a.dtype, a.tolist()) == (b.dtype, b.tolist())


# what benchmark_model prints, of several of its versions -> (median, mean, min, first, load in ms, runs)
PRINTED = {
    "Linux": (
        "count=1 curr=3512391\n"
        "count=50 first=2990275 curr=2913402 min=2727568 max=3189954 avg=2.95034e+06 std=109798\n\n"
        "Inference timings in us: Init: 17187, First inference: 3512391, Warmup (avg): 3.51239e+06, "
        "Inference (avg): 2.95034e+06",
        (math.nan, 2950.34, 2727.568, 3512.391, 17.187, 50),
    ),
    "Android, of late": (
        "I tflite  : count=4 first=9 curr=9 min=9 max=9 avg=9 std=0 p5=9 median=9 p95=9\n"
        "I tflite  : count=25 first=187533 curr=140990 min=140071 max=195121 avg=145528 std=13583 p5=140545 "
        "median=141253 p95=187533\n"
        "I tflite  : Inference timings in us: Init: 92318, First inference: 187533, Warmup (avg): 211669, "
        "Inference (avg): 145528",
        (141.253, 145.528, 140.071, 187.533, 92.318, 25),
    ),
    "one run": (
        "count=1 curr=900\ncount=1 curr=800\n"
        "Inference timings in us: Init: 100, First inference: 900, Warmup (avg): 900, Inference (avg): 800",
        (0.8, 0.8, 0.8, 0.9, 0.1, 1),
    ),
}


@pytest.mark.parametrize("what", PRINTED)
def test_what_benchmark_model_prints(what):
    text, figures = PRINTED[what]
    answer = parse(text, "adb:X: a.tflite")
    told = answer.summary
    assert told is not None
    found = (*(told[name] for name in ("median_ms", "mean_ms", "min_ms", "first_ms")), answer.load_ms, told["runs"])
    np.testing.assert_allclose(found, figures, rtol=1e-9)
    assert math.isnan(told["p90_ms"])


def test_what_benchmark_model_does_not_print():
    with pytest.raises(DeviceError, match=r"adb:X: a\.tflite: benchmark_model reports no timings"):
        parse("count=1 curr=900\nAborted", "adb:X: a.tflite")


def counted(**classes):
    return dict.fromkeys(("smmla", "sdot", "smlal", "fmla"), 0) | {"all": 1000} | classes


@pytest.mark.parametrize(
    ("counts", "present", "words"),
    [
        ([counted(sdot=300, smlal=50, fmla=3)], {}, "SDOT + plain NEON (SMLAL)"),
        ([counted(smlal=600)], {}, "plain NEON (SMLAL)"),
        ([counted(fmla=700)], {}, "plain NEON (FMLA)"),
        ([counted(smmla=200)], {}, "SMMLA"),
        ([], {"ummla": 1, "sdot": 5, "smlal2": 7}, "SMMLA"),
        ([], {"smlal2": 7, "fmla": 100}, "plain NEON (SMLAL)"),
        ([], {}, ""),
    ],
)
def test_kernel_classes(counts, present, words):
    answer = job.Answer("x", 1.0, [], counts=counts)
    assert qemu.kernel_classes(job.Result("qemu:x", {}, [answer], present), 0) == words


def test_instructions():
    found = qemu.instructions([{"all": 990}, {"all": 1000}, {"all": 1001}])
    assert found == qemu.Instructions(1000, 0.011, {"all": 990})
    assert qemu.instructions([]) is None


def test_kernels_where_nothing_counts():
    out = f"...\n{runner.ANSWER}{{}}\n\n{qemu_setup.KERNELS}    182 sdot      7 smlal2 \n"
    assert kernels(out) == {"sdot": 182, "smlal2": 7}
    assert kernels("...") == {}


def test_profiles_do_not_claim_what_is_not_emulated():
    for name, profile in PROFILES.items():
        dot = "asimddp" in profile.features
        assert dot == (name not in ("cortex-a53", "cortex-a72"))
        assert "sme=off" in profile.model or profile.model.startswith(("cortex", "neoverse"))
        assert f"CPU part\t: {profile.part}\n" in profile.cpuinfo


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"board": "Raspberry Pi 5", "cpu_parts": ["0xd0b"], "cores": 4, "governor": ["ondemand"]},
            "Raspberry Pi 5, Cortex-A76, 4 cores, governor ondemand",
        ),
        ({"cpu_parts": ["0xd05", "0xfff"], "max_mhz": [1800, 2400]}, "Cortex-A55 + CPU part 0xfff, up to 2400 MHz"),
        ({"cpu": "Intel", "cores": 1, "temperature_c": [41.0, 55.25]}, "Intel, 1 core, 41.0 to 55.2 °C"),
        ({"temperature_c": [None, None]}, ""),
        ({}, ""),
    ],
)
def test_facts_in_words(facts, words):
    assert describe_device(facts) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Warning: added\npi@board: Permission denied (publickey).\n", "pi@board: Permission denied (publickey)"),
        ("error: device 'X' not found\nmore", "error: device 'X' not found"),
        ("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n", ""),
        ("W0000 00:00:17.1 log\nKilled\nINFO: done", "Killed"),
        ("", ""),
    ],
)
def test_last_words(text, words):
    assert last_words(text) == words


def test_the_runner_is_alone():
    """What is copied there imports the standard library, NumPy and the runtimes alone, and Python 3.10 reads it."""
    files = [board.RUNNER, *board.BACKENDS.glob("*.py"), *board.EVENTS.glob("*_events.py")]
    trees = [ast.parse(file.read_text(), feature_version=(3, 10)) for file in files]
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in imports)
    names = {
        name.split(".")[0]
        for node in imports
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert names - sys.stdlib_module_names == {"numpy", "ai_edge_litert", "onnxruntime", "openvino"}
    assert job.SCHEMA == runner.SCHEMA


def test_devices_verb(edgeport, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPORT_DEVICES", str(tmp_path / "devices"))
    listed = edgeport("devices", "list")
    assert listed.code == 0
    assert "qemu:cortex-a55         not set up: edgeport devices setup qemu" in listed.out
    assert edgeport("devices", "list", "--json").json[0] == {"device": "local", "state": "ready"}
    for arguments, code, words in (
        ("setup", 2, "what is set up is qemu"),
        ("setup ssh:board", 2, "what is set up is qemu"),
        ("setup qemu", 2, "EDGEPORT_OFFLINE is set"),
        ("clean", 2, "devices clean: which?"),
        ("clean toaster", 2, "a device is local|ssh:"),
        ("clean qemu --dir {0}", 2, "is not what `edgeport devices setup qemu` makes"),
    ):
        done = edgeport("devices", *arguments.format(tmp_path).split())
        assert (done.code, words in done.error) == (code, True), done.error
    assert tmp_path.exists()
    done = edgeport("benchmark", "a.tflite", "--device", "qemu:cortex-a53")
    assert done.code == 6
    assert "run `edgeport devices setup qemu` first" in done.error
