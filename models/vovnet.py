"""An Energy and GPU-Computation Efficient Backbone Network (arXiv:1904.09730): VoVNet, and V2 (arXiv:1911.06667).

Parameter names and shapes are timm's. The variants are the small ones of V2.
"""

from dataclasses import dataclass

from torch import Tensor, cat, nn

from .layers import ConvNormAct, Head, conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:1911.06667"
LAYERS = 3  # convolutions in a block


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    stem: tuple[int, int, int]
    mid: tuple[int, int, int, int]  # channels of a block's convolutions
    channels: tuple[int, int, int, int]  # and of its output
    separable: bool = False


class Separable(nn.Module):
    """Depthwise, 1x1, batch norm, ReLU; (n, c_in, h, w) -> (n, c_out, h/stride, w/stride)."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv_dw = conv(c_in, c_in, 3, stride, groups=c_in)
        self.conv_pw = conv(c_in, c_out)
        self.bn = nn.BatchNorm2d(c_out)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv_pw(self.conv_dw(x))))


class EffectiveExcite(nn.Module):
    """A squeeze-and-excite of one layer (arXiv:1911.06667 §3.3); (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = conv(channels, channels, bias=True)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.fc(x.mean((2, 3), keepdim=True)))


class Block(nn.Module):
    """One-shot aggregation: all layers' outputs are joined once, at the end; (n, c_in, h, w) -> (n, c_out, h, w)."""

    def __init__(self, c_in: int, mid: int, c_out: int, *, separable: bool) -> None:
        super().__init__()
        reduce = separable and c_in != mid
        self.conv_reduction = ConvNormAct(c_in, mid, act=nn.ReLU) if reduce else nn.Identity()
        self.conv_mid = nn.ModuleList(
            Separable(mid, mid) if separable else ConvNormAct(mid if i else c_in, mid, 3, act=nn.ReLU)
            for i in range(LAYERS)
        )
        self.conv_concat = ConvNormAct(c_in + LAYERS * mid, c_out, act=nn.ReLU)
        self.attn = EffectiveExcite(c_out)

    def forward(self, x: Tensor) -> Tensor:
        outputs, y = [x], self.conv_reduction(x)
        for layer in self.conv_mid:
            y = layer(y)
            outputs.append(y)
        return self.attn(self.conv_concat(cat(outputs, dim=1)))


class Stage(nn.Module):
    """Pooling (not in the first stage), then a block."""

    def __init__(self, c_in: int, mid: int, c_out: int, *, pool: bool, separable: bool) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True) if pool else nn.Identity()
        self.blocks = nn.Sequential(Block(c_in, mid, c_out, separable=separable))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.pool(x))


class VoVNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        stem: list[nn.Module] = [ConvNormAct(3, cfg.stem[0], 3, 2, act=nn.ReLU)]
        for c_in, c_out, stride in ((cfg.stem[0], cfg.stem[1], 1), (cfg.stem[1], cfg.stem[2], 2)):
            dense = ConvNormAct(c_in, c_out, 3, stride, act=nn.ReLU)
            stem.append(Separable(c_in, c_out, stride) if cfg.separable else dense)
        self.stem = nn.Sequential(*stem)
        stages, c_in = [], cfg.stem[-1]
        for i, (mid, c_out) in enumerate(zip(cfg.mid, cfg.channels, strict=True)):
            stages.append(Stage(c_in, mid, c_out, pool=i > 0, separable=cfg.separable))
            c_in = c_out
        self.stages = nn.Sequential(*stages)
        self.head = Head(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))


VARIANTS = {
    "ese_vovnet19b_slim_dw": Cfg((64, 64, 64), (64, 80, 96, 112), (112, 256, 384, 512), separable=True),
    "ese_vovnet19b_dw": Cfg((64, 64, 64), (128, 160, 192, 224), (256, 512, 768, 1024), separable=True),
    "ese_vovnet19b_slim": Cfg((64, 64, 128), (64, 80, 96, 112), (112, 256, 384, 512)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, VoVNet, _cfg, paper=PAPER)
register(
    "vovnet_test",
    VoVNet,
    Cfg((8, 8, 8), (8, 8, 8, 8), (16, 16, 24, 24), separable=True),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
