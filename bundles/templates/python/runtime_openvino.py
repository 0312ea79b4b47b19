"""Opens the model of this bundle in OpenVINO, on the CPU."""

from pathlib import Path
from typing import Any


def open_model(path: Path, threads: int) -> Any:
    import openvino

    (xml,) = path.glob("*.xml")
    config = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(xml, "CPU", config)
    return lambda tensor: {output.get_any_name(): array for output, array in model([tensor]).items()}
