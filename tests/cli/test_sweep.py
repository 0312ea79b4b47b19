"""The verb `sweep`: its jobs, what runs beside what, what is done again, how jobs end, and one for real."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from edgeport.artifacts.errors import UsageError
from edgeport.pipeline.sweep import cores, journal, plan, schedule
from edgeport.pipeline.sweep.jobs import Job, outcome
from edgeport.pipeline.sweep.journal import Journal
from edgeport.pipeline.sweep.options import BENCHMARK, EXPORT, VALIDATE
from edgeport.pipeline.sweep.process import Ended, Processes
from edgeport.pipeline.sweep.schedule import Schedule

MANY = {"models": ["lenet1", "lenet5"], "targets": ["tflite", "openvino"], "precisions": ["fp32", "int8"]}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def planned(**said) -> list[Job]:
    return plan.make_jobs(plan.make_sweep(said))


def test_the_jobs():
    jobs = planned(**MANY)
    assert [job.name for job in jobs[:2]] == ["export lenet1 tflite fp32", "export lenet1 tflite int8"]
    assert [job.kind for job in jobs] == [EXPORT] * 8 + [BENCHMARK] * 4
    assert all({need.precision for need in job.needs} == {"fp32", "int8"} for job in jobs[8:])
    assert [job.kind for job in planned(models="lenet1")] == [EXPORT, EXPORT, BENCHMARK]


def test_options_go_where_they_belong(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "own.py").write_text("def net(): ...")
    own = {"model": "own.py:net", "effort": "fast", "input_shape": "3,8,8"}
    options = {"calibration-data": "photos", "num_runs": 7, "threads": 2, "keep-float": ["a", "b"]}
    said = {"models": ["lenet1", own], **{name.replace("-", "_"): value for name, value in options.items()}}
    plain, export, *_ = planned(**said)
    assert plain.arguments == {"calibration": str(tmp_path / "photos")}  # fp32
    assert export.arguments == {"calibration": str(tmp_path / "photos"), "keep_float": ["a", "b"]}
    assert export.reads == (str(tmp_path / "photos"),)
    other = next(job for job in planned(**said) if job.model != "lenet1")
    assert other.model == f"{tmp_path / 'own.py'}:net"
    assert {"effort": "fast", "input_shape": {"": (3, 8, 8)}}.items() <= other.arguments.items()
    assert str(tmp_path / "own.py") in other.reads
    timed = planned(**said)[-1]
    assert timed.arguments == {"num_runs": 7, "threads": 2}


def test_preprocessing_is_said_once_for_all_exports():
    said = {"mean": [0.5, 0.4, 0.3], "scale": "1/255", "color": "bgr", "pad_value": 0, "resize": "letterbox"}
    for job in planned(models="lenet1", **said):
        assert job.arguments.get("preprocess") == (said if job.kind == EXPORT else None)
        json.dumps(job.call(()))
    with pytest.raises(UsageError, match="std: must be a number above 0"):
        planned(models="lenet1", std=0)


def test_the_jobs_on_devices():
    jobs = planned(models=["lenet1"], targets=["tflite", "coreml"], precisions=["int8"], devices=["local", "ssh:pi@b"])
    assert [job.name for job in jobs if job.device] == [
        "benchmark lenet1 tflite local",
        "validate lenet1 tflite int8 ssh:pi@b",
        "benchmark lenet1 tflite ssh:pi@b",
        "benchmark lenet1 coreml local",
    ]
    call = jobs[3].call(["x.tflite"])
    assert (call["kind"], call["artifacts"], call["device"]) == (VALIDATE, ["x.tflite"], "ssh:pi@b")
    assert jobs[2].call(["x.tflite"])["device"] == "local"


# (arguments, content of sweep.yaml) -> the sentence
REFUSED = [
    ((), "", "there is nothing to sweep over: name models"),
    (("--models", "lenet1", "lenet1"), "", "models: 'lenet1' is there twice"),
    (("--models", "lenet1", "--targets", "onx"), "", "targets: 'onx' is none of tflite, openvino, coreml, onnx"),
    (("--models", "lenet1", "--precisions", "int4"), "", "precisions: 'int4' is none of fp32, fp16, int8"),
    (("--models", "lenet1", "--effort", "some"), "", "effort: 'some' is none of fast, default, high"),
    (("--models", "lenet1", "--num-runs", "0"), "", "must be a whole number of at least 1, not '0'"),
    (("--models", "lenet1", "--executor", "slurm"), "", "must be local or ray[:ADDRESS], not 'slurm'"),
    (("none.yaml",), "", "none.yaml: cannot be read (No such file or directory)"),
    (("sweep.yaml",), "models: [a, b", "sweep.yaml: is not YAML"),
    (("sweep.yaml",), "- lenet1", "must hold names with values"),
    (("sweep.yaml",), "models: [[a]]", "models: ['a'] is no name"),
    (("sweep.yaml",), "models: [{weights: random}]", "names no model"),
    (("sweep.yaml",), "models: lenet1\neffrot: fast", "effrot: is no option of a sweep; did you mean effort?"),
    (("sweep.yaml",), "models: [{model: lenet1, precision: int8}]", "precision: is no option of a sweep"),
    (("sweep.yaml",), "models: lenet1\neffort: true", "effort: takes a value, not True"),
    (("sweep.yaml",), "models: lenet1\njobs: none", "jobs: must be a whole number from 1 to 512"),
    (("sweep.yaml",), "models: lenet1\ncalibration_data: !!python/object:os.system {}", "is not YAML"),
    (("sweep.yaml", "-o", "sweep.yaml"), "models: lenet1", "sweep.yaml: cannot be written"),
]


@pytest.mark.parametrize(("arguments", "said", "sentence"), REFUSED)
def test_refuses(arguments, said, sentence, edgeport, tmp_path):
    (tmp_path / "sweep.yaml").write_text(said)
    done = edgeport("sweep", *arguments)
    assert done.code == 2
    assert sentence in done.err.splitlines()[-1]
    assert not done.out


def test_ray_that_is_not_installed(edgeport, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = edgeport("sweep", "--models", "lenet1", "--executor", "ray")
    assert done.code == 2
    assert done.err == "edgeport: --executor ray needs ray: pip install 'edgeport[ray]'\n"


@dataclass
class Fake:
    """Runs nothing, and notes what runs beside what. `ends`: {the name of a job: how it ends}."""

    room: int | None = 2
    ends: dict[str, Ended | Exception] = field(default_factory=dict)
    beside: list[set[str]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    stopped: bool = False

    def __post_init__(self):
        self._pool, self._now, self._lock = ThreadPoolExecutor(16), [], threading.Lock()

    def submit(self, job, work):
        with self._lock:
            self._now.append(job.name)
            self.beside.append(set(self._now))
        return self._pool.submit(self._end, job)

    def _end(self, job):
        time.sleep(0.01)
        with self._lock:
            self._now.remove(job.name)
            self.done.append(job.name)
        end = self.ends.get(job.name, Ended(0, json.dumps(made(job)), "", 0.01))
        if isinstance(end, Exception):
            raise end
        return end

    def stop(self):
        self.stopped = True


def made(job: Job) -> dict:
    return {"artifact": f"artifacts/{job.model}_{job.precision}.{job.target}", "verdict": "ok"}


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """sweep(fake, shared=False, **said): runs the jobs with a fake executor; returns the lines by the job's name."""
    monkeypatch.setattr(Journal, "_whole", lambda self, line: True)

    def run(fake: Fake, *, shared: bool = False, **said) -> dict:
        monkeypatch.setattr(schedule, "divide", lambda threads: cores.Division(None, None, shared))
        with Journal(tmp_path / "sweep") as kept:
            ran = Schedule(kept, fake, {"cpu": "a"}, 1, 60, lambda *_: None)
            ran.run(planned(**said or MANY))
        return {job.name: line for job, line in ran.lines.items()}

    return run


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("room", [1, 3, None])
def test_what_runs_beside_what(sweep, shared, room):
    fake = Fake(room)
    sweep(fake, shared=shared, **MANY, devices=["local", "ssh:pi@b", "adb"])
    assert len(fake.done) == 8 + 4 + 2 * (8 + 4)
    for together in fake.beside:
        timed = {name for name in together if name.startswith("benchmark") and name.endswith("local")}
        others = together - timed
        assert len(timed) <= 1
        assert room is None or len(others) <= room
        assert not (shared and timed and others)
        for device in ("ssh:pi@b", "adb"):
            assert sum(name.endswith(device) for name in others) <= 1
    most = max(len(together) for together in fake.beside)
    assert most >= min(room or 2, 2)
    for name in fake.done:  # what it needs came before
        if not name.startswith("export"):
            *_, model, target = name.split()[:3]
            needed = f"export {model} {target}"
            assert fake.done.index(f"{needed} fp32") < fake.done.index(name)


ENDS = {  # how a job ends -> (its code, its problem, whether it is done again)
    "cannot be exported": (Ended(3, "", "edgeport: tflite: no kernel"), 3, "tflite: no kernel", False),
    "disagrees": (Ended(4, '{"artifact": "x", "verdict": "fail: far"}', ""), 4, "", False),
    "bad input": (Ended(2, "", "WARNING: x\nedgeport: no such file"), 2, "no such file", True),
    "a bug": (Ended(1, "", "Traceback\n  File\nValueError: odd"), 1, "a bug: ValueError: odd", True),
    "no JSON": (Ended(0, "hello", ""), 1, "a bug: it printed no JSON", True),
    "killed": (Ended(-9, "", ""), 6, "was killed by SIGKILL (memory may have run out)", True),
    "crashed": (Ended(-11, "", ""), 6, "was killed by SIGSEGV", True),
    "hangs": (Ended(None, "", ""), 6, "not done after 60 s", True),
    "no worker": (RuntimeError("node\ngone"), 6, "its worker failed: node", True),
}


@pytest.mark.parametrize("case", ENDS)
def test_how_a_job_ends(case, sweep):
    end, code, problem, again = ENDS[case]
    name = "export lenet1 tflite int8"
    first = Fake(ends={name: end})
    lines = sweep(first)
    assert (lines[name]["code"], lines[name]["problem"]) == (code, problem)
    assert len(first.done) == 12  # the others go on, the benchmark with what there is
    timed = lines["benchmark lenet1 tflite local"]["job"]["artifacts"]
    assert timed == ["artifacts/lenet1_fp32.tflite"] + ["x"] * (case == "disagrees")
    second = Fake()
    sweep(second)
    assert second.done == ([name, "benchmark lenet1 tflite local"] if again else [])


def test_without_any_artifact_nothing_is_timed(sweep):
    fail = Ended(3, "", "edgeport: no")
    lines = sweep(Fake(ends={f"export lenet1 tflite {p}": fail for p in ("fp32", "int8")}), models=["lenet1"])
    assert lines["benchmark lenet1 tflite local"] is None


def test_two_models_of_one_name(sweep):
    same = Ended(0, json.dumps({"artifact": "artifacts/net/net_fp32.tflite", "verdict": "ok"}), "")
    names = [f"export {model} tflite fp32" for model in ("lenet1", "lenet5")]
    lines = sweep(Fake(1, dict.fromkeys(names, same)), models=["lenet1", "lenet5"], precisions=["fp32"])
    assert lines[names[0]]["code"] == 0
    assert lines[names[1]]["problem"] == f"wrote over what {names[0]} had made, artifacts/net/net_fp32.tflite"


def test_what_makes_a_job_another(sweep, tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"1")
    said = {"models": ["lenet1"], "precisions": ["int8"], "calibration_data": "photos"}
    export, timed = "export lenet1 tflite int8", "benchmark lenet1 tflite local"

    def run(**more) -> list[str]:
        fake = Fake()
        sweep(fake, **said | more)
        return fake.done

    assert run() == [export, timed]
    assert run() == []
    assert run(num_runs=3) == [timed]
    assert run(effort="fast") == [export, timed]
    assert run() == []
    (tmp_path / "photos" / "b.png").write_bytes(b"2")
    assert run() == [export, timed]
    monkeypatch.setattr(schedule, "tool_versions", lambda target: {"torch": "99"})
    assert run() == [export, timed]
    monkeypatch.setattr(Journal, "_whole", lambda self, line: False)
    assert run() == [export]  # the same artifact again: what was timed stays


def test_an_interruption_ends_what_runs(sweep):
    fake = Fake()

    def interrupted(job, work):
        raise KeyboardInterrupt

    fake.submit = interrupted
    with pytest.raises(KeyboardInterrupt):
        sweep(fake)
    assert fake.stopped


def test_the_journal(tmp_path):
    line = {"key": "k", "job": {"kind": "benchmark"}, "code": 0, "result": {}}
    (tmp_path / journal.FILE).write_bytes(b'{"a": 1}\n[]\n7\n' + json.dumps(line).encode() + b'\n{"key": "t')
    with Journal(tmp_path) as kept:
        assert kept.finished("k") == line
        assert kept.finished("t") is None
        with pytest.raises(journal.UsageError, match="another sweep is at work there"), Journal(tmp_path):
            pass
        kept.add(line | {"key": "new"})
    with Journal(tmp_path) as kept:
        assert kept.finished("new")
    assert (tmp_path / journal.FILE).read_bytes().count(b"\n") == 6


def test_an_artifact_that_was_changed_is_made_again(exported, tmp_path):
    folder = tmp_path / "lenet5"
    shutil.copytree(exported["int8"].parent, folder)
    artifact = folder / exported["int8"].name
    line = {"key": "k", "job": {"kind": "export"}, "code": 0, "result": {"artifact": f"lenet5/{artifact.name}"}}
    with Journal(tmp_path) as kept:
        kept.add(line)
        assert kept.finished("k")
        artifact.write_bytes(artifact.read_bytes()[:-1] + b"x")
        assert kept.finished("k") is None
        artifact.unlink()
        assert kept.finished("k") is None


# {logical CPU: (its core, kHz)}, threads -> (for benchmarks, for the others, shared)
MACHINES = {
    "two cores": ({0: (0, 0), 1: (1, 0)}, 1, ({1}, {0}, False)),
    "one core": ({0: (0, 0)}, 1, ({0}, {0}, True)),
    "one core of two CPUs": ({0: (0, 0), 1: (0, 0)}, 1, ({0, 1}, {0, 1}, True)),
    "four CPUs of two cores": ({0: (0, 0), 1: (1, 0), 2: (0, 0), 3: (1, 0)}, 1, ({1}, {0, 2}, False)),
    "fast and slow": ({0: (0, 9), 1: (1, 9), 2: (2, 5), 3: (3, 5)}, 1, ({1}, {0, 2, 3}, False)),
    "as many threads as cores": ({0: (0, 0), 1: (1, 0)}, 2, ({0, 1}, {0, 1}, True)),
    "two threads": ({0: (0, 0), 1: (1, 0), 2: (2, 0)}, 2, ({1, 2}, {0}, False)),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_cores(machine, tmp_path, monkeypatch):
    cpus, threads, (timed, others, shared) = MACHINES[machine]
    for cpu, (core, khz) in cpus.items():
        for name in ("topology", "cpufreq"):
            (tmp_path / f"cpu{cpu}" / name).mkdir(parents=True)
        siblings = sorted(other for other, (its, _) in cpus.items() if its == core)
        (tmp_path / f"cpu{cpu}" / "topology" / "thread_siblings_list").write_text(",".join(map(str, siblings)))
        (tmp_path / f"cpu{cpu}" / "cpufreq" / "cpuinfo_max_freq").write_text(f"{khz}\n")
    monkeypatch.setattr(cores, "CPUS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(cpus), raising=False)
    assert cores.divide(threads) == cores.Division(frozenset(timed), frozenset(others), shared)
    assert cores.numbers("0-2,8") == {0, 1, 2, 8}
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores.divide(threads) == cores.Division(None, None, True)


GRANDCHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def gone(pid: int) -> bool:
    """Whether a process is no more, or only waits to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def eventually(holds, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def test_a_process_takes_too_long_and_all_that_it_started_ends(tmp_path):
    ended = Processes().run([sys.executable, "-c", GRANDCHILD], folder=tmp_path, timeout_s=1.5)
    assert ended.code is None
    assert eventually(lambda: gone(int(ended.out)))


def test_how_a_process_ends(tmp_path):
    processes = Processes()

    def run(code: str) -> Ended:
        return processes.run([sys.executable, "-c", code], folder=tmp_path, timeout_s=60)

    ended = run("import os, sys; print(os.getcwd()); sys.stderr.write('a\\nb\\n'); sys.exit(3)")
    assert (ended.code, ended.out.strip(), ended.last_words) == (3, str(tmp_path), "b")
    assert ended.seconds > 0
    assert outcome(run("import os; os.kill(os.getpid(), 9)"), 1)["problem"].startswith("was killed by SIGKILL")
    processes.kill()
    assert run("print(1)").code == -9  # nothing starts any more


@contextlib.contextmanager
def started(*arguments, **environment):
    """The command as a process of its own; killed at the end, if it is still there."""
    command = [sys.executable, "-m", "edgeport.cli", *map(str, arguments)]
    process = subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def workers(folder: Path) -> list[int]:
    """The processes that do jobs in that folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (
                b"edgeport.pipeline.sweep.work" in (place / "cmdline").read_bytes()
                and (place / "cwd").readlink() == folder
            ):
                found.append(int(place.name))
    return found


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / journal.FILE).read_text().splitlines()]


def digests(folder: Path) -> dict[str, tuple[bytes, int]]:
    """{artifact or manifest: (its bytes, when it was made)}."""
    files = [path for path in sorted((folder / "artifacts").rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


TWO = ["lenet1", "lenet5"]
QUICK = ("--num-calibration-samples", "4", "--num-validation-samples", "4", "--effort", "fast", "--num-runs", "5")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("models", "targets", "count", "before", "by"),
    [
        pytest.param(["lenet1"], ["tflite"], 3, 1, signal.SIGKILL, id="3 jobs"),
        pytest.param(["lenet1"], ["tflite"], 3, 1, signal.SIGINT, id="interrupted", marks=pytest.mark.exhaustive),
        pytest.param(TWO, ["tflite", "openvino"], 12, 5, signal.SIGKILL, id="12 jobs", marks=pytest.mark.exhaustive),
    ],
)
def test_killed_and_again(models, targets, count, before, by, edgeport, tmp_path):
    folder = tmp_path / "out"
    arguments = ("sweep", "--models", *models, "--targets", *targets, *QUICK, "-o", folder)
    results = folder / journal.FILE
    with started(*arguments) as sweep:
        assert eventually(lambda: results.exists() and len(lines_of(folder)) >= before and workers(folder), 300)
        (worker, *_) = workers(folder)
        allowed = os.sched_getaffinity(worker)
        division = cores.divide(1)
        sweep.send_signal(by)
        assert sweep.wait(60) == (130 if by == signal.SIGINT else -by)
        assert eventually(lambda: not workers(folder))  # nobody goes on alone
    assert allowed in (division.others, division.benchmarks, os.sched_getaffinity(0))
    finished, made_before = lines_of(folder), digests(folder)
    done = edgeport(*arguments, "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["done_before"] == len(finished)
    lines = lines_of(folder)
    assert lines[: len(finished)] == finished
    assert len(lines) == len({line["key"] for line in lines}) == count
    after = digests(folder)
    kept = [line["result"]["artifact"] for line in finished if line["job"]["kind"] == EXPORT]
    assert kept
    for name in kept:
        for path in [path for path in after if path.startswith(name)]:
            assert after[path] == made_before[path]
    report = edgeport("report", folder, "--json")
    rows = json.loads(report.out)["rows"]
    assert report.code == 0
    assert len(rows) == len(models) * len(targets) * 2
    assert all(row["latency"] and row["agreement"] and row["device_facts"] for row in rows)
    again = edgeport(*arguments)
    assert again.code == 0
    assert lines_of(folder) == lines
    assert f"{count} jobs, 0 failed" in again.out


def test_a_sweep_with_failures_goes_on(edgeport, tmp_path):
    """One model that is not there, one that is, without the file that it reads."""
    yaml = "models: [lenet9, {model: lenet1, weights: none.pth}]\nprecisions: [fp32]\noutput: out\n"
    (tmp_path / "sweep.yaml").write_text(yaml)
    done = edgeport("sweep", "sweep.yaml")
    table = done.out.splitlines()
    assert done.code == 2
    assert "export: no model is called 'lenet9'" in done.out or "lenet9" in table[1] + table[2]
    assert "none.pth" in done.out
    assert "2 jobs, 2 failed" in table[-1]
    assert "[4/4]" in done.err
    assert edgeport("report", "out").code == 0


@contextlib.contextmanager
def ray_cluster(folder: Path, workers: int):
    """A cluster of that many workers on this machine; its address."""
    command = [
        *(sys.executable, "-c", "import sys; from ray.scripts.scripts import main; sys.exit(main())", "start"),
        *("--head", "--block", f"--num-cpus={workers}", "--include-dashboard=false", "--disable-usage-stats"),
        *("--port=0", f"--temp-dir={folder}"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout
        said = "".join(itertools.takewhile(lambda line: "--block" not in line, process.stdout))
        yield said.split("--address='")[1].split("'")[0]
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.exhaustive
def test_ray_gives_the_same_bytes(edgeport, tmp_path, tmp_path_factory):
    pytest.importorskip("ray")
    arguments = ("sweep", "--models", *TWO, "--targets", "tflite", "openvino", *QUICK)
    with ray_cluster(tmp_path_factory.mktemp("ray"), 2) as address:
        assert edgeport(*arguments, "-o", "there", "--executor", f"ray:{address}").code == 0
    assert edgeport(*arguments, "-o", "here").code == 0
    here, there = digests(tmp_path / "here"), digests(tmp_path / "there")
    assert len(there) >= 16
    assert {name: content for name, (content, _) in here.items()} == {
        name: content for name, (content, _) in there.items()
    }


def test_no_ray_cluster(edgeport, closed_port):
    pytest.importorskip("ray")
    done = edgeport("sweep", "--models", "lenet1", "--executor", f"ray:ray://127.0.0.1:{closed_port}")
    assert done.code == 2
    assert "`ray start --head` starts one" in done.err
