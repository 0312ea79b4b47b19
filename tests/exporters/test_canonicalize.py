"""canonicalize: every idiom of small modules ends in the ops expected and the same numbers; what cannot be says where."""

# ruff: noqa: E501 (one case a line)

import collections
import copy
import math

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
import torch.nn.functional as F
from edgeport.artifacts.errors import DynamicShape, ExportError, NotCanonical, UnsupportedOp
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.frontends.torch_module import from_torch
from edgeport.graph.dialect import OPS, check
from edgeport.graph.edit import const_value, module_path
from torch import nn

DIM, HEADS = 12, 2

CUTS = {  # one linear's output (b, n, 3 * DIM) -> q, k, v (b, heads, n, d)
    "chunk": lambda t: [heads(p) for p in t.chunk(3, -1)],
    "split": lambda t: [heads(p) for p in t.split(DIM, -1)],
    "index": lambda t: [heads(t[..., i * DIM : (i + 1) * DIM]) for i in range(3)],
    "unbind": lambda t: t.reshape(*t.shape[:2], 3, HEADS, -1).permute(2, 0, 3, 1, 4).unbind(0),
    "select": lambda t: [t.reshape(*t.shape[:2], 3, HEADS, -1).permute(2, 0, 3, 1, 4)[i] for i in range(3)],
    "heads first": lambda t: t.reshape(*t.shape[:2], HEADS, 3, -1).permute(3, 0, 2, 1, 4).unbind(0),
    "split heads": lambda t: [p.transpose(1, 2) for p in t.view(*t.shape[:2], HEADS, -1).split(DIM // HEADS, 3)],
    "two steps": lambda t: [heads(t[..., :DIM]), *(heads(p) for p in t[..., DIM:].chunk(2, -1))],
}
S = (DIM // HEADS) ** -0.5
SCORES = {
    "before": lambda q, k: (q * S) @ k.transpose(-2, -1),
    "after": lambda q, k: (q @ k.transpose(-2, -1)) * S,
    "divided": lambda q, k: (q @ k.transpose(-2, -1)) / math.sqrt(DIM // HEADS),
    "both": lambda q, k: (q * S**0.5) @ (k.transpose(-2, -1) * S**0.5),
    "flat": lambda q, k: (q.flatten(0, 1) @ (k * S).flatten(0, 1).transpose(1, 2)).unflatten(0, (-1, HEADS)),
}


def heads(t):
    return t.view(*t.shape[:2], HEADS, -1).transpose(1, 2)  # (b, n, c) -> (b, heads, n, d)


class Attention(nn.Module):
    def __init__(self, cut="unbind", scores="after", bias=True, dim=DIM):
        super().__init__()
        self.norm, self.qkv, self.proj = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim, bias), nn.Linear(dim, dim)
        self.cut, self.scores = cut, scores

    def forward(self, x):
        q, k, v = CUTS[self.cut](self.qkv(self.norm(x)))
        if self.scores == "sdpa":
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = SCORES[self.scores](q, k).softmax(-1) @ v
        return self.proj(y.transpose(1, 2).reshape(x.shape))


class Fn(nn.Module):
    """A function of x and of parts, which are its modules by position."""

    def __init__(self, forward, *parts, **parameters):
        super().__init__()
        self.parts = nn.ModuleList(parts)
        for name, shape in parameters.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))
        self.function = forward

    def forward(self, x):
        return self.function(self, x)


def conv(i=3, o=6, k=3, **kwargs):
    return nn.Conv2d(i, o, k, padding=k // 2, **kwargs)


def gelu_erf(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def gelu_tanh(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def layer_norm(x):
    centred = x - x.mean(-1, keepdim=True)
    return centred * torch.rsqrt((centred**2).mean(-1, keepdim=True) + 1e-5)


TOKENS, MAP = (1, 5, DIM), (1, 3, 8, 6)
ATTENTION = "LayerNormalization MatMul*6 Add*4 Reshape*4 Transpose*4 Softmax"

IDIOMS = {  # name -> module, input shape, the ops of its canonical graph
    **{f"qkv {cut}": (lambda cut=cut: Attention(cut), TOKENS, ATTENTION) for cut in CUTS},
    **{f"scale {s}": (lambda s=s: Attention(scores=s), TOKENS, ATTENTION) for s in SCORES if s != "flat"},
    "sdpa": (lambda: Attention(scores="sdpa"), TOKENS, ATTENTION),
    "qkv without bias": (lambda: Attention(bias=False), TOKENS, ATTENTION),  # the norm's beta makes one
    "layer scale": (
        lambda: Fn(lambda m, x: x + m.parts[0](x) * m.g, nn.Linear(DIM, DIM), g=DIM),
        TOKENS,
        "MatMul Add*2",
    ),
    "layer scale behind a permute": (
        lambda: Fn(
            lambda m, x: x + m.parts[0](x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) * m.g.view(1, -1, 1, 1),
            nn.Linear(3, 3),
            g=3,
        ),
        MAP,
        "Transpose*2 MatMul Add*2",
    ),
    "norm, two readers": (
        lambda: Fn(lambda m, x: (y := m.parts[0](x)) + m.parts[1](y), nn.LayerNorm(DIM), nn.Linear(DIM, DIM)),
        TOKENS,
        "LayerNormalization MatMul Add*2",
    ),
    "layer norm, spelled": (lambda: Fn(lambda m, x: layer_norm(x) * m.g + m.b, g=DIM, b=DIM), TOKENS, "LayerNormalization"),
    "conv, bn, silu": (
        lambda: nn.Sequential(conv(bias=False), nn.BatchNorm2d(6), nn.SiLU()),
        MAP,
        "Conv Sigmoid Mul",
    ),
    "silu, spelled": (lambda: Fn(lambda m, x: torch.sigmoid(x) * x), MAP, "Sigmoid Mul"),
    "hard swish": (lambda: nn.Sequential(conv(), nn.Hardswish()), MAP, "Conv HardSwish"),
    "hard swish, spelled": (lambda: Fn(lambda m, x: x * F.relu6(x + 3) / 6), MAP, "HardSwish"),
    "hard swish, gate first": (lambda: Fn(lambda m, x: x * (F.relu6(x + 3) / 6)), MAP, "HardSwish"),
    "hard swish, by hard sigmoid": (lambda: Fn(lambda m, x: x * F.hardsigmoid(x)), MAP, "HardSwish"),
    "hard sigmoid, spelled": (lambda: Fn(lambda m, x: F.relu6(x + 3) * (1 / 6)), MAP, "HardSigmoid"),
    "gelu": (lambda: nn.GELU(), TOKENS, "Gelu"),
    "gelu tanh": (lambda: nn.GELU("tanh"), TOKENS, "Gelu"),
    "gelu, spelled": (lambda: Fn(lambda m, x: gelu_erf(x)), TOKENS, "Gelu"),
    "gelu tanh, spelled": (lambda: Fn(lambda m, x: gelu_tanh(x)), TOKENS, "Gelu"),
    "squeeze and excite": (
        lambda: Fn(
            lambda m, x: x * m.parts[2](m.parts[1](m.parts[0](x.mean((2, 3), keepdim=True)).relu())),
            conv(3, 2, 1),
            conv(2, 3, 1),
            nn.Hardsigmoid(),
        ),
        MAP,
        "ReduceMean Conv*2 Relu Clip Mul",
    ),
    "relu6": (lambda: nn.Sequential(conv(), nn.ReLU6()), MAP, "Conv Clip"),
    "pool and flatten": (
        lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4)),
        MAP,
        "ReduceMean Reshape MatMul Add",
    ),
    "max pool": (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), MAP, "MaxPool"),
    "average pool": (lambda: nn.AvgPool2d(2), MAP, "AveragePool"),
    "batch norm alone": (lambda: nn.BatchNorm2d(3), MAP, "Mul Add"),
    "batch norm behind a linear": (
        lambda: Fn(lambda m, x: m.parts[1](m.parts[0](x).flatten(0, 1)).view(1, 5, DIM), nn.Linear(DIM, DIM), nn.BatchNorm1d(DIM)),
        TOKENS,
        "MatMul Add",
    ),
    "class token and positions": (
        lambda: Fn(
            lambda m, x: torch.cat([m.c.expand(x.shape[0], -1, -1), x], 1) + m.p, c=(1, 1, DIM), p=(1, 6, DIM)
        ),
        TOKENS,
        "Concat Add",
    ),
    "resized positions": (
        lambda: Fn(lambda m, x: x + F.interpolate(m.p, size=x.shape[2:], mode="bilinear"), p=(1, 3, 4, 4)),
        MAP,
        "Add",
    ),
    "class token out": (lambda: Fn(lambda m, x: x[:, 0]), TOKENS, "Slice Reshape"),
    "group norm of one group": (lambda: nn.GroupNorm(1, 3), MAP, "ReduceMean*2 Sub Mul*2 Add*2 Sqrt Div"),
    "normalize": (lambda: Fn(lambda m, x: F.normalize(x, dim=-1)), TOKENS, "Mul*2 ReduceMean Sqrt Clip Div"),
    "unfold patches": (
        lambda: Fn(lambda m, x: x.reshape(3 * 4, 2, 3, 2).transpose(1, 2).reshape(1, 3, 12, 4).transpose(1, 3).reshape(4, 12, 3)),
        MAP,
        "Reshape*2 Transpose",
    ),
    "nothing to do": (lambda: Fn(lambda m, x: m.parts[0](x).view(x.shape).permute(0, 1, 2).contiguous(), nn.Dropout()), TOKENS, None),
}  # fmt: skip


def redraw(module, seed=0):
    """Random values in every tensor, so that a fold that forgets one shows."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.is_floating_point():
            tensor.normal_(0.3, 0.5, generator=generator)
    return module.eval()


def compare(module, dims, run):
    """The canonical graph, and how far its output is from PyTorch's in float64, in standard deviations."""
    torch.set_num_threads(1)
    x = torch.randn(dims, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = copy.deepcopy(module).double()(x.double()).numpy()
    exported = from_torch(module, (x,))
    model = canonicalize(exported)
    (got,) = run(model, {"image": x.numpy()})
    assert got.shape == expected.shape
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    return model, np.abs(got - expected).max() / expected.std()


def bytes_of(model):
    return ir.to_proto(model).SerializeToString(deterministic=True)


def counted(ops):
    return collections.Counter({op: int(n or 1) for op, _, n in (word.partition("*") for word in ops.split())})


@pytest.mark.parametrize("name", [name for name, row in IDIOMS.items() if row[2]])
def test_idiom(name, run):
    make, dims, ops = IDIOMS[name]
    model, error = compare(redraw(make()), dims, run)
    assert error < 1e-5
    assert collections.Counter(node.op_type for node in model.graph) == counted(ops)


def test_scale_of_flattened_heads_is_taken_in(run):
    model, error = compare(redraw(Attention("chunk", "flat")), TOKENS, run)
    assert error < 1e-5
    assert not {"Mul", "Slice", "Div"} & {node.op_type for node in model.graph}


def test_norm_that_feeds_linears_has_no_affine_part(run):
    model, _ = compare(redraw(Attention()), TOKENS, run)
    (norm,) = (node for node in model.graph if node.op_type == "LayerNormalization")
    assert (const_value(norm.inputs[1]) == 1).all()
    assert (const_value(norm.inputs[2]) == 0).all()
    names = {value.name for node in model.graph for value in node.outputs}
    assert {"qkv/0", "qkv/1", "qkv/2"} <= names
    assert {module_path(node) for node in model.graph if node.outputs[0].name.startswith("qkv")} == {"qkv"}


def test_argument_stays_and_result_is_repeatable():
    model = from_torch(redraw(Attention()), (torch.zeros(TOKENS),))
    before = bytes_of(model)
    first, second = canonicalize(model), canonicalize(model)
    assert bytes_of(model) == before
    assert all(value.const_value.name == name for name, value in model.graph.initializers.items())
    assert bytes_of(first) == bytes_of(second)
    again = canonicalize(first)
    assert [node.op_type for node in again.graph] == [node.op_type for node in first.graph]
    assert bytes_of(again) == bytes_of(first)


OLD = """<ir_version: 7, opset_import: ["" : 13]>
g (float[N,3,8,8] x) => (float[N,4] y) <float[4,3,1,1] w = {1,2,3,4,5,6,7,8,9,10,11,12}, int64[1] rest = {-1}> {
  v = Conv(x, w)
  p = GlobalAveragePool(v)
  s = Shape(p)
  zero = Constant <value_int = 0> ()
  n = Gather(s, zero)
  axes = Constant <value_ints = [0]> ()
  b = Unsqueeze(n, axes)
  to = Concat <axis = 0> (b, rest)
  y = Reshape(p, to)
}"""


def test_file_of_another_opset_with_a_symbolic_batch(run):
    proto = onnx.parser.parse_model(OLD)
    x = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    (expected,) = run(ir.from_proto(proto), {"x": x})
    model = canonicalize(ir.from_proto(proto))
    assert [node.op_type for node in model.graph] == ["Conv", "ReduceMean", "Reshape"]
    assert tuple(model.graph.inputs[0].shape) == (1, 3, 8, 8)
    np.testing.assert_allclose(run(model, {"x": x})[0], expected, rtol=1e-5)


class Inner(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.head = Fn(function)

    def forward(self, x):
        return self.head(x) + 1


OUTSIDE = {
    "volume": (
        lambda m, x: F.conv3d(x[None], torch.ones(2, 1, 2, 2, 2)),
        MAP,
        UnsupportedOp,
        ["Conv", "head", "3 spatial axes; one or two are supported"],
    ),
    "indices": (
        lambda m, x: F.max_pool2d(x, 2, return_indices=True)[1].float(),
        MAP,
        NotCanonical,
        ["MaxPool", "head", "further outputs"],
    ),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_outside_says_where(name):
    function, dims, error, parts = OUTSIDE[name]
    model = from_torch(Inner(function), (torch.zeros(dims),))
    with pytest.raises(ExportError) as caught:
        canonicalize(model)
    message = str(caught.value)
    assert isinstance(caught.value, error)
    assert all(part in message for part in parts), message
    assert "\n" not in message


def test_symbolic_size_is_refused(parse):
    text = OLD.replace("float[N,3,8,8]", "float[N,3,H,8]")
    with pytest.raises(DynamicShape, match=r"input 'x' has shape .*H.*; export with fixed sizes"):
        canonicalize(ir.from_proto(onnx.parser.parse_model(text)))


@pytest.mark.parametrize(
    ("size", "said"), [("-1", "has no size"), ("0", "is empty"), ("1099511627776", "is too large")]
)
def test_a_size_that_no_artifact_has_is_refused(size, said):
    text = OLD.replace("float[N,3,8,8]", f"float[2,3,{abs(int(size))},8]")
    proto = onnx.parser.parse_model(text)
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value = int(size)
    with pytest.raises(DynamicShape, match=said):
        canonicalize(ir.from_proto(proto))


NOT_CANONICAL = [
    ("float[2,3] x, float[3] c => float[2,3] y | y = Add(c, x)", "constant stands first"),
    ("float[2,3] x => float[2,3] y | y = Softmax(x)", "lacks attribute 'axis'"),
    ("float[1,2,4,4] x, float[3,2,1,1] c => float[1,3,4,4] y | y = Conv(x, c)", "has 2 inputs where the dialect has 3"),
    ("float[2,3] x, float[3,2] c => float[3,3] y | y = MatMul(c, x)", "first operand is a constant"),
    ("float[2,3] x => float[2,3] y | z = Constant <value_floats=[0.0]> () o = Constant <value_floats=[1.0]> () y = Clip(x, z, o)", "no scalars"),
    ("float[2,3] x, float z => float[2,3] y | o = Constant <value_float=1.0> () y = Clip(x, z, o)", "'z' is computed"),
    ("float[2,3] x => float[6] y | s = Constant <value_ints=[-1]> () y = Reshape(x, s)", r"written \(-1,\)"),
    ("float[2,3] x => float[2] y | a = Constant <value_ints=[1]> () y = ReduceMean <keepdims=0> (x, a)", "drops the axes"),
    ("float[2,3] x => float[2,3] y | a = Constant <value_int=9> () y = CumSum <exclusive=0, reverse=0> (x, a)", "its axis is 9 of 2"),
    ("float[2,3] x => float[2,3] y | y = LeakyRelu <alpha=0.1> (x) z = Identity(y)", "Identity"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), NOT_CANONICAL)
def test_check_refuses(text, message, parse):
    with pytest.raises((NotCanonical, UnsupportedOp), match=message):
        check(parse(text))


QUANTIZED = """float[2,3] x => float[2,4] y |
  s = Constant <value_float=0.1> () z = Constant <value = int8 {3}> () ws = Constant <value_floats=[0.1,0.2,0.3,0.4]> ()
  wz = Constant <value = int8[4] {0,0,0,0}> () bz = Constant <value = int32[4] {0,0,0,0}> ()
  w = Constant <value = int8[3,4] {1,2,3,4,5,6,7,8,9,10,11,12}> () b = Constant <value = int32[4] {1,2,3,4}> ()
  xq = QuantizeLinear(x, s, z) xd = DequantizeLinear(xq, s, z) wd = DequantizeLinear <axis=1> (w, ws, wz)
  bd = DequantizeLinear <axis=0> (b, ws, bz) m = MatMul(xd, wd) y = Add(m, bd)"""


def test_quantised_graph_is_checked_too(parse):
    check(parse(QUANTIZED), quantized=True)
    with pytest.raises(UnsupportedOp, match="QuantizeLinear"):
        check(parse(QUANTIZED))
    with pytest.raises(NotCanonical, match="constant stands first"):
        check(parse(QUANTIZED.replace("Add(m, bd)", "Add(bd, m)")), quantized=True)


def test_every_default_is_an_attribute_of_the_dialect_and_of_onnx():
    for name, op in OPS.items():
        schema = onnx.defs.get_schema(name, 20)
        assert op.attributes <= schema.attributes.keys(), name
        assert schema.min_input <= op.inputs[0] <= schema.max_input, name


REQUIRED = ("mobilenetv2_100", "mobilenetv3_large_100", "mobilenetv3_small_100", "resnet18", "resnet50", "mobilevit_s", "mobilevit_xs", "mobilevit_xxs", "vit_tiny_patch16_224", "deit_tiny_patch16_224")  # fmt: skip
BREADTH = ("efficientnet_b0", "convnext_atto", "edgenext_small", "swin_tiny_patch4_window7_224", "mobilevitv2_100")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", REQUIRED + BREADTH)
def test_timm_model(name, timm, run):
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=20).eval()
    size = net.pretrained_cfg["input_size"]
    x = torch.nn.functional.interpolate(torch.randn(2, 3, 7, 7), size=size[1:], mode="bicubic")
    with torch.no_grad():
        for key, tensor in net.state_dict().items():
            if tensor.ndim == 1 and tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape) * (0.5 if key.endswith("weight") else 0.1))
        for part in net.modules():  # statistics that fit the weights, or the numbers run away
            if isinstance(part, nn.BatchNorm2d):
                part.reset_running_stats()
                part.momentum = None
                part.train()
        net(x)
        net.eval()
        y, y64 = net(x[:1]).numpy(), copy.deepcopy(net).double()(x[:1].double()).numpy()
    model = canonicalize(from_torch(net, (x[:1],)))
    (got,) = run(model, {"image": x[:1].numpy()})
    noise = np.abs(y - y64).max() / y64.std()
    assert np.abs(got - y64).max() / y64.std() < max(1e-5, 2 * noise)
