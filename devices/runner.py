"""Run one job on a device: it is read from a JSON file, and answered by one line of JSON.

This file is copied there alone. So it imports nothing of edgeport, keeps to Python 3.10, and takes no more than the
standard library, NumPy and the runtime of the artifact. job.py describes what it reads and writes.

    python3 runner.py FOLDER    # in FOLDER: job.json, the artifacts, their inputs
"""

import contextlib
import gc
import glob
import hashlib
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
SCHEMA = 1
# as the sessions on the host set them: no bf16 or f16 where f32 is meant, no threads but those asked for
OPENVINO = {
    "NUM_STREAMS": 1,
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
    "ENABLE_CPU_PINNING": False,
    "INFERENCE_PRECISION_HINT": "f32",
}


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
    models = [Model(each, job["threads"]) for each in job["models"]]
    for model in models:
        model.answer()
    if job["runs"]:
        measure(models, job["warmup"], job["runs"])
    if job["counted"]:
        for number, model in enumerate(models):
            model.count(number, job["counted"])
    facts = about(job["emulated"])
    if before is not None:
        facts["temperature_c"] = [before, temperature_c()]
    return {"schema": SCHEMA, "facts": facts, "models": [model.result for model in models]}


class Model:
    """One artifact with its inputs."""

    def __init__(self, described, threads):
        self.outputs = described["outputs"]
        with np.load(described["inputs"]) as file:
            count = 1 + max(int(name.split("_")[0]) for name in file.files)
            width = len(file.files) // count
            self.samples = [[file[f"{i}_{j}"] for j in range(width)] for i in range(count)]
        load, runtime = RUNTIMES[described["format"]]()
        start = time.perf_counter()
        self.feed, self.invoke, self.fetch = load(described["file"], threads)
        load_ms = (time.perf_counter() - start) * 1e3
        self.result = {"runtime": runtime, "load_ms": load_ms, "times_ms": [], "outputs_sha256": None}

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

    def timed(self, round_):
        sample = self.samples[round_ % len(self.samples)]
        start = time.perf_counter()
        self.run(sample)
        self.result["times_ms"].append((time.perf_counter() - start) * 1e3)

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


def mark(number):
    with contextlib.suppress(OSError):  # there is no such process, and that is not what is asked
        os.getpriority(os.PRIO_PROCESS, MARK + number)


# Each runtime: () -> (load, its name and version); load: (path, threads) -> (feed(arrays), invoke(), fetch()).
# So loading is timed without importing, and an inference is counted without copying its arrays.


def tflite():
    from ai_edge_litert.interpreter import Interpreter

    def load(path, threads):
        interpreter = Interpreter(model_path=path, num_threads=threads)
        interpreter.allocate_tensors()
        inputs = [details["index"] for details in interpreter.get_input_details()]
        outputs = [details["index"] for details in interpreter.get_output_details()]

        def feed(sample):
            for index, array in zip(inputs, sample, strict=True):
                interpreter.set_tensor(index, array)

        return feed, interpreter.invoke, lambda: [interpreter.get_tensor(index) for index in outputs]

    return load, named("ai-edge-litert")


def onnx():
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else it sends the names of models to its makers
    import onnxruntime

    def load(path, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_inputs()]
        outputs = [each.name for each in session.get_outputs()]
        held = {}

        def feed(sample):
            held["feeds"] = dict(zip(names, sample, strict=True))

        def invoke():
            held["results"] = session.run(outputs, held["feeds"])

        return feed, invoke, lambda: held["results"]

    return load, f"onnxruntime {onnxruntime.__version__}"


def openvino():
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # it would write to the home folder, and report
    import openvino

    def load(path, threads):
        config = dict(OPENVINO, INFERENCE_NUM_THREADS=threads)
        compiled = openvino.Core().compile_model(path, "CPU", config)
        request = compiled.create_infer_request()
        held = {}

        def feed(sample):
            held["sample"] = sample

        def invoke():
            request.infer(held["sample"], share_inputs=True)

        def fetch():
            return [np.array(request.get_output_tensor(i).data) for i in range(len(compiled.outputs))]

        return feed, invoke, fetch

    return load, f"openvino {openvino.__version__.partition('-')[0]}"


RUNTIMES = {"tflite": tflite, "onnx": onnx, "openvino": openvino}


def named(distribution):
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:  # unpacked without its metadata
        return distribution


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
