"""Converts with onnxsim's TFLite emitter."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxsim

from benchmarks.peers.material import Material, Request


def load(material: Material) -> onnx.ModelProto:
    return onnx.load(material.onnx)


def convert(model: onnx.ModelProto, request: Request) -> Path:
    simplified, _ = onnxsim.simplify(model)

    def rows() -> Iterator[list[np.ndarray]]:
        return ([np.ascontiguousarray(row.transpose(0, 2, 3, 1))] for row in request.material.calibration_rows())

    options = {"int8_quantize": True, "representative_dataset": rows} if request.precision == "int8" else {}
    onnxsim.export_tflite(simplified, str(request.artifact), io_layout="nhwc", **options)
    return request.artifact
