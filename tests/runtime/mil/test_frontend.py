"""Packages that coremltools' own PyTorch frontend makes of whole models, against PyTorch."""

import numpy as np
import pytest
import torch
from edgeport.models import create_model, get_variant, redraw
from edgeport.runtime.compare import compare
from edgeport.runtime.session import TensorSpec
from edgeport.runtime.sessions.torch import TorchSession
from edgeport.targets.registry import open_session
from mil_packages import ct

# name -> what the frontend is given; of the others' traces it cannot read the `int` operators under numpy 2
MODELS = {
    "resnet18": "trace",
    "mobilenetv2_050": "trace",
    "mobilenetv3_small_100": "trace",
    "mobilevit_xxs": "export",
    "vit_tiny_patch16_224": "export",
}

# float16 rounds weights and activations; mobilenetv2_050, narrow and deep, has the least left: 42.5 dB
LIMITS = {"FLOAT32": {"max_abs_over_std": 1e-4}, "FLOAT16": {"snr_db": 40}}


def from_frontend(module, example, how):
    if how == "trace":
        return torch.jit.trace(module, example)
    return torch.export.export(module, (example,)).run_decompositions({})


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        *((name, "FLOAT32") for name in MODELS),
        ("mobilenetv3_small_100", "FLOAT16"),
        *(pytest.param(name, "FLOAT16", marks=pytest.mark.exhaustive) for name in MODELS if "v3" not in name),
    ],
)
def test_agrees_with_pytorch(tmp_path, name, precision):
    size = get_variant(name).input_size
    module = create_model(name)
    redraw(module, seed=0, input_size=size)
    example = torch.zeros(1, *size)
    with torch.no_grad():
        model = ct.convert(
            from_frontend(module, example, MODELS[name]),
            inputs=[ct.TensorType(name="image", shape=example.shape)],
            outputs=[ct.TensorType(name="logits")],
            compute_precision=getattr(ct.precision, precision),
            minimum_deployment_target=ct.target.iOS17,
            skip_model_load=True,
        )
    model.save(str(tmp_path / "a.mlpackage"))
    session = open_session(tmp_path / "a.mlpackage")
    reference = TorchSession(module, [TensorSpec("image", (1, *size), "float32")])
    rng = np.random.default_rng(0)
    feeds = [{"image": rng.standard_normal((1, *size), np.float32)} for _ in range(2)]
    agreement = compare(reference, session, feeds)
    if "snr_db" in LIMITS[precision]:
        assert agreement.snr_db >= LIMITS[precision]["snr_db"]
    else:
        assert agreement.max_abs_over_std <= LIMITS[precision]["max_abs_over_std"]
