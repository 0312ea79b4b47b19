"""Our ONNX files in ONNX Runtime's package for Node: the same answers as here."""

import json

import edgeport
import node
import numpy as np
import pytest

pytestmark = pytest.mark.clients

CASES = {
    "fp32": {},
    "fp32 several outputs": {"top_k": 3, "softmax": True},
    "fp16": {"precision": "fp16"},
    "int8": {"precision": "int8"},
    "int8 pixels": {"precision": "int8", "input": "uint8"},
}


@pytest.mark.parametrize("name", CASES)
def test_it_answers_as_here(tmp_path, name):
    node.require("onnxruntime-node")
    options = {"effort": "fast", "validate": False, "benchmark": False, "output_dir": tmp_path}
    made = edgeport.export(edgeport.load("mobilevit_test", weights="random"), "onnx", **options, **CASES[name])
    session = edgeport.open_session(made.path)
    (taken,) = session.inputs
    shape = (1, 3, 128, 128)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    feed = pixels if "pixels" in name else (pixels / np.float32(127.5) - 1).astype(np.float32)
    stored = feed.transpose(0, 2, 3, 1) if "pixels" in name else feed
    (tmp_path / "input").write_bytes(np.ascontiguousarray(stored).tobytes())
    (tmp_path / "outputs").mkdir()
    script = node.CLIENTS / "onnxruntime_node.mjs"
    arguments = (made.path, "input", json.dumps(list(stored.shape)), stored.dtype.name, "outputs")
    node.run(script, *arguments, cwd=tmp_path)
    wanted = session.run({taken.name: feed})
    assert {path.name for path in (tmp_path / "outputs").iterdir()} == set(wanted)
    for output, array in wanted.items():
        got = np.frombuffer((tmp_path / "outputs" / output).read_bytes(), array.dtype).reshape(array.shape)
        if array.dtype == np.float32 and "int8" not in name:
            np.testing.assert_allclose(got, array, rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(got, array)
