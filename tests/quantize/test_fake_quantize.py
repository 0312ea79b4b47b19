"""Fake quantisation rounds as a plan does, passes gradients straight through, and learns its scale."""

import numpy as np
import pytest
import torch
from edgeport.graph.qparams import QParams, asymmetric, per_channel
from edgeport.quantize.training.fake_quantize import (
    FakeQuantize,
    bias_scales,
    quantize_bias,
    quantize_weight,
    weight_scales,
)

PARAMS = {
    "signed": asymmetric(-0.7, 2.1),
    "unsigned": asymmetric(-0.7, 2.1).unsigned(),
    "from_zero": asymmetric(0.0, 6.0),
    "tiny": asymmetric(-1e-7, 1.5e-7),
}


def numbers(params, count=4000):
    low, high = params.range
    return np.random.default_rng(0).uniform(1.3 * low - 0.1 * high, 1.3 * high, count).astype(np.float32)


@pytest.mark.parametrize("name", PARAMS)
@pytest.mark.parametrize("batched", [False, True])
def test_values_are_rounded_as_quantizelinear_does(name, batched):
    params, quantize = PARAMS[name], FakeQuantize(PARAMS[name])
    x = numbers(params).reshape(4, -1)
    got = (torch.vmap(quantize) if batched else quantize)(torch.from_numpy(x)).detach().numpy()
    want = params.dequantize(params.quantize(x, np.float32))
    assert np.array_equal(got, want)
    assert quantize.qparams() == params


@pytest.mark.parametrize("batched", [False, True])
def test_gradients_pass_where_nothing_is_clipped(batched):
    params = PARAMS["signed"]
    quantize = FakeQuantize(params)
    x = torch.from_numpy(numbers(params).reshape(4, -1)).requires_grad_()
    weights = torch.arange(1.0, x.numel() + 1).reshape(x.shape)
    y = (torch.vmap(quantize) if batched else quantize)(x)
    (y * weights).sum().backward()
    low, high = params.range
    steps = x.detach().double() / params.scale
    clipped = (steps < low / params.scale - 0.51) | (steps > high / params.scale + 0.51)
    inside = (steps > low / params.scale - 0.49) & (steps < high / params.scale + 0.49)
    assert torch.equal(x.grad[inside], weights[inside])
    assert clipped.any()
    assert not x.grad[clipped].any()
    # Esser et al. 2020, equation 3, times the scale for its logarithm, and their factor of one sample's elements
    exact = inside | clipped
    slope = torch.where(inside, y.detach().double() / params.scale - steps, y.detach().double() / params.scale)
    wanted = (slope * weights * params.scale)[exact].sum() * ((x.numel() / (4 if batched else 1)) * 127) ** -0.5
    assert float(quantize.log_scale.grad) == pytest.approx(float(wanted), rel=5e-3)


def test_training_finds_the_scale_of_least_error():
    """From a range that is ten times too wide."""
    torch.set_num_threads(1)
    x = torch.randn(2_000, generator=torch.Generator().manual_seed(0))
    quantize = FakeQuantize(QParams((0.3,), 0))
    optimizer = torch.optim.Adam(quantize.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        (quantize(x) - x).square().mean().backward()
        optimizer.step()
    fixed = [FakeQuantize(QParams((scale,), 0)) for scale in (0.02, 0.03, 0.06)]
    errors = [float((each(x) - x).detach().square().mean()) for each in (quantize, *fixed)]
    assert errors[0] < 1.2 * min(errors[1:])


def test_a_fixed_one_has_no_parameter():
    assert not list(FakeQuantize(QParams((1 / 256,), -128), fixed=True).parameters())


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("floored", [False, True])
def test_weights_have_the_scales_and_integers_of_the_plan(axis, floored):
    rng = np.random.default_rng(0)
    weight = (rng.standard_normal((24, 16, 3, 3)) * 10.0 ** rng.integers(-6, 2, (24, 1, 1, 1))).astype(np.float32)
    weight[3] = 0
    count = weight.shape[axis]
    floors = rng.uniform(0, 2e-3, count) if floored else None
    params = per_channel(weight, axis, floors)
    tensor = torch.from_numpy(weight).requires_grad_()
    scales = weight_scales(tensor, axis, None if floors is None else torch.from_numpy(floors))
    assert tuple(map(float, scales)) == params.scales
    rounded = quantize_weight(tensor, scales, axis)
    assert np.array_equal(rounded.detach().numpy(), params.dequantize(params.quantize(weight)))
    rounded.sum().backward()
    assert torch.equal(tensor.grad, torch.ones_like(tensor))


def test_biases_are_steps_of_input_times_weight():
    bias, scale, scales = torch.tensor([0.1, -3.3, 0.0]), torch.tensor(0.02), torch.tensor([1e-3, 2e-2, 5e-4])
    made = bias_scales(scale, scales)
    params = QParams(tuple(map(float, made)), axis=0, dtype="int32")
    assert params.scales == tuple(float(np.float32(float(scale) * float(each))) for each in scales)
    assert np.array_equal(quantize_bias(bias, made).numpy(), params.dequantize(params.quantize(bias.numpy())))
