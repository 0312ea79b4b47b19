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
        config = dict(CONFIG, INFERENCE_NUM_THREADS=threads)
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
