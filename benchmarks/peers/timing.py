"""The artifacts of one model in one format, timed side by side in one process; one line of JSON.

    python -m benchmarks.peers.timing MODEL MATERIAL RUNS LABEL=ARTIFACT...

Of a .tflite only the interpreter's own work is timed, with its input in place: files take NCHW or NHWC, and which of
them an app has at hand is not known here. Beside the time on the clock stands the CPU time: on one thread that is what
a run takes on a machine that does nothing else, and it stays true on one that does. So all run in this process:
another one's CPU time is not seen from here.
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from edgeport import Session, open_session
from edgeport.runtime.benchmark import benchmark

from benchmarks.peers.check import Recorded
from benchmarks.peers.material import Material

WARMUP = 5


class Invocation:
    """A .tflite with its input in place; every run is one call of the interpreter."""

    emulated, threads = False, 1

    def __init__(self, path: Path, image: np.ndarray):
        from ai_edge_litert.interpreter import Interpreter

        session = open_session(path)  # knows what the file takes
        self.inputs, self.outputs = session.inputs, session.outputs
        self.runtime, self.load_ms = session.runtime, session.load_ms
        session.close()
        self._interpreter = Interpreter(model_path=str(path), num_threads=self.threads)
        self._interpreter.allocate_tensors()
        (details,) = self._interpreter.get_input_details()
        shape, (scale, zero_point) = tuple(details["shape"]), details["quantization"]
        array = image if shape == image.shape else image.transpose(0, 2, 3, 1)
        if scale:
            limits = np.iinfo(details["dtype"])
            array = np.clip(np.rint(array / scale) + zero_point, limits.min, limits.max)
        self._interpreter.set_tensor(details["index"], np.ascontiguousarray(array, dtype=details["dtype"]))

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self._interpreter.invoke()
        return {}

    def close(self) -> None:
        del self._interpreter


class Metered:
    """A session that notes the CPU time of each of its runs, of all threads, in ms."""

    def __init__(self, session: Session):
        self._session = session
        self.inputs, self.outputs, self.threads = session.inputs, session.outputs, session.threads
        self.load_ms, self.runtime, self.emulated = session.load_ms, session.runtime, session.emulated
        self.cpu_ms: list[float] = []

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        start = time.process_time_ns()
        outputs = self._session.run(feeds)
        self.cpu_ms.append((time.process_time_ns() - start) / 1e6)
        return outputs

    def close(self) -> None:
        self._session.close()


def open_artifact(path: Path, image: np.ndarray) -> Session:
    """What runs it, in this process."""
    return Invocation(path, image) if path.suffix == ".tflite" else open_session(path, threads=1, in_child=False)


def time_artifacts(material: Material, artifacts: Mapping[str, Path], runs: int) -> dict[str, dict]:
    """{label: the figures of its latency, and "cpu_ms", the median}."""
    image = Recorded(material).images[0]
    sessions = {label: Metered(open_artifact(path, image)) for label, path in artifacts.items()}
    feeds = {label: [{session.inputs[0].name: image}] for label, session in sessions.items()}
    latencies = benchmark(sessions, feeds, runs=runs, warmup=WARMUP)
    return {
        label: {**asdict(latencies[label]), "cpu_ms": float(np.median(session.cpu_ms[WARMUP:]))}
        for label, session in sessions.items()
    }


if __name__ == "__main__":
    model, folder, count, *pairs = sys.argv[1:]
    paths = {label: Path(path) for label, _, path in (pair.partition("=") for pair in pairs)}
    print(json.dumps(time_artifacts(Material(model, Path(folder)), paths, int(count))), flush=True)
