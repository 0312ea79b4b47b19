"""Runs OpenVINO models."""

import sys

import numpy as np

# as the sessions on the host set them: no bf16 or f16 where f32 is meant, no threads but those asked for
CONFIG = {
    "NUM_STREAMS": 1,
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
    "ENABLE_CPU_PINNING": False,
    "INFERENCE_PRECISION_HINT": "f32",
}


def prepare():
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # it would write to the home folder, and report
    import openvino

    def load(path, threads):
        session = Session(path, threads)
        held = {}

        def feed(sample):
            held["sample"] = sample

        def invoke():
            session.request.infer(held["sample"], share_inputs=True)

        return feed, invoke, session.fetch

    return load, f"openvino {openvino.__version__.partition('-')[0]}"


class Session:
    """An OpenVINO model; with `profiled`, as Events of openvino_events.py wants it."""

    def __init__(self, path, threads, profile=False):
        import openvino

        config = dict(CONFIG, INFERENCE_NUM_THREADS=threads, PERF_COUNT=profile)
        self._compiled = openvino.Core().compile_model(path, "CPU", config)
        self.request = self._compiled.create_infer_request()

    def fetch(self):
        return [np.array(self.request.get_output_tensor(i).data) for i in range(len(self._compiled.outputs))]

    def raw(self, arrays):
        self.request.infer(arrays, share_inputs=True)
        return self.fetch()

    def profiled(self):
        told = self.request.get_profiling_info()
        return {info.node_name: info.real_time.total_seconds() * 1e6 for info in told}

    def executed_graph(self):
        return self._compiled.get_runtime_model()

    def close(self):
        del self.request, self._compiled


def open_events(module, path, threads, inputs):
    return module.Events(lambda: Session(path, threads, profile=True))
