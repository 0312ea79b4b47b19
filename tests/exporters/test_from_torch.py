"""from_torch: silent, repeatable, a snapshot of the module in eval mode, and one sentence where it cannot be."""

import logging
import re
import warnings

import onnx_ir as ir
import pytest
import torch
from edgeport.artifacts.errors import ExportError
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.frontends.torch_module import from_torch
from edgeport.graph.edit import module_path
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.act = nn.SiLU()
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.act(self.bn1(self.conv1(x))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(Block())
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        warnings.warn("a model that warns", stacklevel=1)
        logging.getLogger("net").error("a model that logs")
        print("a model that prints")
        return self.head(self.blocks(x).mean((2, 3)))


IMAGE = torch.zeros(1, 3, 8, 8)


def export(module, **kwargs) -> ir.Model:
    torch.set_num_threads(1)
    return from_torch(module, (IMAGE,), **kwargs)


def bytes_of(model: ir.Model) -> bytes:
    return ir.to_proto(model).SerializeToString(deterministic=True)


def test_is_silent_and_computes_as_in_eval_mode(capfd, caplog, recwarn, run):
    net = Net().train()
    net.blocks[0].act.eval()
    flags = [part.training for part in net.modules()]
    model = export(net)
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not list(recwarn)
    assert [part.training for part in net.modules()] == flags
    assert logging.root.manager.disable == 0
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        expected = net.eval()(x)
    assert abs(run(model, {"image": x.numpy()})[0] - expected.numpy()).max() < 1e-5


def test_values_are_named_after_modules():
    net = Net()
    net.blocks[0].bn1.bias.data.fill_(0.5)
    model = canonicalize(export(net))
    names = {value.name: module_path(node) for node in model.graph for value in node.outputs}
    assert names["blocks/0/conv1"] == "blocks.0.conv1"  # which has bn1 in it
    assert names["blocks/0/act"] == "blocks.0.act"
    assert {"blocks/0/conv1/weight", "blocks/0/conv1/bias"} <= model.graph.initializers.keys()
    assert ([v.name for v in model.graph.inputs], [v.name for v in model.graph.outputs]) == (["image"], ["logits"])
    assert len(names) == len(list(model.graph)), "names repeat"
    metadata = {key for node in model.graph for key in node.metadata_props}
    assert metadata == {"pkg.torch.onnx.name_scopes", "edgeport.source_line"}


def test_a_volume_without_bias(run):
    """Whose kernel is one wide along its last axis; PyTorch's exporter gives it a bias of a wrong shape."""
    conv = torch.nn.Conv3d(2, 3, (3, 3, 1), padding=(1, 1, 0), bias=False)
    x = torch.randn(1, 2, 5, 6, 4)
    model = canonicalize(from_torch(conv, (x,), input_names=("x",), output_names=("y",)))
    assert [node.op_type for node in model.graph if node.op_type == "Conv"] == ["Conv"]
    assert abs(run(model, {"x": x.numpy()})[0] - conv(x).detach().numpy()).max() < 1e-5


def test_same_module_gives_the_same_bytes():
    torch.manual_seed(0)
    net = Net()
    assert bytes_of(export(net)) == bytes_of(export(net))


def test_graph_is_a_snapshot():
    net = Net()
    model = export(net)
    before = bytes_of(model)
    for tensor in net.parameters():
        tensor.data.zero_()
    assert bytes_of(model) == before


def poisoned(value, name="head.weight"):
    net = Net()
    net.state_dict()[name].view(-1)[0] = value
    return net


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Identity()

    def forward(self, x):
        return x if self.gate(x).sum() > 0 else -x


class Raising(nn.Module):
    def forward(self, x):
        raise ValueError("first line\nsecond line")


class Untranslatable(nn.Module):
    def forward(self, x):
        return torch.linalg.eigvals(x)


class Stuck(nn.BatchNorm2d):
    def train(self, mode=True):
        return super().train(True)


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = torch.jit.script(nn.ReLU())

    def forward(self, x):
        return self.part(x)


BAD = {
    "nan": (lambda: poisoned(float("nan")), {}, r"'head\.weight' holds NaN in 1 of 20 places"),
    "inf": (
        lambda: poisoned(float("inf"), "blocks.0.bn1.running_var"),
        {},
        r"'blocks\.0\.bn1\.running_var' holds infi",
    ),
    "half": (lambda: Net().half(), {}, r"'blocks\.0\.conv1\.weight' is of type float16; export in float32"),
    "branch": (Branching, {}, r"torch\.export cannot trace Branching at test_from_torch.py:\d+: .*torch.where.*"),
    "raises": (Raising, {}, r"torch\.export cannot trace Raising at test_from_torch.py:\d+: ValueError: first line"),
    "no translation": (Untranslatable, {}, r"torch\.onnx cannot translate Untranslatable: .*linalg_eig"),
    "training": (lambda: nn.Sequential(Stuck(3)), {}, r"'0' \(Stuck\) stays in training mode after eval\(\)"),
    "script": (Scripted, {}, r"'part' is TorchScript, which torch\.export cannot read"),
    "projections": (lambda: nn.Sequential(nn.LSTM(4, 6, proj_size=3)), {}, r"'0' is an LSTM with proj_size=3"),
    "names": (Net, {"output_names": ("a", "b")}, r"the module has 1 outputs, but 2 output names were given \(a, b\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_refuses_in_one_sentence(case, capfd):
    make, kwargs, message = BAD[case]
    net = make().train()
    with pytest.raises(ExportError) as caught:
        export(net, **kwargs)
    assert re.match(message, str(caught.value))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert all(part.training for part in net.modules())
    assert capfd.readouterr() == ("", "")


class Attention(nn.Module):
    def __init__(self, mask: torch.Tensor | None):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, q, k, v):
        return nn.functional.scaled_dot_product_attention(q, k, v, self.mask)


@pytest.mark.parametrize("mask", ["none", "bool", "float", "whole"])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3), (2, 3, 4), (2, 1, 3, 4)], ids=str)
def test_attention_of_any_rank(batch, mask, run):
    torch.manual_seed(0)
    masks = {
        "none": None,
        "bool": torch.eye(5, 6) < 1,
        "float": torch.randn(5, 6),
        "whole": torch.randn(*batch, 5, 6),
    }
    inputs = dict(zip("qkv", (torch.randn(*batch, n, d) for n, d in ((5, 8), (6, 8), (6, 7))), strict=True))
    module = Attention(masks[mask])
    model = from_torch(module, tuple(inputs.values()), input_names=tuple(inputs), output_names=("out",))
    out = run(model, {name: tensor.numpy() for name, tensor in inputs.items()})[0]
    assert abs(out - module(*inputs.values()).numpy()).max() < 1e-5
