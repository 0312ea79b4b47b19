"""Networks trained with fake-quantise modules: fixed, they compute what they computed with their observers off."""

import types

import numpy as np
import pytest
import torch
from edgeport.artifacts.errors import ExportError
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.frontends.fake_quant_modules import frozen
from edgeport.exporters.frontends.torch_module import from_torch
from graphs import run_onnx
from quantized_models import QAT

NAMES = ("full", "narrow", "per_tensor", "operators")


@pytest.fixture(scope="module")
def qat():
    module = types.ModuleType("qat")
    exec(QAT, module.__dict__)
    return module


def images(count: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((count, 3, 16, 14)).astype(np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_fixed_it_computes_the_same(qat, name):
    trained = getattr(qat, name)()
    fixed = frozen(trained)
    trained.eval().apply(qat.q.disable_observer)
    with torch.no_grad():
        want, got = trained(images(4)), fixed(images(4))
    step = want.abs().max() / 255  # a half that rounds the other way is one step
    assert (want - got).abs().max() <= 2 * step
    assert ((want - got).abs() > 1e-5).float().mean() < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_the_graph_computes_the_same(qat, name):
    fixed = frozen(getattr(qat, name)()).eval()
    graph = canonicalize(from_torch(fixed, (images(1),)))
    assert sum(node.op_type == "QuantizeLinear" for node in graph.graph) >= 2
    with torch.no_grad():
        want = fixed(images(1)).numpy()
    (got,) = run_onnx(graph, {"image": images(1).numpy()}).values()
    assert np.abs(want - got).max() <= 2 * np.abs(want).max() / 255


def test_it_no_longer_observes_and_the_original_is_left_alone(qat):
    trained = qat.full()
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    fixed = frozen(trained)
    state = {name: tensor.clone() for name, tensor in fixed.state_dict().items()}
    with torch.no_grad():
        fixed(images(2) * 100)
    assert all(torch.equal(tensor, state[name]) for name, tensor in fixed.state_dict().items())
    assert all(torch.equal(tensor, before[name]) for name, tensor in trained.state_dict().items())


def test_other_models_are_not_copied(qat):
    model = torch.nn.Sequential(torch.nn.Linear(2, 3))
    assert frozen(model) is model


def test_converted(qat):
    with pytest.raises(ExportError, match="'conv' was converted to PyTorch's integer kernels"):
        frozen(qat.converted())


def test_other_than_eight_bits():
    class Sixteen(torch.nn.Module):
        def forward(self, x):
            return torch.fake_quantize_per_tensor_affine(x, 0.01, 0, -32768, 32767)

    with pytest.raises(ExportError, match="is not of 8 bits; use 8 bits"):
        from_torch(Sixteen(), (images(1),))
