"""EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks (arXiv:1905.11946).

Parameter names and shapes are timm's. The class builds MnasNet, MixNet, TinyNet and others too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from .layers import conv
from .mobile import Inverted, Separable, Style, Table, stages
from .registry import register
from .spec import HALF, PreprocessSpec
from .tensorflow import like_tensorflow
from .torchvision_names import EPS, rename_blocks

PAPER = "arXiv:1905.11946"
# Table 1: channels, kernel, stride, expansion of the stages; their layers are the variants'.
STAGES = (
    (16, 3, 1, 1),
    (24, 3, 2, 6),
    (40, 5, 2, 6),
    (80, 3, 2, 6),
    (112, 5, 1, 6),
    (192, 5, 2, 6),
    (320, 3, 1, 6),
)


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    table: Table
    stem: int = 32  # neither it nor the head is multiplied by width
    head: int = 1280
    width: float = 1.0
    act: type[nn.Module] = nn.SiLU
    stem_kernel: int = 3
    tensorflow: bool = False  # for checkpoints of TensorFlow


class EfficientNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        style = Style(cfg.act, cfg.width, excite_act=None, gate=nn.Sigmoid, reduced=lambda c_in, squeezed: c_in // 4)
        self.conv_stem = conv(3, cfg.stem, cfg.stem_kernel, 2)
        self.bn1 = nn.BatchNorm2d(cfg.stem)
        self.act1 = cfg.act()
        self.blocks, c = stages(cfg.table, cfg.stem, style)
        self.conv_head = conv(c, cfg.head)
        self.bn2 = nn.BatchNorm2d(cfg.head)
        self.act2 = cfg.act()
        self.classifier = nn.Linear(cfg.head, num_classes)
        if cfg.tensorflow:
            like_tensorflow(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.act1(self.bn1(self.conv_stem(x))))
        x = self.act2(self.bn2(self.conv_head(x)))
        return self.classifier(x.mean((2, 3)))


def table(layers: tuple[int, ...] = (1, 2, 2, 3, 3, 4, 1), *, excite: bool = True) -> Table:
    """Table 1 with so many layers in its stages (of B0 where they are not given), one row a stage."""
    rows = (
        Separable(c, n, kernel, stride, excite)
        if expand == 1
        else Inverted(c, n, kernel, stride, excite, expand=expand)
        for (c, kernel, stride, expand), n in zip(STAGES, layers, strict=True)
    )
    return tuple((row,) for row in rows)


def rename_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The tensors of torchvision's efficientnet_b0 to b7 under our names; None for any other file."""
    classifier = tensors.get("classifier.1.weight")
    from_b5 = classifier is not None and classifier.shape[-1] >= 2048
    return renamed_features(tensors, eps=1e-3 if from_b5 else EPS)


def renamed_features(tensors: Mapping[str, Tensor], *, eps: float) -> dict[str, Tensor] | None:
    """The same for any network of this class that torchvision has, whose batch norms have that epsilon."""
    paths = [key.split(".") for key in tensors if key.startswith("features.")]
    last = max((int(path[1]) for path in paths), default=0)  # the head
    blocks = {f"features.{s}.{i}": f"blocks.{int(s) - 1}.{i}" for _, s, i, *_ in paths if 0 < int(s) < last}
    layers = {"features.0.0": "conv_stem", "features.0.1": "bn1", "classifier.1": "classifier"}
    layers |= {f"features.{last}.0": "conv_head", f"features.{last}.1": "bn2"}
    return rename_blocks(tensors, blocks, layers, eps=eps)


FOREIGN = (rename_torchvision,)
LAYERS = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
INVERTED = {
    **{"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"},
    **{"_project_conv": "conv_pwl", "_bn2": "bn3"},
}
EXCITE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}


def rename_efficientnet_pytorch(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The tensors of the package efficientnet_pytorch under our names; None for any other file.

    It pads as TensorFlow does, so they are for the variants that do. It numbers blocks through; a stage ends where the
    channels change.
    """
    if not all(f"{theirs}.weight" in tensors for theirs in LAYERS):
        return None
    modules, stage, index, channels, number = dict(LAYERS), -1, 0, 0, 0
    while (projection := tensors.get(f"_blocks.{number}._project_conv.weight")) is not None:
        theirs = f"_blocks.{number}"
        new = len(projection) != channels
        stage, index, channels = stage + new, 0 if new else index + 1, len(projection)
        parts = INVERTED if f"{theirs}._expand_conv.weight" in tensors else SEPARABLE
        modules |= {f"{theirs}.{a}": f"blocks.{stage}.{index}.{b}" for a, b in (parts | EXCITE).items()}
        number += 1
    found = {}
    for key, tensor in tensors.items():
        module, _, leaf = key.rpartition(".")
        found[f"{modules[module]}.{leaf}" if module in modules else key] = tensor
    return found


# §5: width and depth grow by phi; stem, head and layers as the authors' rounding gives them.
VARIANTS = {
    "efficientnet_b0": Cfg(table()),
    "efficientnet_b1": Cfg(table((2, 3, 3, 4, 4, 5, 2))),
    "efficientnet_b2": Cfg(table((2, 3, 3, 4, 4, 5, 2)), 32, 1408, 1.1),
    "efficientnet_b3": Cfg(table((2, 3, 3, 5, 5, 6, 2)), 40, 1536, 1.2),
    "efficientnet_b4": Cfg(table((2, 4, 4, 6, 6, 8, 2)), 48, 1792, 1.4),
    "efficientnet_b5": Cfg(table((3, 5, 5, 7, 7, 9, 3)), 48, 2048, 1.6),
    "efficientnet_b6": Cfg(table((3, 6, 6, 8, 8, 11, 3)), 56, 2304, 1.8),
    "efficientnet_b7": Cfg(table((4, 7, 7, 10, 10, 13, 4)), 64, 2560, 2.0),
}
VARIANTS |= {f"tf_{name}": replace(VARIANTS[name], tensorflow=True) for name in tuple(VARIANTS)}
# timm's checkpoints were trained at sizes of their own, B1's with another mean.
SPECS = {
    "efficientnet_b1": PreprocessSpec(input_size=(3, 240, 240), mean=HALF, std=HALF, crop_pct=0.9),
    "efficientnet_b2": PreprocessSpec(input_size=(3, 256, 256)),
    "efficientnet_b3": PreprocessSpec(input_size=(3, 288, 288)),
    "efficientnet_b4": PreprocessSpec(input_size=(3, 320, 320)),
    "efficientnet_b5": PreprocessSpec(input_size=(3, 448, 448), crop_pct=1.0),
    "efficientnet_b6": PreprocessSpec(input_size=(3, 528, 528), crop_pct=0.942),
    "efficientnet_b7": PreprocessSpec(input_size=(3, 600, 600), crop_pct=0.949),
    "tf_efficientnet_b1": PreprocessSpec(input_size=(3, 240, 240), crop_pct=0.882),
    "tf_efficientnet_b2": PreprocessSpec(input_size=(3, 260, 260), crop_pct=0.89),
    "tf_efficientnet_b3": PreprocessSpec(input_size=(3, 300, 300), crop_pct=0.904),
    "tf_efficientnet_b4": PreprocessSpec(input_size=(3, 380, 380), crop_pct=0.922),
    "tf_efficientnet_b5": PreprocessSpec(input_size=(3, 456, 456), crop_pct=0.934),
    "tf_efficientnet_b6": PreprocessSpec(input_size=(3, 528, 528), crop_pct=0.942),
    "tf_efficientnet_b7": PreprocessSpec(input_size=(3, 600, 600), crop_pct=0.949),
}
for _name, _cfg in VARIANTS.items():
    _foreign = (rename_efficientnet_pytorch,) if _cfg.tensorflow else FOREIGN
    register(_name, EfficientNet, _cfg, paper=PAPER, spec=SPECS.get(_name), foreign=_foreign)
register(
    "efficientnet_test",
    EfficientNet,
    Cfg(table((1, 1, 1, 1, 1, 1, 1)), 8, 64, 0.15),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
