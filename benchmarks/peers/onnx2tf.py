"""Converts with onnx2tf."""

import os
from pathlib import Path

import numpy as np
import onnx2tf

from benchmarks.peers.material import INPUT, Material, Request

MADE = {"fp32": "float32", "int8": "integer_quant"}  # how its files' names end


# It looks for these pictures, (20, 128, 128, 3) in 0..1, in the working folder, and downloads them where they are not.
PICTURES = "calibration_image_sample_data_20x128x128x3_float32.npy"


def load(material: Material) -> Path:
    return material.onnx


def convert(path: Path, request: Request) -> Path:
    os.chdir(request.folder)
    rows = request.folder / "calibration.npy"
    images = np.concatenate(request.material.calibration_rows()).transpose(0, 2, 3, 1)  # NCHW -> NHWC
    np.save(rows, images)
    np.save(PICTURES, (images[:20, :128, :128] - images.min()) / np.ptp(images))
    onnx2tf.convert(
        input_onnx_file_path=str(path),
        output_folder_path=str(request.folder),
        output_integer_quantized_tflite=request.precision == "int8",
        custom_input_op_name_np_data_path=[[INPUT, str(rows), np.zeros(3, np.float32), np.ones(3, np.float32)]],
        non_verbose=True,
    )
    rows.unlink()
    return request.folder / f"{path.stem}_{MADE[request.precision]}.tflite"
