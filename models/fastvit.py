"""FastViT: A Fast Hybrid Vision Transformer using Structural Reparameterization (arXiv:2303.14189).

Parameter names and shapes are timm's, of the network that is trained: its blocks have parallel branches, and a `fuse`
that makes one convolution of them.
"""

from dataclasses import dataclass

from torch import Tensor, nn, ones

from .branches import Branch, branch, identity, normed, plain, scaled, total
from .layers import Attention, ConvMlp, ConvNormAct, Head, SigmoidExcite
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2303.14189"
HEAD_DIM = 32  # channels of an attention head
LARGE, SMALL = 7, 3  # kernels of the convolutions between the stages, fig. 2


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, in the order of the paper's table 2."""

    channels: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    expand: int = 4  # of the MLPs
    attention: bool = False  # in the last stage, with a positional encoding before it


class MobileOne(nn.Module):
    """A convolution with batch norm, beside it a 1x1 one and the input's own batch norm (fig. 2d, arXiv:2206.04040).

    (n, c_in, h, w) -> (n, c_out, h/stride, w/stride). The 1x1 branch is there where the kernel is larger, the input's
    where the shape allows. `excite` makes a squeeze-and-excite of a sixteenth of the channels.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        stride: int = 1,
        *,
        groups: int = 1,
        act: type[nn.Module] = nn.GELU,
        excite: bool = False,
    ) -> None:
        super().__init__()
        self.conv_kxk = nn.ModuleList([ConvNormAct(c_in, c_out, kernel, stride, groups=groups)])
        self.conv_scale = ConvNormAct(c_in, c_out, 1, stride, groups=groups) if kernel > 1 else None
        self.identity = nn.BatchNorm2d(c_in) if stride == 1 and c_in == c_out else None
        self.se = SigmoidExcite(c_out, c_out // 16) if excite else nn.Identity()
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_kxk[0](x)
        if self.conv_scale is not None:
            y = y + self.conv_scale(x)
        if self.identity is not None:
            y = y + self.identity(x)
        return self.act(self.se(y))

    @property
    def first(self) -> ConvNormAct:
        """The branch of the full kernel, whose stride and groups are the block's."""
        layer = self.conv_kxk[0]
        assert isinstance(layer, ConvNormAct)
        return layer

    def linear(self) -> Branch:
        """The branches as one."""
        first = self.first
        branches = [branch(first.conv, first.bn)]
        if self.conv_scale is not None:
            branches.append(branch(self.conv_scale.conv, self.conv_scale.bn))
        if self.identity is not None:
            branches.append(normed(identity(branches[0]), self.identity))
        return total(*branches)

    def fuse(self) -> nn.Module:
        """Convolution, squeeze-and-excite, activation."""
        return nn.Sequential(plain(self.linear(), self.first.conv), self.se, self.act)


class InputNorm(nn.Module):
    """The batch norm that RepMixer subtracts, under the name of a MobileOne's branch; (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.identity = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.identity(x)


class LayerScale(nn.Module):
    """A factor for each channel; (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class RepMixer(nn.Module):
    """Depthwise convolution that mixes pixels (eq. 2); (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = InputNorm(channels)
        self.mixer = MobileOne(channels, channels, 3, groups=channels, act=nn.Identity)
        self.layer_scale = LayerScale(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layer_scale(self.mixer(x) - self.norm(x))

    def fuse(self) -> nn.Module:
        """One depthwise convolution (eq. 3)."""
        mixed, scale = self.mixer.linear(), self.layer_scale.gamma.flatten()
        subtracted = normed(identity(mixed), self.norm.identity)
        sum_ = total(identity(mixed), scaled(mixed, scale), scaled(subtracted, -scale))
        return plain(sum_, self.mixer.first.conv)


class PositionalEncoding(nn.Module):
    """Depthwise convolution with a residual (arXiv:2102.10882); (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pos_enc = nn.Conv2d(channels, channels, LARGE, padding=LARGE // 2, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pos_enc(x)

    def fuse(self) -> nn.Module:
        """One depthwise convolution."""
        of = branch(self.pos_enc)
        return plain(total(of, identity(of)), self.pos_enc)


class Mlp(ConvMlp):
    """Depthwise 7x7 convolution before the two layers (the paper's ConvFFN); (n, c, h, w) -> same."""

    def __init__(self, channels: int, expand: int) -> None:
        super().__init__(channels, channels * expand)
        self.conv = ConvNormAct(channels, channels, LARGE, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.conv(x))


class MixerBlock(nn.Module):
    """RepMixer and MLP; (n, c, h, w) -> same."""

    def __init__(self, channels: int, expand: int) -> None:
        super().__init__()
        self.token_mixer = RepMixer(channels)
        self.mlp = Mlp(channels, expand)
        self.layer_scale = LayerScale(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.token_mixer(x)
        return x + self.layer_scale(self.mlp(x))


class AttentionBlock(nn.Module):
    """Self-attention over all pixels and MLP; (n, c, h, w) -> same."""

    def __init__(self, channels: int, expand: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.token_mixer = Attention(channels, channels // HEAD_DIM, qkv_bias=False)
        self.layer_scale_1 = LayerScale(channels)
        self.mlp = Mlp(channels, expand)
        self.layer_scale_2 = LayerScale(channels)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(x).flatten(2).transpose(1, 2)  # (n, h * w, c)
        y = self.token_mixer(tokens).transpose(1, 2).reshape(x.shape)
        x = x + self.layer_scale_1(y)
        return x + self.layer_scale_2(self.mlp(x))


class LargeKernel(nn.Module):
    """A 7x7 and a 3x3 grouped convolution of stride 2, summed; (n, c_in, h, w) -> (n, c_out, h/2, w/2)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.large_conv = ConvNormAct(c_in, c_out, LARGE, 2, groups=c_in)
        self.small_conv = ConvNormAct(c_in, c_out, SMALL, 2, groups=c_in)

    def forward(self, x: Tensor) -> Tensor:
        return self.large_conv(x) + self.small_conv(x)

    def fuse(self) -> nn.Module:
        """One 7x7 convolution."""
        large, small = self.large_conv, self.small_conv
        return plain(total(branch(large.conv, large.bn), branch(small.conv, small.bn)), large.conv)


class PatchEmbed(nn.Module):
    """What stands between two stages; (n, c_in, h, w) -> (n, c_out, h/2, w/2)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(LargeKernel(c_in, c_out), MobileOne(c_out, c_out, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x)


class Stage(nn.Module):
    """Downsampling (not in the first stage), positional encoding (before attention), blocks."""

    def __init__(self, c_in: int, c: int, depth: int, expand: int, *, attention: bool) -> None:
        super().__init__()
        self.downsample = PatchEmbed(c_in, c) if c_in != c else nn.Identity()
        self.pos_emb = PositionalEncoding(c) if attention else nn.Identity()
        block = AttentionBlock if attention else MixerBlock
        self.blocks = nn.Sequential(*(block(c, expand) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.pos_emb(self.downsample(x)))


class FastViT(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c = cfg.channels
        self.stem = nn.Sequential(
            MobileOne(3, c[0], 3, 2), MobileOne(c[0], c[0], 3, 2, groups=c[0]), MobileOne(c[0], c[0], 1)
        )
        self.stages = nn.Sequential(
            *(
                Stage(c[max(i - 1, 0)], c[i], cfg.depths[i], cfg.expand, attention=cfg.attention and i == 3)
                for i in range(4)
            )
        )
        self.final_conv = MobileOne(c[3], 2 * c[3], 3, groups=c[3], excite=True)
        self.head = Head(2 * c[3], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.final_conv(self.stages(self.stem(x))))


VARIANTS = {
    "fastvit_t8": Cfg((48, 96, 192, 384), (2, 2, 4, 2), expand=3),
    "fastvit_t12": Cfg((64, 128, 256, 512), (2, 2, 6, 2), expand=3),
    "fastvit_s12": Cfg((64, 128, 256, 512), (2, 2, 6, 2)),
    "fastvit_sa12": Cfg((64, 128, 256, 512), (2, 2, 6, 2), attention=True),
    "fastvit_sa24": Cfg((64, 128, 256, 512), (4, 4, 12, 4), attention=True),
    "fastvit_sa36": Cfg((64, 128, 256, 512), (6, 6, 18, 6), attention=True),
    "fastvit_ma36": Cfg((76, 152, 304, 608), (6, 6, 18, 6), attention=True),
}
for _name, _cfg in VARIANTS.items():
    spec = PreprocessSpec(input_size=(3, 256, 256), crop_pct=0.95 if _name == "fastvit_ma36" else 0.9)
    register(_name, FastViT, _cfg, paper=PAPER, spec=spec)
register(
    "fastvit_test",
    FastViT,
    Cfg((8, 16, 32, 64), (1, 1, 1, 1), expand=2, attention=True),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), crop_pct=0.9),
    num_classes=10,
)
