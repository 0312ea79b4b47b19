"""RepViT: Revisiting Mobile CNN From ViT Perspective (arXiv:2307.09283).

Parameter names and shapes are timm's, of the network that is trained; fuse() makes the one that is deployed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .branches import branch, identity, normed, plain, total
from .layers import SigmoidExcite, conv, make_divisible
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2307.09283"
EXPAND = 2  # of the channel mixers, §3.2


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants (appendix, table 9)."""

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    # m1, m2, m3 are the paper's first version, whose 1x1 branch has a norm of its own instead of one after the sum.
    first_version: bool = False


class ConvNorm(nn.Module):
    """Convolution and batch norm; (n, c_in, h, w) -> (n, c_out, h/stride, w/stride)."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, *, groups: int = 1) -> None:
        super().__init__()
        self.c = conv(c_in, c_out, kernel, stride, groups=groups)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.c(x))


class TokenMixer(nn.Module):
    """Depthwise 3x3, depthwise 1x1 and nothing, side by side (§3.2, fig. 3); (n, c, h, w) -> same."""

    def __init__(self, channels: int, first_version: bool) -> None:
        super().__init__()
        self.conv = ConvNorm(channels, channels, 3, groups=channels)
        if first_version:
            self.conv1: ConvNorm | nn.Conv2d = ConvNorm(channels, channels, groups=channels)
            self.bn: nn.Module = nn.Identity()
        else:
            self.conv1 = conv(channels, channels, groups=channels, bias=True)
            self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x) + self.conv1(x) + x)

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        """One depthwise convolution."""
        wide = branch(self.conv.c, self.conv.bn)
        narrow = branch(self.conv1.c, self.conv1.bn) if isinstance(self.conv1, ConvNorm) else branch(self.conv1)
        fused = total(wide, narrow, identity(wide))
        return plain(normed(fused, self.bn) if isinstance(self.bn, nn.BatchNorm2d) else fused, self.conv.c)


class ChannelMixer(nn.Module):
    """Two 1x1 convolutions around a GELU; (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels, EXPAND * channels)
        self.act = nn.GELU()
        self.conv2 = ConvNorm(EXPAND * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.act(self.conv1(x)))


class Block(nn.Module):
    """Token mixer, squeeze-and-excite, channel mixer with a residual; (n, c, h, w) -> same."""

    def __init__(self, channels: int, cfg: Cfg, *, excite: bool) -> None:
        super().__init__()
        self.token_mixer = TokenMixer(channels, cfg.first_version)
        self.se = SigmoidExcite(channels, make_divisible(channels / 4)) if excite else nn.Identity()
        self.channel_mixer = ChannelMixer(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.se(self.token_mixer(x))
        return x + self.channel_mixer(x)


class Downsample(nn.Module):
    """The deep downsampling (§3.4, fig. 5c); (n, c_in, h, w) -> (n, c_out, h/2, w/2)."""

    def __init__(self, c_in: int, c_out: int, cfg: Cfg) -> None:
        super().__init__()
        self.pre_block = Block(c_in, cfg, excite=False)
        self.spatial_downsample = ConvNorm(c_in, c_in, 3, 2, groups=c_in)
        self.channel_downsample = ConvNorm(c_in, c_out)
        self.ffn = ChannelMixer(c_out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.channel_downsample(self.spatial_downsample(self.pre_block(x)))
        return x + self.ffn(x)


class Stage(nn.Module):
    """Blocks, of which every other one has squeeze-and-excite (§3.5)."""

    def __init__(self, c_in: int, c_out: int, depth: int, cfg: Cfg) -> None:
        super().__init__()
        self.downsample = Downsample(c_in, c_out, cfg) if c_in != c_out else nn.Identity()
        self.blocks = nn.Sequential(*(Block(c_out, cfg, excite=i % 2 == 0) for i in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class Stem(nn.Module):
    """(n, 3, h, w) -> (n, c, h/4, w/4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, channels // 2, 3, 2)
        self.act1 = nn.GELU()
        self.conv2 = ConvNorm(channels // 2, channels, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.act1(self.conv1(x)))


class NormLinear(nn.Module):
    """Batch norm and a linear; (n, c) -> (n, num_classes)."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(channels)
        self.l = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.l(self.bn(x))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the one linear that does the same."""
        mean, variance = self.bn.running_mean, self.bn.running_var
        assert mean is not None
        assert variance is not None
        scale = self.bn.weight / (variance + self.bn.eps).sqrt()
        return self.l.weight * scale, self.l.bias + self.l.weight @ (self.bn.bias - mean * scale)


class Heads(nn.Module):
    """The mean of two classifiers, one trained on labels, one on a teacher (arXiv:2012.12877 §5); (n, c) -> logits."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.head = NormLinear(channels, num_classes)
        self.head_dist = NormLinear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return (self.head(x) + self.head_dist(x)) / 2

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        """One linear."""
        pairs = zip(self.head.folded(), self.head_dist.folded(), strict=True)
        weight, bias = ((a + b) / 2 for a, b in pairs)
        linear = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
        linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
        return linear


class RepViT(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in = cfg.widths[0]
        self.stem = Stem(c_in)
        stages = []
        for c, depth in zip(cfg.widths, cfg.depths, strict=True):
            stages.append(Stage(c_in, c, depth, cfg))
            c_in = c
        self.stages = nn.Sequential(*stages)
        self.head = Heads(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)).mean((2, 3)))


VARIANTS = {
    "repvit_m0_9": Cfg((48, 96, 192, 384), (2, 2, 14, 2)),
    "repvit_m1_0": Cfg((56, 112, 224, 448), (2, 2, 14, 2)),
    "repvit_m1_1": Cfg((64, 128, 256, 512), (2, 2, 12, 2)),
    "repvit_m1_5": Cfg((64, 128, 256, 512), (4, 4, 24, 4)),
    "repvit_m2_3": Cfg((80, 160, 320, 640), (6, 6, 34, 2)),
    "repvit_m1": Cfg((48, 96, 192, 384), (2, 2, 14, 2), first_version=True),
    "repvit_m2": Cfg((64, 128, 256, 512), (2, 2, 12, 2), first_version=True),
    "repvit_m3": Cfg((64, 128, 256, 512), (4, 4, 18, 2), first_version=True),
}
SPEC = PreprocessSpec(crop_pct=0.95)
for _name, _cfg in VARIANTS.items():
    register(_name, RepViT, _cfg, paper=PAPER, spec=SPEC)
register(
    "repvit_test",
    RepViT,
    Cfg((8, 16, 24, 32), (1, 1, 2, 1)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), crop_pct=0.95),
    num_classes=10,
)
