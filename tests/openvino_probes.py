"""Measures, on graphs of a few nodes, how OpenVINO's CPU plugin computes Q/DQ: {probe: dB to the oracle}.

Run as a program it prints that as JSON. What a kernel gets wrong depends on the instruction set, which oneDNN takes
from the environment (ONEDNN_MAX_CPU_ISA) when it is first used: so a test runs this file in a process of its own.
"""

import json
import sys

import numpy as np
from graphs import graph

sys.modules.setdefault("openvino_telemetry", None)  # this runs in a process of its own: nothing is sent anywhere

DQ = "DequantizeLinear<axis=0>"
C = 12  # channels of each branch: no multiple of 16


def pair(x: str, name: str, scale: str = "s", zero: str = "z") -> str:
    return f"{name}_q = QuantizeLinear({x}, {scale}, {zero}) {name} = DequantizeLinear({name}_q, {scale}, {zero})"


def weights(name: str, *shape: int) -> dict[str, np.ndarray]:
    """int8 (out, in, h, w) per output channel, its scales and zero points: `name`q, `name`s, `name`z."""
    real = np.random.default_rng(len(name) + shape[0]).normal(size=shape) / np.sqrt(np.prod(shape[1:]))
    scales = np.abs(real).max(axis=(1, 2, 3)) / 127
    integers = np.rint(real / scales[:, None, None, None]).astype(np.int8)
    return {f"{name}q": integers, f"{name}s": scales.astype(np.float32), f"{name}z": np.zeros(shape[0], np.int8)}


WEIGHTS = (
    weights("a", C, 16, 1, 1) | weights("bb", C, 16, 1, 1) | weights("c", 8, 2 * C, 3, 3) | weights("d", 8, 2 * C, 1, 1)
)


def scalars(dtype: type, zero: int, *, scale2: float = 4 / 255, zero2: int | None = None) -> dict[str, np.ndarray]:
    """x is quantised to [-4, 4] (sx, zx), what comes after ReLU to [0, 4] (s, z) and (s2, z2)."""
    return {
        "sx": np.array(8 / 255, np.float32),
        "zx": np.array(zero + 128, dtype),
        "s": np.array(4 / 255, np.float32),
        "z": np.array(zero, dtype),
        "s2": np.array(scale2, np.float32),
        "z2": np.array(zero if zero2 is None else zero2, dtype),
    }


BRANCHES = (
    f"af = {DQ}(aq, as, az) bf = {DQ}(bbq, bbs, bbz) cf = {DQ}(cq, cs, cz) df = {DQ}(dq, ds, dz) "
    f"{pair('x', 'xd', 'sx', 'zx')} a0 = Conv(xd, af) b0 = Conv(xd, bf) a1 = Relu(a0) b1 = Relu(b0) "
)
CONV3 = "Conv<kernel_shape=[3,3], pads=[1,1,1,1]>"
POOL3 = "AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>"
PAIR_AFTER = f"e0 = Concat<axis=1>(a1, b1) {pair('e0', 'e')} y = {CONV3}(e, cf)"
PAIRS_BEFORE = f"{pair('a1', 'a2')} {pair('b1', 'b2', 's2', 'z2')} e = Concat<axis=1>(a2, b2) y = {CONV3}(e, cf)"


def pooled(source: str) -> str:
    return (
        f"e0 = Concat<axis=1>(a1, b1) {pair('e0', 'e')} y0 = {CONV3}(e, cf) p0 = {POOL3}({source}) "
        f"{pair('p0', 'p', 's2', 'z2')} y1 = Conv(p, df) y = Add(y0, y1)"
    )


U8, I8 = np.uint8, np.int8
CONVOLUTIONS = {  # probe -> (nodes behind the two branches, their scales and zero points)
    "signed, pair after Concat": (PAIR_AFTER, scalars(I8, -128)),
    "signed, pairs before Concat": (PAIRS_BEFORE, scalars(I8, -128)),
    "unsigned, pair after Concat": (PAIR_AFTER, scalars(U8, 0)),
    "unsigned, pairs before Concat": (PAIRS_BEFORE, scalars(U8, 0)),
    "unsigned, zero points differ": (PAIRS_BEFORE, scalars(U8, 0, zero2=7)),
    "unsigned, scales differ": (PAIRS_BEFORE, scalars(U8, 0, scale2=3 / 255)),
    "average of integers": (pooled("e"), scalars(U8, 0)),
    "average of float": (pooled("e0"), scalars(U8, 0)),
}
WEIGHT_ONLY = (
    "agraph (float[64,64] x) => (float[64,64] y) { w = DequantizeLinear<axis=1>(wq, ws, wz) y = MatMul(x, w) }"
)
FLOAT = "agraph (float[1,16,12,12] x) => (float[1,8,12,12] y) { y = Conv<kernel_shape=[3,3], pads=[1,1,1,1]>(x, w) }"


def probe(text: str, constants: dict, *configs: dict) -> list[float]:
    """dB of OpenVINO's result under each config, against everything in float32 as written."""
    import onnx_ir as ir
    import openvino as ov

    model = graph(text, constants)
    shape = [int(d) for d in model.graph.inputs[0].shape]
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    content = ir.to_proto(model).SerializeToString()

    def run(config: dict) -> np.ndarray:
        compiled = ov.Core().compile_model(ov.Core().read_model(content), "CPU", {"INFERENCE_NUM_THREADS": 1} | config)
        return next(iter(compiled([x]).values())).astype(np.float64)

    exact = run(F32 | STATIC | {"LP_TRANSFORMS_MODE": "NO"})
    return [10 * np.log10((exact**2).sum() / max(((run(c) - exact) ** 2).sum(), 1e-30)) for c in configs]


F32, STATIC = {"INFERENCE_PRECISION_HINT": "f32"}, {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}


def measure() -> dict[str, float]:
    import openvino as ov

    found = {}
    for name, (body, parameters) in CONVOLUTIONS.items():
        text = f"agraph (float[1,16,12,12] x) => (float[1,8,12,12] y) {{ {BRANCHES} {body} }}"
        read = {key: value for key, value in (WEIGHTS | parameters).items() if f"{key}," in text or f"{key})" in text}
        (found[name],) = probe(text, read, F32 | STATIC)
    rng = np.random.default_rng(0)
    linear = {
        "wq": rng.integers(-127, 128, (64, 64)).astype(np.int8),
        "ws": np.full(64, 0.01, np.float32),
        "wz": np.zeros(64, np.int8),
    }
    found["weight only, as it comes"], found["weight only, static"] = probe(WEIGHT_ONLY, linear, F32, F32 | STATIC)
    found["float, as it comes"], found["float, f32"] = probe(FLOAT, {"w": (8, 16, 3, 3)}, {}, F32)
    found["has bf16"] = float("BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    return found


if __name__ == "__main__":
    sys.modules["openvino_telemetry"] = None  # it would report each import
    print(json.dumps(measure()))
