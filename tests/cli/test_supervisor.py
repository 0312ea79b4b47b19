"""The process that outlives a command: what it says of crashes, signals and limits, and what it cleans up."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = """
import ctypes, os, pathlib, signal, sys, tempfile, threading, time
from edgeport.artifacts.process import tell
from edgeport.artifacts.staging import Staging
from edgeport.pipeline import supervisor
supervisor.GRACE_S = {grace}

def command():
    tell("file", "strange.tflite")
    with Staging(pathlib.Path("out/model")) as staging:
        staging.path("half").write_bytes(b"half")
        tempfile.mkdtemp()
        print(tempfile.gettempdir(), flush=True)
        {body}
    return 7

sys.exit(supervisor.supervise(command, supervisor.Limits({limits})))
"""
KILLED = "strange.tflite: the process was killed by SIGKILL"
STUBBORN = """
        while True:
            try: time.sleep(60)
            except BaseException: pass"""


def start(
    folder: Path, body: str, limits: str = "", grace: float = 5, ignored: tuple[int, ...] = ()
) -> subprocess.Popen:
    def hear_signals() -> None:  # a shell that runs the tests in its background, or nohup, has them ignored
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    program = COMMAND.format(body=body, limits=limits, grace=grace)
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals,
    )


def nothing_is_left(folder: Path, out: str) -> bool:
    return not list(folder.iterdir()) and not Path(out.strip()).exists()


@pytest.mark.parametrize(
    ("body", "limits", "code", "words"),
    [
        ("pass", "", 7, ""),
        ("ctypes.string_at(0)", "", 2, "strange.tflite: native code crashed (SIGSEGV)"),
        ("os.abort()", "", 2, "strange.tflite: native code crashed (SIGABRT)"),
        (
            "os.kill(os.getpid(), 9)",
            "",
            2,
            f"{KILLED} (memory may have run out)",
        ),
        ("os._exit(0)", "", 2, "strange.tflite: the process ended itself with code 0 before the command was done"),
        ("time.sleep(60)", "seconds=0.3", 2, "strange.tflite: not done after 0.3 s, the limit that --time-limit sets"),
        (STUBBORN, "seconds=0.3", 2, "strange.tflite: not done after 0.3 s, the limit that --time-limit sets"),
        (
            "held = b'x' * 300_000_000; time.sleep(60)",
            "memory_mb=200",
            2,
            "strange.tflite: needs more than 200 MB, the limit that --memory-limit sets",
        ),
    ],
)
def test_how_a_command_can_end(tmp_path, body, limits, code, words):
    process = start(tmp_path, body, limits, grace=0.3)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, f"edgeport: {words}\n" if words else "")
    assert nothing_is_left(tmp_path, out)


def test_an_exception_is_a_traceback(tmp_path):
    process = start(tmp_path, "raise ValueError('nobody expected this')")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, "ValueError: nobody expected this" in err) == (1, True)
    assert nothing_is_left(tmp_path, out)


@pytest.mark.parametrize("body", ["time.sleep(60)", STUBBORN], ids=["willing", "stubborn"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(tmp_path, number, body):
    process = start(tmp_path, body, grace=0.3)
    assert process.stdout is not None
    out = process.stdout.readline()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    words = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
    assert (process.returncode, err) == (128 + number, f"edgeport: {words}\n")
    assert nothing_is_left(tmp_path, out)


def test_a_second_signal_waits_for_nothing(tmp_path):
    process = start(tmp_path, STUBBORN, grace=50)
    assert process.stdout is not None
    out = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    time.sleep(0.8)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert nothing_is_left(tmp_path, out)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_the_child_ends_with_the_supervisor(tmp_path):
    process = start(tmp_path, "print(os.getpid(), flush=True); time.sleep(60)")
    assert process.stdout is not None
    scratch, child = process.stdout.readline().strip(), int(process.stdout.readline())
    process.kill()
    process.communicate(timeout=20)
    for _ in range(100):
        if not Path(f"/proc/{child}").exists():
            break
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()
    start(tmp_path, "pass").communicate(timeout=60)  # the next one removes what they left
    assert not list((tmp_path / "out" / "model").iterdir())
    assert not Path(scratch).exists()


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    """As nohup wants it."""
    process = start(tmp_path, "print(flush=True); time.sleep(1)", ignored=(signal.SIGHUP,))
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 7


ENTRY = [sys.executable, "-m", "edgeport"]


def run(arguments: list[str], **options) -> subprocess.CompletedProcess:
    return subprocess.run([*ENTRY, *arguments], stdin=subprocess.DEVNULL, text=True, timeout=100, **options)


def test_a_full_stdout():
    with open("/dev/full", "w") as full:
        done = run(["list"], stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, "edgeport: stdout: cannot be written (No space left on device)\n")


@pytest.mark.parametrize("closed", [(1,), (0, 1), (2,), (0, 1, 2)])
def test_closed_streams(closed, tmp_path):
    """No file that is opened later takes the number of stdout."""
    command = " ".join([*ENTRY, "list", "--json", *(f"{number}>&-" if number else "<&-" for number in closed)])
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert done.returncode == (2 if 1 in closed else 0)
    words = "edgeport: stdout: cannot be written (it is closed)\n"
    assert done.stderr == (words if 1 in closed and 2 not in closed else "")


def test_names_that_the_locale_cannot_write(tmp_path):
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run(["info", "modèle.tflite"], capture_output=True, env=environment, cwd=tmp_path)
    assert done.returncode == 2
    assert "no such file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--time-limit", "--memory-limit"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "x"])
def test_limits_that_are_none(edgeport, option, value):
    done = edgeport("list", f"{option}={value}")
    assert done.code == 2
    assert "must be a number above 0" in done.err or "must be a number of at least 0" in done.err
