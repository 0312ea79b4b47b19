"""A failure in 8 bits that the model itself causes is said; one that the artifact causes is not excused."""

import numpy as np
import pytest
import torch
from edgeport.runtime.compare import compare
from edgeport.runtime.noise_gain import verdict_with_cause
from edgeport.runtime.session import TensorSpec
from edgeport.runtime.sessions.torch import TorchSession


class Chaotic(torch.nn.Module):
    """Fourteen logistic maps in a row: what differs a little in front differs as a whole behind."""

    def forward(self, x):
        x = torch.sigmoid(x)
        for _ in range(14):
            x = 3.99 * x * (1 - x)
        return x - 0.5


@pytest.mark.parametrize(("module", "said"), [(Chaotic(), True), (torch.nn.Identity(), False)])
def test_the_cause_of_a_failure(module, said):
    rng = np.random.default_rng(0)
    feeds = [{"x": rng.standard_normal((1, 50)).astype(np.float32)} for _ in range(4)]
    reference = TorchSession(module, [TensorSpec("x", (1, 50), "float32")], ["y"])
    wrong = TorchSession(torch.nn.Identity(), reference.inputs, ["y"])
    wrong.module.forward = lambda x: module(x) * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    found = verdict_with_cause(compare(reference, wrong, feeds), "int8", reference, lambda: feeds)
    assert found.startswith("fail: SNR")
    assert ("the float model itself turns noise" in found) == said
    assert "itself" not in verdict_with_cause(compare(reference, wrong, feeds), "fp16", reference, lambda: feeds)
