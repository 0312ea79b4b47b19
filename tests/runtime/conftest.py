"""Tiny artifacts that the runtime's tests run."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import LINEAR

sys.path.insert(0, str(Path(__file__).parent))  # for `import tiny_tflite`, also in the subprocesses of the tests
import tiny_tflite


def linear_onnx(weight: np.ndarray, bias: np.ndarray) -> bytes:
    """x (1, 4) @ weight (4, 10) + bias (10,) -> logits (1, 10)."""
    model = onnx.parser.parse_model(LINEAR)
    for name, array in (("weight", weight), ("bias", bias)):
        model.graph.initializer.append(onnx.numpy_helper.from_array(array.astype(np.float32), name))
    return model.SerializeToString()


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory) -> dict[str, Path]:
    """{what it is: path}: linear.onnx and one .tflite of each kind."""
    folder = tmp_path_factory.mktemp("artifacts")
    rng = np.random.default_rng(0)
    offsets = [1.0, 2.0, 3.0]
    contents = {
        "linear.onnx": linear_onnx(rng.standard_normal((4, 10)), rng.standard_normal(10)),
        "nhwc.tflite": tiny_tflite.add_channels(offsets),
        "nchw.tflite": tiny_tflite.add_channels(offsets, layout="nchw"),
        "foreign.tflite": tiny_tflite.add_channels(offsets, ours=False, signature=False),
        "int8.tflite": tiny_tflite.int8_ends(),
        "dense.tflite": tiny_tflite.dense(np.eye(8) * 2, layers=3),
        "half.tflite": tiny_tflite.half_delegated(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}
