"""Converts with OpenVINO, and quantises with NNCF."""

from pathlib import Path

import nncf
import openvino

from benchmarks.peers.material import INPUT, Material, Request


def load(material: Material) -> Path:
    return material.onnx


def convert(path: Path, request: Request) -> Path:
    model = openvino.convert_model(path)
    if request.precision == "int8":
        rows = [{INPUT: row} for row in request.material.calibration_rows()]
        model = nncf.quantize(model, nncf.Dataset(rows), preset=nncf.QuantizationPreset.MIXED, subset_size=len(rows))
    openvino.save_model(model, request.artifact, compress_to_fp16=False)
    return request.artifact
