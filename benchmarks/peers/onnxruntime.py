"""Quantises with ONNX Runtime."""

from pathlib import Path

from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.peers.material import INPUT, Material, Request


class Rows(CalibrationDataReader):
    """The calibration inputs, one at a time."""

    def __init__(self, material: Material):
        self._rows = iter(material.calibration_rows())

    def get_next(self) -> dict | None:
        row = next(self._rows, None)
        return None if row is None else {INPUT: row}


def load(material: Material) -> Path:
    return material.onnx


def convert(path: Path, request: Request) -> Path:
    """int8 alone: the float file is what it starts from."""
    prepared = request.folder / "prepared.onnx"
    quant_pre_process(path, prepared)
    quantize_static(prepared, request.artifact, Rows(request.material), quant_format=QuantFormat.QDQ, per_channel=True)
    prepared.unlink()
    return request.artifact
