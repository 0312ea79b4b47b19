"""Small models that come quantised: by ONNX Runtime's static quantiser, and by training with it in PyTorch."""

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

SIZE = (1, 3, 16, 14)
TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[N,3,16,14] x) => (float[N,5] y) {
  a = Conv <pads = [1,1,1,1], strides = [2,2]> (x, w1, b1)
  b = Relu (a)
  c = Conv <pads = [1,1,1,1], group = 8> (b, w2, b2)
  d = Add (b, c)
  e = Conv (d, w3)
  f = Sigmoid (e)
  g = Mul (d, f)
  h = MaxPool <kernel_shape = [2,2], strides = [2,2]> (g)
  i = Concat <axis = 1> (h, h)
  j = GlobalAveragePool (i)
  k = Flatten (j)
  y = Gemm <transB = 1> (k, w4, b4)
}
"""
SHAPES = {
    "w1": (8, 3, 3, 3),
    "b1": (8,),
    "w2": (8, 1, 3, 3),
    "b2": (8,),
    "w3": (8, 8, 1, 1),
    "w4": (5, 16),
    "b4": (5,),
}


def network() -> onnx.ModelProto:
    """Plain and depthwise convolutions, a residual, a gate, pooling, concatenation and a linear, in float."""
    proto = onnx.parser.parse_model(TEXT)
    rng = np.random.default_rng(0)
    for name, shape in SHAPES.items():
        array = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 10)
        proto.graph.initializer.append(numpy_helper.from_array(array.astype(np.float32), name))
    return proto


def by_onnxruntime(folder: Path, activations: str, weights: str, *, form: str = "QDQ", **options) -> Path:
    """The network as quantize_static leaves it; `options` are its own."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = [{"x": np.random.default_rng(i).standard_normal(SIZE).astype(np.float32)} for i in range(4)]

        def get_next(self):
            return self.left.pop() if self.left else None

    onnx.save(network(), folder / "float.onnx")
    path = folder / f"{form}_{activations}_{weights}_{'_'.join(map(str, options.values()))}.onnx"
    logging.disable(logging.WARNING)
    try:
        quantize_static(
            folder / "float.onnx",
            path,
            Reader(),
            quant_format=getattr(QuantFormat, form),
            activation_type=getattr(QuantType, activations),
            weight_type=getattr(QuantType, weights),
            **options,
        )
    finally:
        logging.disable(logging.NOTSET)
    return path


def parameters(path: Path) -> set[tuple[float, float]]:
    """The (lowest, highest) real number of every activation that a Q/DQ file quantises."""
    graph = onnx.load(path).graph
    constants: Mapping[str, np.ndarray] = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    found = set()
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero = (constants[name] for name in node.input[1:])
            low = np.iinfo(zero.dtype).min - int(zero)
            found.add((float(scale) * low, float(scale) * (low + 255)))
    return found


QAT = '''
import warnings

import torch
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch.ao.quantization as q


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.quant, self.dequant, self.add = q.QuantStub(), q.DeQuantStub(), torch.ao.nn.quantized.FloatFunctional()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn, self.relu = nn.BatchNorm2d(8), nn.ReLU()
        self.conv2, self.fc = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 5)

    def forward(self, x):
        y = self.relu(self.bn(self.conv(self.quant(x))))
        y = self.add.add(y, self.conv2(y))
        return self.dequant(self.fc(y.mean((2, 3))))


def trained(qconfig):
    model = Net().train()
    model.qconfig = qconfig
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = q.prepare_qat(q.fuse_modules_qat(model, [["conv", "bn", "relu"]]))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    for step in range(4):
        torch.manual_seed(step)
        loss = (model(torch.randn(8, 3, 16, 14)) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def full():
    activation = q.FakeQuantize.with_args(
        observer=q.MovingAverageMinMaxObserver, quant_min=0, quant_max=255, dtype=torch.quint8
    )
    return trained(q.QConfig(activation=activation, weight=q.default_per_channel_weight_fake_quant))


def narrow():
    """Of 7 bits, as `reduce_range` has them, observed by the fused module, weights per channel."""
    return trained(q.get_default_qat_qconfig("fbgemm"))


def per_tensor():
    return trained(q.get_default_qat_qconfig("qnnpack"))


def converted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return q.convert(full().eval())


class Operators(nn.Module):
    """The operators themselves, as an exported program has them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("scale", torch.rand(4) * 0.002 + 0.001)
        self.register_buffer("zero", torch.zeros(4, dtype=torch.int32))

    def forward(self, x):
        x = torch.fake_quantize_per_tensor_affine(x, 0.03, 4, -128, 127)
        w = torch.fake_quantize_per_channel_affine(self.conv.weight, self.scale, self.zero, 0, -127, 127)
        y = torch.relu(nn.functional.conv2d(x, w, self.conv.bias))
        decomposed = torch.ops.quantized_decomposed
        y = decomposed.quantize_per_tensor(y, 0.01, 0, 0, 255, torch.uint8)
        return decomposed.dequantize_per_tensor(y, 0.01, 0, 0, 255, torch.uint8).mean((2, 3))


def operators():
    import torch.ao.quantization.fx._decomposed

    return Operators()
'''


def ranges_of_training(model) -> set[tuple[float, float]]:
    """What the activations of a QAT model hold, by its own modules; of 7 bits the whole byte, half of it unused."""
    found = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, module in model.named_modules():
            if hasattr(module, "fake_quant_enabled") and "weight_fake_quant" not in name:
                scale, zero = float(module.scale.reshape(-1)[0]), int(module.zero_point.reshape(-1)[0])
                observer = getattr(module, "activation_post_process", module)
                lowest = -128 if observer.quant_max == 127 else 0  # [0, 127] is the upper half of int8
                found.add(((lowest - zero) * scale, (lowest + 255 - zero) * scale))
    return found
