"""What float16 cannot compute is found from a few inputs, and the Core ML artifact computes it in float32."""

import json

import edgeport
import numpy as np
import pytest
import torch
from edgeport.exporters.coreml import convert
from edgeport.graph.half_precision import halved
from edgeport.quantize import prepare_float16
from edgeport.runtime.mil.package import read_package
from edgeport.targets.registry import open_session
from graphs import canonical, feeds, run_onnx, snr_db

LOWEST = float(np.finfo(np.float32).min)
ROWS = "agraph (float[1,4,8] x) => (float[1,4,{0}] y)"

SIX = np.ones((8, 6), np.float32) * np.arange(1, 7, dtype=np.float32)


def masked(number, whole_row=False):
    mask = np.zeros((1, 4, 8), np.float32)
    mask[:, :, 5:] = number
    if whole_row:
        mask[:, 2] = number
    return mask


# name: (what computes y from x, its constants, the size of y's last axis, whether float32 is needed)
GRAPHS = {
    "mask": ("m = Add (x, c) y = Softmax <axis=-1> (m)", {"c": masked(-1e9)}, 8, False),
    "a row masked as a whole": ("m = Add (x, c) y = Softmax <axis=-1> (m)", {"c": masked(LOWEST, True)}, 8, True),
    "masked elsewhere": (
        "z = Constant <value_float = 0.0> () k = Greater (x, z) m = Where (k, x, c) y = Softmax <axis=-1> (m)",
        {"c": np.float32(LOWEST)},
        8,
        False,
    ),
    "a mask that is not for a softmax": (
        "m = Add (x, c) y = Mul (m, d)",
        {"c": masked(1e6), "d": np.float32(1e-6)},
        8,
        True,
    ),
    "a bound out of reach": ("y = Clip (x, l, h)", {"l": np.float32(-1e30), "h": np.float32(1e6)}, 8, False),
    "squares": (
        "a = Mul (x, c) p = Mul (a, a) s = ReduceSum <keepdims=1> (p, n) q = Sqrt (s) y = Div (a, q)",
        {"c": np.float32(300), "n": np.array([2])},
        8,
        True,
    ),
    "small squares": (
        "a = Mul (x, c) p = Mul (a, a) s = ReduceSum <keepdims=1> (p, n) q = Sqrt (s) y = Div (a, q)",
        {"c": np.float32(2e-5), "n": np.array([2])},
        8,
        True,
    ),
    "squares that fit": (
        "p = Mul (x, x) s = ReduceSum <keepdims=1> (p, n) q = Sqrt (s) y = Div (x, q)",
        {"n": np.array([2])},
        8,
        False,
    ),
    "exp": ("a = Mul (x, c) e = Exp (a) p = Add (e, d) y = Log (p)", {"c": np.float32(9), "d": np.float32(1)}, 8, True),
    "log of small probabilities": (
        "a = Mul (x, c) s = Softmax <axis=-1> (a) y = Log (s)",
        {"c": np.float32(15)},
        8,
        True,
    ),
    "small divisor": (
        "a = Abs (x) b = Mul (a, c) p = Add (b, e) y = Div (o, p)",
        {"c": np.float32(1e-6), "e": np.float32(1e-4), "o": np.ones((1, 4, 8), np.float32)},
        8,
        True,
    ),
    "fourth power": (
        "a = Mul (x, c) p = Pow (a, f) y = Pow (p, g)",
        {"c": np.float32(40), "f": np.float32(4), "g": np.float32(0.25)},
        8,
        True,
    ),
    "large weight": (
        "m = MatMul (x, w) r = Abs (m) y = Mul (r, c)",
        {"w": SIX * np.float32(1e5), "c": np.float32(1e-5)},
        6,
        True,
    ),
    "tiny weight": (
        "m = MatMul (x, w) r = Abs (m) y = Mul (r, c)",
        {"w": SIX * np.float32(1e-7), "c": np.float32(1e6)},
        6,
        True,
    ),
    "LayerNorm of thousands": (
        "a = Mul (x, c) y = LayerNormalization <axis=-1, epsilon=1e-6> (a, g, b)",
        {"c": np.float32(3000), "g": (8,), "b": (8,)},
        8,
        True,
    ),
    "RMSNorm": (
        "a = Mul (x, c) p = Mul (a, a) s = ReduceMean <keepdims=1> (p, n) t = Add (s, e) r = Pow (t, h) y = Mul (a, r)",
        {"c": np.float32(500), "n": np.array([2]), "e": np.float32(1e-6), "h": np.float32(-0.5)},
        8,
        True,
    ),
    "whole numbers": (
        "i = ArgMax <axis=-1, keepdims=1> (x) j = Add (i, k) f = Cast <to=1> (j) d = Sub (f, t) y = Mul (x, d)",
        {"k": np.array([[[4001]]]), "t": np.float32(4000)},
        8,
        True,
    ),
    "small beside large": ("a = Mul (x, c) y = Add (x, a)", {"c": np.full((1, 1, 8), 1e-6, np.float32)}, 8, False),
    "all zero": ("z = Mul (x, c) y = Add (x, z)", {"c": np.float32(0)}, 8, False),
}


def run_coreml(model, path, inputs, **options):
    convert(model, path, precision="fp16", **options)
    session = open_session(path)
    results = session.run(inputs)
    session.close()
    return results


@pytest.mark.parametrize("name", GRAPHS)
def test_coreml_fp16_equals_float32(name, tmp_path):
    body, constants, size, needs_float32 = GRAPHS[name]
    model = canonical(f"{ROWS.format(size)} {{ {body} }}", constants)
    inputs = feeds(model)
    fitted, beyond = prepare_float16(model, [inputs])
    assert bool(beyond) == needs_float32
    assert beyond.keys() <= {node.outputs[0].name for node in fitted.graph}
    (expected,) = run_onnx(model, inputs).values()
    np.testing.assert_array_equal(expected, next(iter(run_onnx(fitted, inputs).values())))  # in float32 nothing changes
    (got,) = run_coreml(fitted, tmp_path / "fitted.mlpackage", inputs, float32=beyond).values()
    assert snr_db(expected, got) > 50
    assert np.isfinite(got).all()


def test_only_what_needs_it_is_float32(tmp_path):
    body, constants, size, _ = GRAPHS["squares"]
    model = canonical(f"{ROWS.format(size)} {{ {body} }}", constants)
    fitted, beyond = prepare_float16(model, [feeds(model)])
    convert(fitted, tmp_path / "m.mlpackage", precision="fp16", float32=beyond)
    types = {
        operation.type: operation.outputs[0][1].dtype for operation in read_package(tmp_path / "m.mlpackage").operations
    }
    assert (types["reduce_mean"], types["sqrt"], types["real_div"]) == ("float32", "float32", "float16")


def test_the_interpreter_overflows_as_float16_does(tmp_path):
    """Without the islands the file is wrong, and the runner shows it: else nothing above would prove anything."""
    body, constants, size, _ = GRAPHS["squares"]
    model = canonical(f"{ROWS.format(size)} {{ {body} }}", constants)
    inputs = feeds(model)
    (got,) = run_coreml(model, tmp_path / "m.mlpackage", inputs).values()
    assert snr_db(next(iter(run_onnx(model, inputs).values())), got) < 1


@pytest.mark.parametrize("factor", [1e6, 1e-7])
def test_a_constant_outside_the_range_is_not_halved(factor):
    weight = np.random.default_rng(0).standard_normal((128, 64)).astype(np.float32)
    assert halved(weight) is not None
    assert halved(weight * np.float32(factor)) is None


class Normalized(torch.nn.Module):
    """Features of hundreds, divided by their norm."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 16, 3, padding=1)

    def forward(self, x):
        return torch.nn.functional.normalize(self.conv(x) * 300, dim=1)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_export_says_what_is_float32(precision, tmp_path):
    events = []
    result = edgeport.export(
        Normalized(), "coreml", precision=precision, input_shape=(1, 3, 8, 8), output_dir=tmp_path,
        progress=events.append, num_calibration_samples=4,
    )  # fmt: skip
    assert result.verdict == "ok"
    beyond = json.loads(result.manifest_path.read_text())["beyond_float16"]
    assert any("reaches" in why for why in beyond.values())
    assert any("cannot be computed in float16" in event.text for event in events if event.kind == "note")


def test_other_targets_warn_of_devices_that_compute_in_float16(tmp_path):
    result = edgeport.export(Normalized(), "openvino", precision="fp16", input_shape=(1, 3, 8, 8), output_dir=tmp_path)
    assert result.verdict == "ok"
    assert json.loads(result.manifest_path.read_text())["beyond_float16"]
    assert any("Run it in float32" in warning for warning in result.warnings)


def test_what_fits_is_all_float16(tmp_path):
    result = edgeport.export("mobilenetv3_test", "coreml", precision="fp16", weights="random", output_dir=tmp_path)
    assert json.loads(result.manifest_path.read_text())["beyond_float16"] == {}
