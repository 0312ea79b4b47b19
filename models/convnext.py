"""ConvNeXt: A ConvNet for the 2020s (arXiv:2201.03545).

Parameter names and shapes are timm's, and so are the variants below tiny, which the paper does not have. Checkpoints of
torchvision and of the authors are renamed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn, ones

from .layers import ConvMlp, Head, LayerNorm2d
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER = "arXiv:2201.03545"
EXPAND = 4  # §2.4, the inverted bottleneck
EPS = 1e-6  # of every norm


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, and what ConvNeXt V2 changes."""

    channels: tuple[int, int, int, int]
    depths: tuple[int, int, int, int] = (3, 3, 27, 3)
    linear: bool = True  # the weights of the MLPs are stored as linears', not as 1x1 convolutions'
    centred: bool = True  # the norms subtract the mean and have biases
    response_norm: bool = False  # arXiv:2301.00808 §3, in place of the layer scale


class SimpleNorm2d(nn.Module):
    """Layer norm without subtracting the mean; the variance is the unbiased one; (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        centred = x - x.mean(1, keepdim=True)
        variance = (centred * centred).mean(1, keepdim=True) * (channels / (channels - 1))
        return x / (variance + EPS).sqrt() * self.weight.reshape(1, -1, 1, 1)


class GlobalResponseNorm(nn.Module):
    """Scales each channel by its size relative to the mean channel's (arXiv:2301.00808 eq. 1 to 3); (n, c, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(ones(channels))
        self.bias = nn.Parameter(ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        # The quotient of norms is that of root mean squares; eps is relative to the norms.
        size = (x * x).mean((2, 3), keepdim=True).sqrt()  # (n, c, 1, 1)
        relative = size / (size.mean(1, keepdim=True) + EPS / (x.shape[2] * x.shape[3]) ** 0.5)
        return x + (self.weight.reshape(1, -1, 1, 1) * (x * relative) + self.bias.reshape(1, -1, 1, 1))


class ResponseMlp(ConvMlp):
    """The MLP of ConvNeXt V2: a response norm before its second layer."""

    def __init__(self, channels: int, hidden: int, *, linear: bool) -> None:
        super().__init__(channels, hidden, linear=linear)
        self.grn = GlobalResponseNorm(hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.grn(self.act(self.fc1(x))))


class Block(nn.Module):
    """7x7 depthwise, norm, MLP, residual (fig. 4); (n, c, h, w) -> same."""

    def __init__(self, channels: int, norm: type[nn.Module], cfg: Cfg) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = norm(channels)
        mlp = ResponseMlp if cfg.response_norm else ConvMlp
        self.mlp = mlp(channels, EXPAND * channels, linear=cfg.linear)
        self.gamma = None if cfg.response_norm else nn.Parameter(ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        y = self.mlp(self.norm(self.conv_dw(x)))
        return x + (y if self.gamma is None else y * self.gamma.reshape(1, -1, 1, 1))


class Stage(nn.Module):
    """Norm and 2x2 convolution of stride 2 (not in the first stage), then blocks."""

    def __init__(self, c_in: int, channels: int, depth: int, norm: type[nn.Module], cfg: Cfg) -> None:
        super().__init__()
        down = (norm(c_in), nn.Conv2d(c_in, channels, 2, stride=2)) if c_in != channels else ()
        self.downsample = nn.Sequential(*down)
        self.blocks = nn.Sequential(*(Block(channels, norm, cfg) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class ConvNeXt(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        norm = LayerNorm2d if cfg.centred else SimpleNorm2d
        c = cfg.channels
        self.stem = nn.Sequential(nn.Conv2d(3, c[0], 4, stride=4), norm(c[0]))
        self.stages = nn.Sequential(
            *(Stage(c[max(i - 1, 0)], c[i], depth, norm, cfg) for i, depth in enumerate(cfg.depths))
        )
        self.head = Head(c[-1], num_classes, norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))


_TORCHVISION = {"block.0": "conv_dw", "block.2": "norm", "block.3": "mlp.fc1", "block.5": "mlp.fc2"}


def rename_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """torchvision's tensors under our names; None where the names are others."""
    if "features.1.0.layer_scale" not in tensors:
        return None
    renamed = {}
    for key, tensor in tensors.items():
        # features: stem, stage, downsampling, stage, downsampling, ...
        part, _, rest = key.removeprefix("features.").partition(".")
        if key.startswith("classifier."):
            name = key.replace("classifier.0", "head.norm").replace("classifier.2", "head.fc")
        elif part == "0":
            name = f"stem.{rest}"
        elif int(part) % 2 == 0:
            name = f"stages.{int(part) // 2}.downsample.{rest}"
        else:
            block, _, leaf = rest.partition(".")
            module, _, parameter = leaf.rpartition(".")
            leaf = f"{_TORCHVISION[module]}.{parameter}" if module else "gamma"
            name = f"stages.{int(part) // 2}.blocks.{block}.{leaf}"
        renamed[name] = tensor.flatten() if name.endswith("gamma") else tensor
    return renamed


_AUTHORS = (
    (r"^downsample_layers\.0\.", "stem."),
    (r"^downsample_layers\.(\d)\.", r"stages.\1.downsample."),
    (r"^stages\.(\d)\.(\d+)\.", r"stages.\1.blocks.\2."),
    (r"\.dwconv\.", ".conv_dw."),
    (r"\.pwconv(\d)\.", r".mlp.fc\1."),
    (r"\.grn\.gamma$", ".mlp.grn.weight"),
    (r"\.grn\.beta$", ".mlp.grn.bias"),
    (r"^norm\.", "head.norm."),
    (r"^head\.(?=weight|bias)", "head.fc."),
)


def rename_authors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The tensors of the authors' releases (V1 and V2) under our names; None where the names are others.

    Their MLPs are linears; those of the smallest models are stored as convolutions here.
    """
    if "downsample_layers.0.0.weight" not in tensors:
        return None
    renamed = {}
    as_convs = tensors["downsample_layers.0.0.weight"].shape[0] < 96  # channels of tiny
    for key, tensor in tensors.items():
        name = key
        for pattern, replacement in _AUTHORS:
            name = re.sub(pattern, replacement, name)
        if ".grn." in name:
            tensor = tensor.flatten()
        elif as_convs and ".mlp.fc" in name and tensor.ndim == 2:
            tensor = tensor[:, :, None, None]
        renamed[name] = tensor
    return renamed


FOREIGN = (rename_torchvision, rename_authors)

VARIANTS = {
    "convnext_zepto_rms": Cfg((32, 64, 128, 256), (2, 2, 4, 2), linear=False, centred=False),
    "convnext_atto": Cfg((40, 80, 160, 320), (2, 2, 6, 2), linear=False),
    "convnext_femto": Cfg((48, 96, 192, 384), (2, 2, 6, 2), linear=False),
    "convnext_pico": Cfg((64, 128, 256, 512), (2, 2, 6, 2), linear=False),
    "convnext_nano": Cfg((80, 160, 320, 640), (2, 2, 8, 2), linear=False),
    # §3
    "convnext_tiny": Cfg((96, 192, 384, 768), (3, 3, 9, 3)),
    "convnext_small": Cfg((96, 192, 384, 768)),
    "convnext_base": Cfg((128, 256, 512, 1024)),
    "convnext_large": Cfg((192, 384, 768, 1536)),
    "convnext_xlarge": Cfg((256, 512, 1024, 2048)),
}
SPECS = {
    "convnext_zepto_rms": PreprocessSpec(mean=HALF, std=HALF),
    **dict.fromkeys(("convnext_nano", "convnext_tiny", "convnext_small"), PreprocessSpec(crop_pct=0.95)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, ConvNeXt, _cfg, paper=PAPER, spec=SPECS.get(_name))
register(
    "convnext_test",
    ConvNeXt,
    Cfg((8, 16, 24, 32), (1, 1, 2, 1)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
