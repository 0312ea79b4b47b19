"""BAT-ResNeXt: Non-Local Neural Networks with Grouped Bilinear Attentional Transforms (CVPR 2020), of 26 layers.

Parameter names and shapes are timm's. The trunk is BoTNet's, with grouped convolutions and SiLU.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from .botnet import Bottleneck, Stem
from .layers import ConvNormAct, Head
from .registry import register
from .spec import PreprocessSpec

PAPER = "https://openaccess.thecvf.com/content_CVPR_2020/html/Chi_Non-Local_Neural_Networks_With_Grouped_Bilinear_Attentional_Transforms_CVPR_2020_paper.html"
GROUPS = 2  # of channels that are transformed alike
GROUP_WIDTH = 32  # of the 3x3 convolutions


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    depths: tuple[int, ...] = (2, 2, 2, 2)
    stem: int = 64
    width: int = 256  # of the first stage's output
    parts: int = 8  # into how many a map's rows and columns are grouped


class BilinearTransform(nn.Module):
    """Mixes the `parts` bands of rows, then those of columns, by matrices made from the map (eq. 4); same shape.

    (n, c, h, w), h and w multiples of `parts`.
    """

    def __init__(self, channels: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.conv1 = ConvNormAct(channels, GROUPS, act=nn.ReLU)
        self.conv_p = nn.Conv2d(GROUPS, GROUPS * parts * parts, (parts, 1))
        self.conv_q = nn.Conv2d(GROUPS, GROUPS * parts * parts, (1, parts))
        self.conv2 = ConvNormAct(channels, channels, act=nn.ReLU)

    def forward(self, x: Tensor) -> Tensor:
        n, channels, h, w = x.shape
        parts, groups, c = self.parts, n * GROUPS, channels // GROUPS
        tall, wide = h // parts, w // parts  # of a band
        small = self.conv1(x)
        p = self.conv_p(nn.functional.max_pool2d(small, (tall, w))).reshape(groups, parts, parts).sigmoid()
        q = self.conv_q(nn.functional.max_pool2d(small, (h, wide))).reshape(groups, parts, parts).sigmoid()
        p = p / p.sum(2, keepdim=True)
        q = q / q.sum(1, keepdim=True)
        # Bands of rows first: (groups, c, parts, tall * w) -> (groups, parts, c * tall * w)
        x = x.reshape(groups, c, parts, tall * w).transpose(1, 2).reshape(groups, parts, c * tall * w)
        y = (p @ x).reshape(groups, parts * c * tall, parts, wide)
        # Bands of columns first: (groups, rows, parts, wide) -> (groups, parts, rows * wide)
        y = y.transpose(1, 2).reshape(groups, parts, parts * c * tall * wide)
        y = (q.transpose(1, 2) @ y).reshape(groups, parts, parts * c * tall, wide).transpose(1, 2)
        y = y.reshape(groups, parts, c, tall * w).transpose(1, 2).reshape(n, channels, h, w)
        return self.conv2(y)


class BilinearAttention(nn.Module):
    """Adds to the map the transform of a quarter of its channels (fig. 3); (n, c, h, w) -> same."""

    def __init__(self, channels: int, parts: int) -> None:
        super().__init__()
        self.conv1 = ConvNormAct(channels, channels // 4, act=nn.ReLU)
        self.ba = BilinearTransform(channels // 4, parts)
        self.conv2 = ConvNormAct(channels // 4, channels, act=nn.ReLU)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.ba(self.conv1(x)))


class BatResNeXt(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes); h and w multiples of 256, so that all maps have eight bands."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.multiple = cfg.parts * 2 ** (len(cfg.depths) + 1)
        self.stem = Stem(cfg.stem, nn.SiLU)
        c_in = cfg.stem
        stages = []
        for i, depth in enumerate(cfg.depths):
            c, blocks = cfg.width * 2**i, []
            for j in range(depth):
                stride, mid = 2 if i and not j else 1, c // 4
                middle = {
                    "conv2_kxk": ConvNormAct(mid, mid, 3, stride, groups=max(1, mid // GROUP_WIDTH), act=nn.SiLU),
                    "attn": BilinearAttention(mid, cfg.parts),
                }
                blocks.append(Bottleneck(c_in, c, stride, middle, nn.SiLU))
                c_in = c
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = Head(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] % self.multiple or x.shape[3] % self.multiple:
            raise ValueError(
                f"this BAT-ResNeXt takes images whose sides are multiples of {self.multiple}, "
                f"not {x.shape[2]}x{x.shape[3]}"
            )
        return self.head(self.stages(self.stem(x)))


SPEC = PreprocessSpec(input_size=(3, 256, 256), crop_pct=0.9)
register("bat_resnext26ts", BatResNeXt, Cfg(), paper=PAPER, spec=SPEC)
_test = Cfg((1, 1), stem=16, width=64, parts=4)
register(
    "bat_resnext_test", BatResNeXt, _test, paper=PAPER, spec=PreprocessSpec(input_size=(3, 64, 64)), num_classes=10
)
