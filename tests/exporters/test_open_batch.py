"""A graph of one image, opened for any number of them: each gets what it gets alone."""

import numpy as np
import onnxruntime
import pytest
from edgeport.artifacts.errors import UnsupportedOp
from edgeport.exporters.onnx.convert import convert as to_onnx
from edgeport.exporters.openvino.convert import convert as to_openvino
from edgeport.pipeline.any_batch import check_rows
from edgeport.targets.registry import open_session
from graphs import canonical, feeds

IMAGE = "float[1,6,8,10] x"
# what is written with the shape of one image -> (the graph's inputs and outputs, what it does, its constants)
FIXED = {
    "reshape": (f"{IMAGE}) => (float[1,480] y", "y = Reshape (x, s)", {"s": [1, 480]}),
    "windows": (
        f"{IMAGE}) => (float[1,6,8,10] y",
        "r = Reshape (x, s) t = Transpose <perm=[0,3,2,4,1]> (r) e = Exp (t) u = Transpose <perm=[0,4,2,1,3]> (e) "
        "y = Reshape (u, o)",
        {"s": [1, 6, 2, 4, 10], "o": [1, 6, 8, 10]},
    ),
    "merged": (
        "float[1,4,5] x) => (float[1,4,3] y",
        "r = Reshape (x, s) m = MatMul (r, w) y = Reshape (m, o)",
        {"s": [4, 5], "w": (5, 3), "o": [1, 4, 3]},
    ),
    "resize": (
        f"{IMAGE}) => (float[1,6,16,20] y",
        'y = Resize <mode="linear", coordinate_transformation_mode="half_pixel"> (x,,,s)',
        {"s": [1, 6, 16, 20]},
    ),
    "class_token": (
        "float[1,7,5] x) => (float[1,8,5] y",
        "y = Concat <axis=1> (t, x)",
        {"t": np.arange(5, dtype=np.float32).reshape(1, 1, 5)},
    ),
    "grid": (
        f"{IMAGE}) => (float[1,6,3,4] y",
        "y = GridSample (x, g)",
        {"g": np.linspace(-1, 1, 24, dtype=np.float32).reshape(1, 3, 4, 2)},
    ),
}


@pytest.mark.parametrize("what", FIXED)
def test_each_image_gets_what_it_gets_alone(what, tmp_path):
    """In ONNX Runtime and in OpenVINO, beside the same graph of one image."""
    ends, body, constants = FIXED[what]
    model = canonical(f"g ({ends}) {{ {body} }}", constants)
    drawn = [feeds(model, seed)["x"] for seed in range(3)]
    one = onnxruntime.InferenceSession(to_onnx(model), providers=["CPUExecutionProvider"])
    wanted = np.concatenate([one.run(None, {"x": image})[0] for image in drawn])
    (tmp_path / "any.onnx").write_bytes(to_onnx(model, any_batch=True))
    for path in (tmp_path / "any.onnx", to_openvino(model, tmp_path, any_batch=True)):
        session = open_session(path)
        assert session.inputs[0].shape[0] is None
        assert session.outputs[0].shape[0] is None
        for size in (3, 1, 2):
            got = session.run({"x": np.concatenate(drawn[:size])})["y"]
            np.testing.assert_allclose(got, wanted[:size], rtol=1e-4, atol=1e-5, err_msg=f"{path.suffix} of {size}")
        session.close()


@pytest.mark.parametrize(
    ("inputs", "body", "said"),
    [
        ("float[2,3] x) => (float[2,3] y", "y = Exp (x)", r"input 'x' is \(2, 3\), not of one image"),
        ("float[1,3] x) => (float[3] y", "y = Reshape (x, s)", r"output 'y' is \(3,\), not of one image"),
    ],
)
def test_what_is_not_of_one_image_is_refused(inputs, body, said):
    model = canonical(f"g ({inputs}) {{ {body} }}", {"s": [3]} if "s)" in body else None)
    with pytest.raises(UnsupportedOp, match=said):
        to_onnx(model, any_batch=True)


def test_images_that_are_mixed_are_found():
    wanted = np.arange(12, dtype=np.float32).reshape(3, 4)
    check_rows(wanted + 1e-4, wanted, 1e-3, "y")
    with pytest.raises(UnsupportedOp, match="an operator mixes images"):
        check_rows(wanted[::-1], wanted, 1e-3, "y")
    with pytest.raises(UnsupportedOp, match=r"has shape \(1, 12\), not \(3, 4\)"):
        check_rows(wanted.reshape(1, 12), wanted, 1e-3, "y")
