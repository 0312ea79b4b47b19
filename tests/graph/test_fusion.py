"""What one kernel computes: the same on a float graph and on one with QuantizeLinear and DequantizeLinear."""

import numpy as np
import pytest
from edgeport.graph.fusion import EPILOGUES, fuse
from edgeport.graph.kernels import Kernel
from edgeport.graph.qparams import QParams
from graphs import graph

W, B = np.zeros((4, 3), np.float32), np.zeros(3, np.float32)
QUANTIZED = {"w": W.astype(np.int8), "b": B.astype(np.int32), "s": np.float32(1), "z": np.int8(0), "i": np.int32(0)}
DEQUANTIZE = "w_dq = DequantizeLinear(w, s, z) b_dq = DequantizeLinear(b, s, i)"

FUSED = {  # graph: (constants, the op types of what the first MatMul takes along)
    "m = MatMul(x, w) a = Add(m, b) y = Relu(a)": ({"w": W, "b": B}, "MatMul Add Relu"),
    f"{DEQUANTIZE} m = MatMul(x, w_dq) a = Add(m, b_dq) y = Relu(a)": (QUANTIZED, "MatMul Add Relu"),
    "m = MatMul(x, w) a = Add(m, m) y = Relu(a)": ({"w": W}, "MatMul"),
    "m = MatMul(x, w) y = Add(m, c)": ({"w": W, "c": np.zeros((2, 3), np.float32)}, "MatMul"),  # no bias
    "m = MatMul(x, w) r = Relu(m) y = Add(r, m)": ({"w": W}, "MatMul"),
    "m = MatMul(x, w) q = QuantizeLinear(m, s, z) d = DequantizeLinear(q, s, z) y = Relu(d)": (
        {"w": W, "s": np.float32(1), "z": np.int8(0)},
        "MatMul",
    ),
}


@pytest.mark.parametrize("text", FUSED)
def test_a_linear_takes_its_bias_and_its_activation(text):
    constants, wanted = FUSED[text]
    model = graph(f"g (float[2,4] x) => (float[2,3] y) {{ {text} }}", constants)
    fused = fuse(next(node for node in model.graph if node.op_type == "MatMul"), EPILOGUES)
    assert [node.op_type for node in fused.nodes] == wanted.split()
    assert (fused.bias is not None) == ("Add" in wanted)
    assert fused.without_epilogue().epilogue is None


def test_a_kernel_accepts_what_its_limits_allow():
    one, point = QParams((1.0,)), QParams((1.0,), 3)
    weight = QParams((2.0**-40, 1.0), axis=0)
    layer = Kernel(weight_axis=0, multiplier="product", limits=(2.0**-32, 2.0))
    assert layer.accepts([one, weight], one)  # a channel of zeros: the lower limit is the plan's
    assert not layer.accepts([one, QParams((2.0,))], one)
    assert not layer.accepts([one, point], one)
    add = Kernel(operands=2, multiplier="each", limits=(0.5, 2.0))
    assert add.accepts([one, point], one)
    assert not add.accepts([one, QParams((0.25,))], one)
    assert Kernel(same_parameters=True).accepts([point], point)
    assert not Kernel(same_parameters=True).accepts([point], one)
    assert not Kernel(operands=2, symmetric=(1,)).accepts([one, point], one)
