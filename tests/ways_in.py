"""Small models in every form in which the command takes them, written into a folder."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import torch
from onnx import TensorProto, helper, numpy_helper

CODE = '''
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Optional

import torch
from torch import nn

from neighbour import CHANNELS


class Net(nn.Module):
    """Convolution and linear, with outputs as `give` arranges them."""

    def __init__(self, give):
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.head, self.give = nn.Conv2d(CHANNELS, 8, 3, padding=1), nn.Linear(8, 5), give

    def forward(self, x):
        y = torch.relu(self.conv(x))
        return self.give(y, self.head(y.mean((2, 3))))


@dataclass
class Result:
    logits: torch.Tensor
    features: tuple
    loss: Optional[torch.Tensor] = None


Pair = namedtuple("Pair", "map score")

module = Net(lambda y, z: z)


def only():
    return Net(lambda y, z: z)


def as_dict():
    return Net(lambda y, z: {"map": y, "heads": {"class": z, "twice": [2 * z, 3 * z]}})


def as_tuple():
    return Net(lambda y, z: (y, [z]))


def as_named_tuple():
    return Net(lambda y, z: Pair(y, z))


def as_dataclass():
    return Net(lambda y, z: Result(logits=z, features=(y, y.mean(1))))


def as_model_output():
    return Net(lambda y, z: OrderedDict(logits=z, image=y))


def with_number():
    return Net(lambda y, z: {"logits": z, "count": 3})


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.conv, self.mix = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(6, 4)

    def forward(self, image, vector, *, scale=1.0):
        return self.conv(image) * torch.sigmoid(self.mix(vector)).reshape(1, 4, 1, 1)


def two():
    return Two()


def lines():
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 3))


def deep():
    return helper_that_fails()


def helper_that_fails():
    raise KeyError("weights")


def scripted():
    return torch.jit.script(nn.Linear(3, 4))


def leaves():
    raise SystemExit("usage: this is a script")
'''


def write(folder: Path) -> None:
    """Everything that the tests name, in `folder`."""
    (folder / "net.py").write_text(CODE)
    (folder / "neighbour.py").write_text("CHANNELS = 3\n")
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").write_text("")
    (folder / "pack" / "inner.py").write_text(
        "import net\n\nclass Box:\n    build = staticmethod(net.only)\n\nonly = net.only\n"
    )
    sys.path.insert(0, str(folder))
    try:
        import net  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(folder))
    write_programs(folder, net)
    write_onnx(folder)


def write_programs(folder: Path, net) -> None:
    image = torch.zeros(2, 3, 12, 10)
    dims = {"x": {0: torch.export.Dim("n"), 2: torch.export.Dim("h", min=8, max=64)}}
    dynamic = torch.export.export(net.as_dict().eval(), (image,), dynamic_shapes=dims, strict=False)
    torch.export.save(dynamic, folder / "dynamic.pt2")
    pair = (torch.zeros(1, 3, 12, 10), torch.zeros(1, 6))
    torch.export.save(torch.export.export(net.two().eval(), pair, strict=False), folder / "two.pt2")
    torch.jit.script(torch.nn.Linear(3, 4)).save(folder / "script.pt")
    torch.save(torch.nn.Linear(3, 4).state_dict(), folder / "weights.pth")
    (folder / "text.pt2").write_text("no program")


def write_onnx(folder: Path) -> None:
    for name, make in ONNX.items():
        onnx.save(make(), folder / f"{name}.onnx")
    onnx.save(
        network(), folder / "external.onnx", save_as_external_data=True, location="external.bin", size_threshold=0
    )
    onnx.save(network(), folder / "lost.onnx", save_as_external_data=True, location="lost.bin", size_threshold=0)
    (folder / "lost.bin").unlink()
    outside = onnx.load(folder / "external.onnx", load_external_data=False)
    outside.graph.initializer[0].external_data[0].value = "../external.bin"
    (folder / "outside.onnx").write_bytes(outside.SerializeToString())
    (folder / "cut.onnx").write_bytes(network().SerializeToString()[:400])
    (folder / "text.onnx").write_text("no model")


TEXT = """
<ir_version: 8, opset_import: ["" : 13]>
net (float[N,3,12,10] x) => (float[N,5] y) {
  a = Conv <pads = [1,1,1,1]> (x, w, b)
  c = Relu (a)
  d = GlobalAveragePool (c)
  e = Flatten (d)
  y = Gemm <transB = 1> (e, v, u)
}
"""
WEIGHTS = {"w": (8, 3, 3, 3), "b": (8,), "v": (5, 8), "u": (5,)}


def network(dtype=np.float32) -> onnx.ModelProto:
    """Convolution, pooling and linear, batch open, as an exporter of opset 13 writes it."""
    proto = onnx.parser.parse_model(TEXT)
    rng = np.random.default_rng(0)
    for name, shape in WEIGHTS.items():
        array = (rng.standard_normal(shape) * 0.3).astype(np.float32)
        proto.graph.initializer.append(numpy_helper.from_array(array.astype(dtype), name))
    helper.set_model_props(proto, {"author": "somebody"})
    return proto


def typed(kind: int) -> onnx.ModelProto:
    """The network in another float type, inside and outside."""
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind))
    proto = network(dtype)
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = kind
    return proto


def listed() -> onnx.ModelProto:
    """Of IR version 3, in which every initializer is an input, too."""
    proto = network()
    proto.ir_version = 3
    for name, shape in WEIGHTS.items():
        proto.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return proto


def pixels() -> onnx.ModelProto:
    """Takes an image of 8 bits and makes it float itself."""
    text = TEXT.replace("float[N,3,12,10] x", "uint8[N,3,12,10] p").replace(
        "  a = Conv",
        "  f = Cast <to = 1> (p)\n  s = Constant <value = float {0.0125}> ()\n  x = Mul (f, s)\n  a = Conv",
    )
    return with_weights(onnx.parser.parse_model(text))


def with_functions() -> onnx.ModelProto:
    """Calls a function of its own."""
    text = TEXT.replace('"" : 13', '"" : 13, "own" : 1').replace("c = Relu (a)", "c = own.Twice (a)")
    text += '<domain: "own", opset_import: ["" : 13]> Twice (x) => (y) { z = Relu (x)\n y = Add (z, z) }'
    return with_weights(onnx.parser.parse_model(text))


def several() -> onnx.ModelProto:
    """Two inputs and two outputs, of which one depends on one input only; a size is open beside the batch."""
    text = """
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[N,3,H,10] image, float[N,5] vector) => (float[N,8,H,10] map, float[N,5] score) {
      a = Conv <pads = [1,1,1,1]> (image, w, b)
      map = Tanh (a)
      score = Gemm <transB = 0> (vector, k)
    }
    """
    proto = with_weights(onnx.parser.parse_model(text), ("w", "b"))
    proto.graph.initializer.append(numpy_helper.from_array(np.eye(5, dtype=np.float32)[::-1] * 0.5 + 0.1, "k"))
    return proto


def with_weights(proto: onnx.ModelProto, names=tuple(WEIGHTS)) -> onnx.ModelProto:
    proto.graph.initializer.extend(tensor for tensor in network().graph.initializer if tensor.name in names)
    return proto


def weights_only() -> onnx.ModelProto:
    """Of which nothing but the weights is quantised."""
    proto = network()
    w = numpy_helper.to_array(proto.graph.initializer[0])
    scale = np.abs(w).max((1, 2, 3)) / 127
    arrays = {
        "w_q": np.rint(w / scale.reshape(-1, 1, 1, 1)).astype(np.int8),
        "w_s": scale.astype(np.float32),
        "w_z": np.zeros(8, np.int8),
    }
    del proto.graph.initializer[0]
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    proto.graph.node.insert(0, helper.make_node("DequantizeLinear", list(arrays), ["w"], axis=0))
    return proto


def integer_ops() -> onnx.ModelProto:
    text = """
    <ir_version: 8, opset_import: ["" : 13]>
    net (uint8[1,4] x, uint8[4,3] w) => (int32[1,3] y) { y = MatMulInteger (x, w) }
    """
    return onnx.parser.parse_model(text)


def wide() -> onnx.ModelProto:
    """Quantised to 16 bits."""
    text = """
    <ir_version: 10, opset_import: ["" : 21]>
    net (float[1,4] x) => (float[1,4] y) {
      s = Constant <value = float {0.1}> ()
      z = Constant <value = int16 {0}> ()
      q = QuantizeLinear (x, s, z)
      y = DequantizeLinear (q, s, z)
    }
    """
    return onnx.parser.parse_model(text)


ONNX = {
    "plain": network,
    "half": lambda: typed(TensorProto.FLOAT16),
    "brain": lambda: typed(TensorProto.BFLOAT16),
    "double": lambda: typed(TensorProto.DOUBLE),
    "listed": listed,
    "pixels": pixels,
    "functions": with_functions,
    "several": several,
    "weights_only": weights_only,
    "integer_ops": integer_ops,
    "wide": wide,
}
