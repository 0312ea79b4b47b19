"""The models and inputs that both converters get."""

from typing import TYPE_CHECKING

from edgeport.models import create_model, get_variant, redraw

if TYPE_CHECKING:
    import torch
    from torch import nn

MODELS = (
    *(
        "mobilenetv2_100",
        "mobilenetv3_large_100",
        "efficientnet_lite0",
        "resnet18",
        "mobilevit_s",
        "vit_tiny_patch16_224",
    ),
    *("convnext_atto", "swin_tiny_patch4_window7_224", "levit_128s", "repvgg_a0", "shufflenetv2_x0_5", "densenet121"),
)


def module_of(name: str) -> "tuple[nn.Module, torch.Tensor]":
    """The model with drawn weights of a trained network's sizes, and an input of its shape."""
    import torch

    variant = get_variant(name)
    module = create_model(name).eval()
    redraw(module, seed=0, input_size=variant.input_size)
    return module, torch.randn(1, *variant.input_size, generator=torch.Generator().manual_seed(0))
