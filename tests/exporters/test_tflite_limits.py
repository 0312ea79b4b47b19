"""Which requantisation factors the delegate's int8 kernels take: TFLITE_XNNPACK's limits, measured at their edges.

A factor is s_input / s_output for ADD, SUB and MEAN, and s_a * s_b / s_output for the others.
"""

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest
from edgeport.artifacts.errors import ArtifactError
from edgeport.runtime.sessions.tflite import TFLiteSession
from edgeport.targets.kernel_sets.tflite import ADD_LIMITS, GEMM_LIMITS, MUL_LIMITS, TFLITE_XNNPACK
from graphs import canonical, random_integers, run_onnx, run_tflite
from tflite_convert import convert

LSB = 1.01  # one step of the output, with room for float32
ZERO_POINTS = {"a": 3, "b": -5, "y": 7}


def _pair(name: str) -> str:
    scale = f"{name}_scale, {name}_zero"
    return f"{name}_q = QuantizeLinear({name}, {scale}) {name}_dq = DequantizeLinear({name}_q, {scale})"


def _parameters(**scales: float) -> dict[str, np.ndarray]:
    constants = {f"{name}_scale": np.array(scale, np.float32) for name, scale in scales.items()}
    return constants | {f"{name}_zero": np.array(ZERO_POINTS[name], np.int8) for name in scales}


def _two(op: str, factor: float) -> ir.Model:
    """`a` has the factor; `b` too where it counts by itself."""
    b = 1.0 if op == "Mul" else factor
    text = f"{_pair('a')} {_pair('b')} y = {op}(a_dq, b_dq) {_pair('y')}"
    return canonical(
        f"g (float[4,64] a, float[4,64] b) => (float[4,64] y_dq) {{ {text} }}", _parameters(a=factor, b=b, y=1)
    )


def _matmul(factor: float) -> ir.Model:
    text = f"{_pair('a')} {_pair('b')} y = MatMul(a_dq, b_dq) {_pair('y')}"
    constants = _parameters(a=1, b=factor, y=1) | {"b_zero": np.zeros((), np.int8)}  # the only zero point it takes
    return canonical(f"g (float[2,5,8] a, float[2,8,6] b) => (float[2,5,6] y_dq) {{ {text} }}", constants)


def _mean(factor: float) -> ir.Model:
    text = f"{_pair('a')} y = ReduceMean(a_dq, axes) {_pair('y')}"
    constants = _parameters(a=factor, y=1) | {"axes": np.array([2, 3])}
    return canonical(f"g (float[1,8,6,6] a) => (float[1,8,1,1] y_dq) {{ {text} }}", constants)


# kind -> (shape of a, of the weight, of y; the output channel's axis; what computes m from a_dq, w_dq and bias)
WEIGHTED = {
    "Conv": ("1,2,5,5", (4, 2, 1, 1), "1,4,5,5", 0, "y = Conv(a_dq, w_dq, bias)"),
    "Depthwise": ("1,4,7,7", (4, 1, 3, 3), "1,4,5,5", 0, "y = Conv<group=4>(a_dq, w_dq, bias)"),
    "Linear": ("5,8", (8, 4), "5,4", 1, "m = MatMul(a_dq, w_dq) y = Add(m, bias)"),
}


def _weighted(kind: str, factor: float) -> ir.Model:
    """One of four channels has the factor; its bias moves the output by 64 steps, as far as int32 reaches."""
    a, weight, y, axis, text = WEIGHTED[kind]
    scales = np.array([2.0**-8, 2.0**-8, factor, 2.0**-8], np.float32)
    constants = _parameters(a=1, y=1) | {
        "w": np.random.default_rng(0).integers(-127, 128, weight).astype(np.int8),
        "b": np.clip(np.rint(64 / scales.astype(np.float64)), 0, 2**30).astype(np.int32),
        "w_scale": scales,
        "w_zero": np.zeros(4, np.int8),
        "b_zero": np.zeros(4, np.int32),
    }
    text = f"""
        {_pair("a")} w_dq = DequantizeLinear<axis={axis}>(w, w_scale, w_zero)
        bias = DequantizeLinear<axis=0>(b, w_scale, b_zero) {text} {_pair("y")}"""
    return canonical(f"g (float[{a}] a) => (float[{y}] y_dq) {{ {text} }}", constants)


UNLIMITED = (2.0**-60, 2.0**60)  # that is, beyond any use

# kind -> (the kernel's, graph of a factor, the limits, what the delegate does at and beyond the upper one)
KINDS = {
    "Add": ("Add", lambda factor: _two("Add", factor), ADD_LIMITS, "left"),
    "Sub": ("Sub", lambda factor: _two("Sub", factor), ADD_LIMITS, "left"),
    "Mul": ("Mul", lambda factor: _two("Mul", factor), MUL_LIMITS, "left"),
    "Conv": ("Conv", lambda factor: _weighted("Conv", factor), GEMM_LIMITS, "refused"),
    "Depthwise": ("Conv", lambda factor: _weighted("Depthwise", factor), GEMM_LIMITS, "refused"),
    "Linear": ("Linear", lambda factor: _weighted("Linear", factor), GEMM_LIMITS, "refused"),
    "BatchMatMul": ("MatMul", _matmul, UNLIMITED, "taken"),
    "ReduceMean": ("ReduceMean", _mean, UNLIMITED, "taken"),
}
LIMITED = [kind for kind, (_, _, limits, _) in KINDS.items() if limits != UNLIMITED]


def _without_limits(kind: str):
    """The delegate's kernels, of which one kind has no limits."""
    kernels = TFLITE_XNNPACK.kernels
    return replace(TFLITE_XNNPACK, kernels={**kernels, kind: replace(kernels[kind], limits=(0.0, np.inf))})


def _below(factor: float) -> float:
    return float(np.nextafter(np.float32(factor), np.float32(0)))


def _stored(content: bytes, folder):
    path = folder / "unit.tflite"
    path.write_bytes(content)
    return path


def _steps(model: ir.Model, content: bytes) -> float:
    """The largest difference from ONNX Runtime's arithmetic, in steps of the output (its scale is 1)."""
    readers = {v.name: next(use.node for use in v.uses()) for v in model.graph.inputs}
    inputs = random_integers(
        model, {name: [v.const_value.numpy() for v in node.inputs[1:]] for name, node in readers.items()}
    )
    return float(np.abs(run_tflite(content, inputs)["y_dq"] - run_onnx(model, inputs)["y_dq"]).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["lowest", "usual", "highest"])
def test_factors_within_the_limits_are_taken(kind, where, tmp_path):
    _, make, (low, high), _ = KINDS[kind]
    model = make({"lowest": low, "usual": 2.0**-6, "highest": _below(high)}[where])
    content = convert(model)
    path = _stored(content, tmp_path)
    assert TFLiteSession(path).undelegated() == []
    assert TFLiteSession(path).delegate_partitions() == 1
    assert _steps(model, content) <= LSB


@pytest.mark.parametrize("kind", LIMITED)
def test_the_upper_limit_is_the_delegates(kind, tmp_path):
    kernel, make, (_, high), beyond = KINDS[kind]
    path = _stored(convert(make(high), kernels=_without_limits(kernel)), tmp_path)
    if beyond == "refused":  # not the operator alone: the file does not load
        with pytest.raises(ArtifactError, match="XNNPACK"):
            TFLiteSession(path).undelegated()
    else:
        assert TFLiteSession(path).undelegated() == [kind.upper()]


@pytest.mark.parametrize("kind", LIMITED)
def test_the_lower_limit(kind, tmp_path):
    """That of ADD, SUB and MUL is the delegate's. Convolutions and linears have none: all their sums round to zero."""
    kernel, make, (low, _), beyond = KINDS[kind]
    model = make(_below(low))
    content = convert(model, kernels=_without_limits(kernel))
    assert TFLiteSession(_stored(content, tmp_path)).undelegated() == ([] if beyond == "refused" else [kind.upper()])
    assert _steps(model, content) <= LSB


@pytest.mark.parametrize("kind", LIMITED)
def test_beyond_the_limits_the_unit_is_float_in_the_same_partition(kind, tmp_path):
    _, make, (low, high), _ = KINDS[kind]
    for factor in (_below(low), high):
        model = make(factor)
        content = convert(model)
        path = _stored(content, tmp_path)
        assert TFLiteSession(path).undelegated() == []
        assert TFLiteSession(path).delegate_partitions() == 1
        assert _steps(model, content) <= LSB


@pytest.mark.parametrize("factor", [2.0**-12, 2.0**-8, 1.7, 2.0**7, 2.0**10])
def test_requantisation_stays_in_the_partition(factor, tmp_path):
    """int8 under one scale to int8 under another: by QUANTIZE within its limits, through float beyond them."""
    scale = 0.01
    text = """agraph (float[1,2,4,4] x) => (float[1,2,4,4] y) {
        a = QuantizeLinear (x, s, z) b = DequantizeLinear (a, s, z) t = Transpose <perm=[0,1,3,2]> (b)
        c = QuantizeLinear (t, r, z) y = DequantizeLinear (c, r, z) }"""
    model = canonical(text, {"s": np.float32(scale), "r": np.float32(scale / factor), "z": np.int8(0)})
    path = tmp_path / "requantise.tflite"
    path.write_bytes(convert(model))
    assert TFLiteSession(path).undelegated() == []
    assert TFLiteSession(path).delegate_partitions() == 1
    x = {"x": np.random.default_rng(0).uniform(-1.3, 1.3, (1, 2, 4, 4)).astype(np.float32)}
    steps = np.abs(run_tflite(path.read_bytes(), x)["y"] - run_onnx(model, x)["y"]) / (scale / factor)
    assert steps.max() <= 1.01
