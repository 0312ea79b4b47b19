"""What LiteRT's GPU accelerator takes of the files of all cases it computes rightly."""

import edgeport
import numpy as np
import pytest
from cases import CASES
from edgeport.artifacts.errors import ArtifactError
from edgeport.runtime.output_kinds import decibel
from graphs import canonical_case, feeds, run_onnx
from software_gpu import gpu, needs_gpu
from tflite_convert import convert

__all__ = ["gpu"]

RIGHT_DB = 60.0
SOME = [
    *[*list(CASES)[::30], "top_k", "conv_transpose_4x4_stride4", "conv_transpose_5x5_stride3"],
    *[name for name in CASES if name.startswith("padded_with_")],
    *[
        "average_pool_ceiled_relu6",
        "cumulated_first",
        "cumulated_both",
        "pow_of_constant",
        "matmul_constant_left",
        "not_a_number",
        "leaky_relu_steep",
        "leaky_relu_rising",
    ],
]


def run_on_gpu(path, inputs):
    """(its output, how many operators it took), or None where it refuses the whole file."""
    try:
        session = edgeport.open_session(path, accelerator="gpu", accelerator_precision="fp32")
    except ArtifactError:
        return None
    found = session.run(inputs)["y"], session.residency.accelerated
    session.close()
    return found


@needs_gpu
@pytest.mark.parametrize("plain", [False, True], ids=["default", "gpu"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in SOME else pytest.mark.exhaustive) for n in CASES])
def test_what_the_gpu_takes_of_a_case_is_right(gpu, tmp_path, name, plain):
    model = canonical_case(name)
    path, inputs = tmp_path / "case.tflite", feeds(model)
    path.write_bytes(convert(model, plain=plain))
    found = run_on_gpu(path, inputs)
    if found is None or found[1] == 0:
        return
    expected = np.asarray(run_onnx(model, inputs)["y"], np.float64)
    apart = expected - found[0]
    assert decibel(float(np.sum(expected**2)), float(np.sum(apart**2))) > RIGHT_DB
