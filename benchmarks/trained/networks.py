"""Name the networks that are trained: small ones of different kinds, made of the zoo's code.

Importing it makes them known to `edgeport.models`; with names that end in `_test`, so that no list has them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeport.models import convnext, create_model, levit, mobilenetv2, mobilenetv3, mobilevit, resnet, vit
from edgeport.models.registry import register
from edgeport.models.spec import HALF, PreprocessSpec
from torch import nn

from benchmarks.trained.photographs import NAMES, SIZE

ENDING = "_trained_test"


@dataclass(frozen=True)
class Network:
    """A network: what it is in a few words, what builds it and of which configuration, its images' side in pixels."""

    kind: str
    build: Callable[[Any, int], nn.Module]
    cfg: Any
    side: int = SIZE


NETWORKS = {
    "resnet": Network(
        "3x3 convolutions, ReLU",
        resnet.ResNet,
        resnet.Cfg((2, 2, 2), resnet.Basic, width=16),
    ),
    "mobilenetv2": Network(
        "depthwise, ReLU6",
        mobilenetv2.MobileNetV2,
        mobilenetv2.Cfg(width=0.25),
    ),
    "mobilenetv3": Network(
        "depthwise, squeeze-and-excite, hard-swish",
        mobilenetv3.MobileNetV3,
        mobilenetv3.Cfg(mobilenetv3.table(mobilenetv3.SMALL, 288), head=256, width=0.5),
    ),
    "mobilevit": Network(
        "depthwise, SiLU, attention over patches",
        mobilevit.MobileViT,
        mobilevit.Cfg((8, 16, 24, 32, 48), (48, 64, 80), last=160, depths=(1, 2, 1), stem=8, expand=2),
    ),
    "vit": Network(
        "attention, GELU",
        vit.ViT,
        vit.Cfg(width=96, heads=3, depth=3, patch=8, image=SIZE),
    ),
    "convnext": Network(
        "7x7 depthwise, layer norm, GELU",
        convnext.ConvNeXt,
        convnext.Cfg((24, 48, 96, 160), (1, 1, 3, 1), linear=False),
    ),
    "levit": Network(  # of twice the side: its stem divides by 16
        "convolutions, attention with biases, hard-swish",
        levit.LeViT,
        levit.Cfg(key=16, widths=(64, 96, 128), heads=(2, 3, 4), depths=(1, 2, 2), image=2 * SIZE),
        2 * SIZE,
    ),
}


def model_name(name: str) -> str:
    """What `edgeport.models` calls a network."""
    return f"{name}{ENDING}"


def create_network(name: str) -> nn.Module:
    """The network with PyTorch's random weights, in eval mode."""
    return create_model(model_name(name))


for _name, _of in NETWORKS.items():
    _spec = PreprocessSpec(input_size=(3, _of.side, _of.side), mean=HALF, std=HALF, crop_pct=1.0)
    register(model_name(_name), _of.build, _of.cfg, paper="", spec=_spec, num_classes=len(NAMES))
