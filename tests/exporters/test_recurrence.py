"""PyTorch's LSTM and GRU on every target; what of them is int8; how long they may be."""

import numpy as np
import pytest
import torch
from edgeport.artifacts.errors import UnsupportedOp
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.coreml import convert as to_coreml
from edgeport.exporters.frontends.torch_module import from_torch
from edgeport.exporters.onnx.convert import convert as to_onnx
from edgeport.exporters.openvino.convert import convert as to_openvino
from edgeport.quantize import apply, collect, plan
from edgeport.targets.kernel_sets.tflite import TFLITE_NPU, TFLITE_XNNPACK
from edgeport.targets.registry import open_session
from graphs import canonical, feeds, run_onnx, run_tflite, snr_db
from tflite_convert import convert as to_tflite


class Recurrent(torch.nn.Module):
    """Two layers in both directions, whose first states are computed; all steps and the last states are joined."""

    def __init__(self, kind: str, batch_first: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = getattr(torch.nn, kind)(6, 5, num_layers=2, bidirectional=True, batch_first=batch_first)
        self.first = torch.nn.Linear(3, 2 * 4 * 5)
        self.lstm = kind == "LSTM"

    def forward(self, x: torch.Tensor, seed: torch.Tensor) -> torch.Tensor:
        h, c = (state.reshape(4, -1, 5) for state in self.first(seed).chunk(2, -1))
        steps, last = self.net(x, (h, c) if self.lstm else h)
        return torch.cat([part.reshape(-1) for part in (steps, *(last if self.lstm else (last,)))])


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_every_target_computes_pytorchs(kind, batch_first, tmp_path):
    module = Recurrent(kind, batch_first).eval()
    x, seed = torch.randn(7, 2, 6), torch.randn(7 if batch_first else 2, 3)
    with torch.no_grad():
        expected = module(x, seed).numpy()
    model = canonicalize(from_torch(module, (x, seed), input_names=("x", "seed"), output_names=("y",)))
    assert [node.op_type for node in model.graph].count(kind) == 2
    inputs = {"x": x.numpy(), "seed": seed.numpy()}
    onnx_file, package = tmp_path / "model.onnx", tmp_path / "model.mlpackage"
    onnx_file.write_bytes(to_onnx(model))
    to_coreml(model, package)
    for path in (onnx_file, package, to_openvino(model, tmp_path)):
        np.testing.assert_allclose(open_session(path).run(inputs)["y"], expected, atol=1e-5, err_msg=path.name)
    content = to_tflite(model)
    for turn in range(2):  # nothing of one image is left for the next
        np.testing.assert_allclose(run_tflite(content, inputs)["y"], expected, atol=1e-5, err_msg=f"turn {turn}")


TEXT = (
    "g (float[9,1,8] x) => (float[9,1,6] y) { s = Tanh (x) a = LSTM <hidden_size=6> (s, w, r, b) y = Reshape (a, t) }"
)
CONSTANTS = {"w": (1, 24, 8), "r": (1, 24, 6), "b": (1, 48), "t": [9, 1, 6]}


def test_in_int8_the_steps_are_float_and_what_the_inputs_give_to_them_is_not():
    model = canonical(TEXT, CONSTANTS)
    steps = TFLITE_XNNPACK.apply_forms(model)
    decided = plan(steps, collect(steps, (feeds(model, seed) for seed in range(4))), TFLITE_XNNPACK)
    assert sorted(unit.kind for unit in decided.units if unit.precision == "int8") == ["Linear", "Tanh"]
    expected = run_onnx(model, feeds(model, 9))["y"]
    got = run_tflite(to_tflite(apply(steps, decided)), feeds(model, 9))["y"]
    assert snr_db(expected, got) > 30


SAMPLED = "g (float[1,3,5,7] x, float[1,4,6,2] p) => (float[1,3,4,6] y) { y = GridSample (x, p) }"


@pytest.mark.parametrize(("text", "constants", "op"), [(TEXT, CONSTANTS, "LSTM"), (SAMPLED, {}, "GridSample")])
def test_a_device_without_float_has_no_form_of_it(text, constants, op):
    model = canonical(text, constants)
    with pytest.raises(UnsupportedOp, match=rf"{op} .* has no int8 form; those of tflite-npu"):
        to_tflite(model, kernels=TFLITE_NPU)
    stats = collect(model, (feeds(model, seed) for seed in range(2)))
    with pytest.raises(UnsupportedOp, match=rf"tflite-npu: {op} .* cannot be int8: .*; another profile keeps it float"):
        plan(model, stats, TFLITE_NPU)


def test_what_is_too_long_to_be_written_out_is_refused(tmp_path):
    text, constants = TEXT.replace("[9,", "[600,"), {**CONSTANTS, "t": [600, 1, 6]}
    model = canonical(text, constants)
    with pytest.raises(UnsupportedOp, match=r"LSTM .* has 600 steps; at most 512 are written out"):
        to_tflite(model)
    inputs = feeds(model)
    got = open_session(to_openvino(model, tmp_path)).run(inputs)["y"]
    np.testing.assert_allclose(got, run_onnx(model, inputs)["y"], atol=1e-5)
