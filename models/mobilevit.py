"""MobileViT: Light-weight, General-purpose, and Mobile-friendly Vision Transformer (arXiv:2110.02178).

Parameter names and shapes are timm's. Its images are not normalised: mean 0, std 1.
"""

from dataclasses import dataclass

from torch import Tensor, cat, nn

from .layers import ConvNormAct, Head, TransformerBlock, conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2110.02178"
HEADS = 4  # §4.1
PATCH = 2  # h = w = 2, §4.1
# Table 4: MobileNetV2 blocks and the stride of the first of them, in each of the five stages after the stem.
BLOCKS = ((1, 1), (3, 2), (1, 2), (1, 2), (1, 2))


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, in the order of the paper's table 4."""

    channels: tuple[int, int, int, int, int]  # of the five stages
    widths: tuple[int, int, int]  # of the transformers in the last three stages
    last: int  # channels of the last 1x1 convolution
    depths: tuple[int, int, int] = (2, 4, 3)
    stem: int = 16
    expand: int = 4  # of the MobileNetV2 blocks


class MobileNetV2Block(nn.Module):
    """Inverted residual under timm's MobileViT names; (n, c_in, h, w) -> (n, c_out, h/stride, w/stride)."""

    def __init__(self, c_in: int, c_out: int, stride: int, expand: int) -> None:
        super().__init__()
        mid = c_in * expand
        self.conv1_1x1 = ConvNormAct(c_in, mid, act=nn.SiLU)
        self.conv2_kxk = ConvNormAct(mid, mid, 3, stride, groups=mid, act=nn.SiLU)
        self.conv3_1x1 = ConvNormAct(mid, c_out)
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv3_1x1(self.conv2_kxk(self.conv1_1x1(x)))
        return x + y if self.residual else y


class MobileViTBlock(nn.Module):
    """Transformers over the pixels that share a place in their 2x2 patch (§3.1, fig. 1b); (n, c, h, w) -> same.

    h and w must be even; ValueError otherwise.
    """

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.conv_kxk = ConvNormAct(channels, channels, 3, act=nn.SiLU)
        self.conv_1x1 = conv(channels, width)
        self.transformer = nn.Sequential(
            *(TransformerBlock(width, HEADS, 2 * width, act=nn.SiLU, eps=1e-5) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.conv_proj = ConvNormAct(width, channels, act=nn.SiLU)
        self.conv_fusion = ConvNormAct(2 * channels, channels, 3, act=nn.SiLU)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_1x1(self.conv_kxk(x))
        n, c, h, w = y.shape
        if h % PATCH or w % PATCH:
            raise ValueError(f"MobileViT needs images whose sides are multiples of {32 * PATCH}: a stage has {h}x{w}")
        rows, cols = h // PATCH, w // PATCH
        # unfold: (n, c, rows, 2, cols, 2) -> (n, 2, 2, rows, cols, c) -> (4n, patches, c)
        y = y.reshape(n, c, rows, PATCH, cols, PATCH).permute(0, 3, 5, 2, 4, 1).reshape(-1, rows * cols, c)
        y = self.norm(self.transformer(y))
        # fold: (n, 2, 2, rows, cols, c) -> (n, c, rows, 2, cols, 2) -> (n, c, h, w)
        y = y.reshape(n, PATCH, PATCH, rows, cols, c).permute(0, 5, 3, 1, 4, 2).reshape(n, c, h, w)
        return self.conv_fusion(cat((x, self.conv_proj(y)), dim=1))


class MobileViT(nn.Module):
    """(n, 3, h, w), h and w multiples of 64 -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.stem = ConvNormAct(3, cfg.stem, 3, 2, act=nn.SiLU)
        stages = []
        c_in = cfg.stem
        for i, ((blocks, stride), c) in enumerate(zip(BLOCKS, cfg.channels, strict=True)):
            stage: list[nn.Module] = [MobileNetV2Block(c_in, c, stride, cfg.expand)]
            stage += [MobileNetV2Block(c, c, 1, cfg.expand) for _ in range(blocks - 1)]
            if i >= 2:
                stage.append(MobileViTBlock(c, cfg.widths[i - 2], cfg.depths[i - 2]))
            stages.append(nn.Sequential(*stage))
            c_in = c
        self.stages = nn.Sequential(*stages)
        self.final_conv = ConvNormAct(c_in, cfg.last, act=nn.SiLU)
        self.head = Head(cfg.last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.final_conv(self.stages(self.stem(x))))


# Table 4; the "final" widths of XXS follow the authors' weights.
VARIANTS = {
    "mobilevit_xxs": Cfg(channels=(16, 24, 48, 64, 80), widths=(64, 80, 96), last=320, expand=2),
    "mobilevit_xs": Cfg(channels=(32, 48, 64, 80, 96), widths=(96, 120, 144), last=384),
    "mobilevit_s": Cfg(channels=(32, 64, 96, 128, 160), widths=(144, 192, 240), last=640),
}
SPEC = PreprocessSpec(input_size=(3, 256, 256), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), crop_pct=0.9)
for _name, _cfg in VARIANTS.items():
    register(_name, MobileViT, _cfg, paper=PAPER, spec=SPEC)
register(
    "mobilevit_test",
    MobileViT,
    Cfg(channels=(8, 8, 16, 16, 16), widths=(16, 24, 32), depths=(1, 1, 1), last=32, stem=8, expand=2),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 128, 128), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), crop_pct=0.9),
    num_classes=10,
)
