"""Runs on a device: one job, read from a JSON file, and answered by one line of JSON.

It is copied there with the backends that the job needs, and nothing else. So it imports nothing of edgeport, keeps to
Python 3.10, and takes no more than the standard library, NumPy and the runtime of the artifact. job.py describes what
it reads and writes.

    python3 runner.py FOLDER    # in FOLDER: job.json, the artifacts, their inputs
"""

import contextlib
import gc
import glob
import hashlib
import importlib.util
import json
import os
import platform
import resource
import shutil
import sys
import threading
import time

import numpy as np

ANSWER = "EDGEPORT_ANSWER "  # begins the line with the result
ABANDONED = 75  # EX_TEMPFAIL of sysexits.h: whoever asked is gone
MARK = 0x5EED0000  # getpriority(0, MARK + n) tells the emulator's counting plugin to write down mark n
SCHEMA = 2
RUNTIMES_MB = {}  # runtime: what this process has grown by when it was imported


class Failure(Exception):
    """The message is what the host is told."""


def main(folder):
    os.chdir(folder)
    gone, watching = watch(folder)
    try:
        with open("job.json") as file:
            job = json.load(file)
        if job["schema"] != SCHEMA:
            raise Failure(f"it is given a job of schema {job['schema']} and knows {SCHEMA}")
        answer = run(job)
    except Exception as e:  # whatever it is, the host has to hear of it
        answer = {"error": str(e) if isinstance(e, Failure) else f"{type(e).__name__}: {e}"}
    try:
        print("\n" + ANSWER + json.dumps(answer), flush=True)
    except OSError:  # nobody listens
        gone.wait(10)
    if gone.is_set():
        watching.join()  # it cleans up, and ends all
    os._exit(0)  # without the runtimes' own farewells, which may hang or crash


def watch(folder):
    """Ends this process, and removes its folder, when stdin does: whoever waits for the answer holds it open.

    Returns (the event that this has happened, the thread that sees to it).
    """
    gone = threading.Event()

    def wait():
        while os.read(0, 4096):
            pass
        gone.set()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(ABANDONED)

    watching = threading.Thread(target=wait, daemon=True)
    watching.start()
    return gone, watching


def run(job):
    """The answer to a job."""
    before = None if job["emulated"] else temperature_c()
    profiled = job["profiled"]
    models = []
    for each in job["models"]:
        models.append(Model(each, job["threads"], watched=bool(profiled)))
        if profiled:
            models[-1].start()  # before the next one is loaded: the memory is this one's
    for model in models:
        model.answer()
    if job["runs"]:
        measure(models, job["warmup"], job["runs"])
    if job["counted"]:
        for number, model in enumerate(models):
            model.count(number, job["counted"])
    if profiled:
        profile(models, profiled)
    copied = [copy_us(size) for size in job["copied"]]
    facts = about(job["emulated"])
    if before is not None:
        facts["temperature_c"] = [before, temperature_c()]
    answer = {"schema": SCHEMA, "facts": facts, "models": [model.result for model in models]}
    return dict(answer, copied_us=copied, flags=flags()) if copied else answer


class Model:
    """One artifact with its inputs; of one that is `watched` the peak of the memory is its own, not the process's."""

    def __init__(self, described, threads, watched=False):
        self.outputs = described["outputs"]
        with np.load(described["inputs"]) as file:
            count = 1 + max(int(name.split("_")[0]) for name in file.files)
            width = len(file.files) // count
            self.samples = [[file[f"{i}_{j}"] for j in range(width)] for i in range(count)]
        self.described, self.threads = described, threads
        name = described["runtime"]
        self.backend = load_module("backends", name)
        before = resident_mb()
        load, runtime = self.backend.prepare()
        if watched:
            reset_peak()
        self.before_mb = resident_mb()
        grown = RUNTIMES_MB.setdefault(name, self.before_mb - before)  # what is imported once serves all
        self.before_mb -= grown
        start = time.perf_counter()
        self.feed, self.invoke, self.fetch = load(described["file"], threads)
        load_ms = (time.perf_counter() - start) * 1e3
        self.result = {"runtime": runtime, "load_ms": load_ms, "times_ms": [], "cpu_ms": [], "outputs_sha256": None}

    def run(self, sample):
        self.feed(sample)
        self.invoke()
        return self.fetch()

    def answer(self):
        """Runs every sample once, and writes down what comes out."""
        if self.outputs is None:
            return
        arrays = {}
        for i, sample in enumerate(self.samples):
            arrays.update((f"{i}_{j}", array.copy()) for j, array in enumerate(self.run(sample)))
        try:
            with open(self.outputs, "wb") as file:
                np.savez(file, **arrays)
            with open(self.outputs, "rb") as file:
                self.result["outputs_sha256"] = hashlib.sha256(file.read()).hexdigest()
        except OSError as e:
            raise Failure(f"its outputs cannot be written there ({e.strerror})") from e

    def start(self):
        """Runs it for the first time, and looks at the memory."""
        loaded = resident_mb()
        start = time.perf_counter()
        self.run(self.samples[0])
        first_ms = (time.perf_counter() - start) * 1e3
        for _ in range(2):
            self.run(self.samples[0])
        self.profile = {
            "first_ms": first_ms,
            "loaded_mb": loaded - self.before_mb,
            "peak_mb": max(peak_mb(), loaded) - self.before_mb,
            "wall_us": [],
            "cpu_us": [],
        }

    def open_events(self):
        """Opens it a second time, in its runtime's profiler."""
        self.module = load_module("events", self.described["runtime"])
        with speaking(self.module):
            described = self.described
            self.events = self.backend.open_events(self.module, described["file"], self.threads, described["named"])

    def block(self, runs):
        """Runs it so often plainly, then so often in the profiler; one run more before either does not count."""
        sample = self.samples[0]
        for i in range(runs + 1):
            start, cpu = time.perf_counter_ns(), time.process_time_ns()
            self.run(sample)
            taken, used = time.perf_counter_ns() - start, time.process_time_ns() - cpu
            if i:
                self.profile["wall_us"].append(taken / 1e3)
                self.profile["cpu_us"].append(used / 1e3)
        with speaking(self.module):
            for i in range(runs + 1):
                self.events.run(sample, counted=i > 0)

    def timed(self, round_):
        sample = self.samples[round_ % len(self.samples)]
        start, cpu = time.perf_counter(), time.process_time()
        self.run(sample)
        taken, used = time.perf_counter() - start, time.process_time() - cpu
        self.result["times_ms"].append(taken * 1e3)
        self.result["cpu_ms"].append(used * 1e3)

    def count(self, number, times):
        """Marks the begin and the end of single inferences on the first sample, for the plugin that counts."""
        self.run(self.samples[0])
        for i in range(times):
            self.feed(self.samples[0])
            mark(2 * (number * times + i))
            self.invoke()
            mark(2 * (number * times + i) + 1)
        with open("counts.jsonl") as file:
            marks = [json.loads(line) for line in file]
        own = marks[2 * number * times :]
        self.result["counts"] = [
            {name: end[name] - begin[name] for name in begin if name != "mark"}
            for begin, end in zip(own[::2], own[1::2], strict=True)
        ]


def measure(models, warmup, runs):
    """Times all models in turn, each round beginning at another one, so that all of them meet the same weather."""
    gc.disable()
    for round_ in range(warmup + runs):
        turn = round_ % len(models)
        for model in models[turn:] + models[:turn]:
            model.timed(round_)
    gc.enable()


def profile(models, turns):
    """Profiles all models, in turns."""
    for model in models:
        model.open_events()
    gc.disable()
    for _ in range(turns["rounds"]):
        for model in models:
            for _ in range(turns["blocks"]):
                model.block(turns["block"])
    gc.enable()
    for model in models:
        with speaking(model.module):
            model.result["profile"] = dict(model.profile, events=model.events.finish())


def copy_us(size):
    """What a copy of so many bytes takes of the processor, at best."""
    source, target = np.ones(size, np.uint8), np.zeros(size, np.uint8)
    many, taken = max(1, 2**26 // size), []
    for _ in range(8):
        start = time.process_time_ns()
        for _ in range(many):
            np.copyto(target, source)
        taken.append((time.process_time_ns() - start) / many / 1e3)
    return min(taken)


def flags():
    """What the first core can do, as /proc/cpuinfo names it on x86 and on Arm."""
    for line in read("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return value.split()
    return []


@contextlib.contextmanager
def speaking(module):
    """What such a module says of itself is for people."""
    try:
        yield
    except Exception as e:
        if type(e) in (getattr(module, name, None) for name in ("Unsuitable", "Refused")):
            raise Failure(str(e)) from e
        raise


def mark(number):
    with contextlib.suppress(OSError):  # there is no such process, and that is not what is asked
        os.getpriority(os.PRIO_PROCESS, MARK + number)


# A backend's prepare() gives (load, its name and version); load: (path, threads) -> (feed(arrays), invoke(), fetch()).
# So loading is timed without importing, and an inference is counted without copying its arrays. Its open_events(the
# module that was copied to events/, path, threads, names of the inputs) gives that module's Events.


def load_module(folder, name):
    """The module of a runtime, from a file that was copied to a folder beside this one."""
    spec = importlib.util.spec_from_file_location(f"{folder}_{name}", os.path.join(folder, f"{name}.py"))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    assert spec.loader is not None
    sys.modules[module.__name__] = module  # dataclasses look for theirs there
    spec.loader.exec_module(module)
    return module


def resident_mb():
    """What this process has in memory, in MB (10^6 bytes)."""
    return memory_mb("VmRSS")


def peak_mb():
    """The most that it had since reset_peak, or ever where that has no effect."""
    return memory_mb("VmHWM")


def memory_mb(name):
    for line in read("/proc/self/status").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def reset_peak():
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # proc(5): VmHWM begins anew


def about(emulated):
    """Facts of the device; what it does not tell is left out."""
    info = {}
    for line in read("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        info.setdefault(key.strip(), []).append(value.strip())
    facts = {
        "board": read("/proc/device-tree/model").strip("\0\n "),
        "cpu": (info.get("model name") or [""])[0],
        "cpu_parts": sorted(set(info.get("CPU part", []))),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    if not emulated:  # else these would be the emulating machine's
        frequencies = [read(path) for path in glob.glob("/sys/devices/system/cpu/cpu*/cpufreq/cpuinfo_max_freq")]
        governors = [read(path) for path in glob.glob("/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")]
        facts["cores"] = os.cpu_count()
        facts["system"] = platform.platform()
        facts["max_mhz"] = sorted({int(each) // 1000 for each in frequencies if each.strip().isdigit()})
        facts["governor"] = sorted({each.strip() for each in governors if each.strip()})
        facts["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        facts["load_1min"] = round(os.getloadavg()[0], 2)
    return {name: value for name, value in facts.items() if value not in ("", [], None)}


def temperature_c():
    """Of the warmest thermal zone, degrees Celsius, or None."""
    zones = [read(path).strip() for path in glob.glob("/sys/class/thermal/thermal_zone*/temp")]
    return max((int(each) / 1000 for each in zones if each.lstrip("-").isdigit()), default=None)


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


if __name__ == "__main__":
    main(sys.argv[1])
