"""MnasNet: Platform-Aware Neural Architecture Search for Mobile (arXiv:1807.11626).

Parameter names and shapes are timm's; its semnasnet is the paper's A1, its mnasnet B1.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from .efficientnet import Cfg, EfficientNet
from .mobile import Inverted, Separable, Table
from .registry import register
from .spec import PreprocessSpec
from .torchvision_names import rename_blocks

PAPER = "arXiv:1807.11626"
# Figure 7: channels, layers, kernel, stride, squeeze-and-excite.
A1: Table = (
    (Separable(16, skip=False),),
    (Inverted(24, 2, 3, 2),),
    (Inverted(40, 3, 5, 2, True, expand=3),),
    (Inverted(80, 4, 3, 2),),
    (Inverted(112, 2, 3, 1, True),),
    (Inverted(160, 3, 5, 2, True),),
    (Inverted(320, 1, 3, 1),),
)
B1: Table = (
    (Separable(16, skip=False),),
    (Inverted(24, 3, 3, 2, expand=3),),
    (Inverted(40, 3, 5, 2, expand=3),),
    (Inverted(80, 3, 5, 2),),
    (Inverted(96, 2, 3, 1),),
    (Inverted(192, 4, 5, 2),),
    (Inverted(320, 1, 3, 1, skip=False),),
)
# The authors' code.
SMALL: Table = (
    (Separable(8),),
    (Inverted(16, 1, 3, 2, expand=3),),
    (Inverted(16, 2, 3, 2),),
    (Inverted(32, 4, 5, 2, True),),
    (Inverted(32, 3, 3, 1, True),),
    (Inverted(88, 3, 5, 2, True),),
    (Inverted(144, 1, 3, 1),),
)


def rename_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The tensors of torchvision's mnasnet0_5 to 1_3 under our names; None for any other file."""
    paths = [key.split(".") for key in tensors if key.startswith("layers.") and ".layers." in key]
    blocks = {f"layers.{s}.{i}": f"blocks.{int(s) - 7}.{i}" for _, s, i, *_ in paths}
    layers = {"layers.0": "conv_stem", "layers.1": "bn1", "layers.14": "conv_head", "layers.15": "bn2"}
    layers |= {"layers.3": "blocks.0.0.conv_dw", "layers.4": "blocks.0.0.bn1"}
    layers |= {"layers.6": "blocks.0.0.conv_pw", "layers.7": "blocks.0.0.bn2", "classifier.1": "classifier"}
    return rename_blocks(tensors, blocks, layers)


FOREIGN = (rename_torchvision,)

VARIANTS = {
    "mnasnet_050": Cfg(B1, 16, width=0.5, act=nn.ReLU),
    "mnasnet_075": Cfg(B1, 24, width=0.75, act=nn.ReLU),
    "mnasnet_100": Cfg(B1, 32, act=nn.ReLU),
    "mnasnet_140": Cfg(B1, 48, width=1.4, act=nn.ReLU),
    "mnasnet_small": Cfg(SMALL, 8, act=nn.ReLU),
    "semnasnet_050": Cfg(A1, 16, width=0.5, act=nn.ReLU),
    "semnasnet_075": Cfg(A1, 24, width=0.75, act=nn.ReLU),
    "semnasnet_100": Cfg(A1, 32, act=nn.ReLU),
    "semnasnet_140": Cfg(A1, 48, width=1.4, act=nn.ReLU),
}
for _name, _cfg in VARIANTS.items():
    register(_name, EfficientNet, _cfg, paper=PAPER)
register(
    "mnasnet_test",
    EfficientNet,
    Cfg(SMALL[:4], 16, 128, act=nn.ReLU),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
