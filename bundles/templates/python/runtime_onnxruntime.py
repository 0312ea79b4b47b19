"""Opens the model of this bundle in ONNX Runtime, on the CPU."""

import os
from pathlib import Path
from typing import Any


def open_model(path: Path, threads: int) -> Any:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else it sends the names of models to its makers
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    name = session.get_inputs()[0].name
    return lambda tensor: dict(zip(outputs, session.run(outputs, {name: tensor}), strict=True))
