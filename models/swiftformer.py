"""SwiftFormer: Efficient Additive Attention for [...] Mobile Vision Applications (arXiv:2303.15446).

Parameter names and shapes are timm's. The model has the two heads of distillation, whose logits are averaged.
"""

from dataclasses import dataclass

from torch import Tensor, nn, zeros

from .fastvit import LayerScale
from .layers import ConvMlp, conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2303.15446"
EXPAND = 4
EPS = 1e-12  # the least length by which a vector is divided


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    channels: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]


class ConvEncoder(nn.Module):
    """Depthwise and two 1x1 convolutions, with a residual; (n, c, h, w) -> same."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.dwconv = conv(channels, channels, 3, groups=channels, bias=True)
        self.norm = nn.BatchNorm2d(channels)
        self.pwconv1 = conv(channels, hidden, bias=True)
        self.act = nn.GELU()
        self.pwconv2 = conv(hidden, channels, bias=True)
        self.layer_scale = LayerScale(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.pwconv1(self.norm(self.dwconv(x)))
        return x + self.layer_scale(self.pwconv2(self.act(y)))


def unit(x: Tensor, axis: int) -> Tensor:
    """The vectors along `axis`, divided by their length."""
    length = ((x * x).mean(axis, keepdim=True) * x.shape[axis]).sqrt()
    return x / length.clamp(min=EPS)


class AdditiveAttention(nn.Module):
    """One global query, the weighted sum of all queries, multiplies the keys; (n, c, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = channels**-0.5
        self.to_query = nn.Linear(channels, channels)
        self.to_key = nn.Linear(channels, channels)
        self.w_g = nn.Parameter(zeros(channels, 1))
        self.proj = nn.Linear(channels, channels)
        self.final = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)  # (n, t, c)
        query, key = unit(self.to_query(tokens), 2), unit(self.to_key(tokens), 2)
        weights = unit(query @ self.w_g * self.scale, 1)  # (n, t, 1)
        total = weights.transpose(1, 2) @ query  # (n, 1, c)
        y = self.final(self.proj(total * key) + query)
        return y.transpose(1, 2).reshape(x.shape)


class Mlp(ConvMlp):
    """An MLP with a batch norm before it; (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, EXPAND * channels)
        self.norm1 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.norm1(x))


class Block(nn.Module):
    """Local representation, attention, MLP; (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.local_representation = ConvEncoder(channels, channels)
        self.attn = AdditiveAttention(channels)
        self.linear = Mlp(channels)
        self.layer_scale_1 = LayerScale(channels)
        self.layer_scale_2 = LayerScale(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.local_representation(x)
        x = x + self.layer_scale_1(self.attn(x))
        return x + self.layer_scale_2(self.linear(x))


class Embedding(nn.Module):
    """3x3 convolution of stride 2 and batch norm; (n, c_in, h, w) -> (n, c_out, h/2, w/2)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.proj = conv(c_in, c_out, 3, 2, bias=True)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x))


class Stage(nn.Module):
    """Embedding (not in the first stage), convolutional encoders, and at the end a block with attention."""

    def __init__(self, c_in: int, c: int, depth: int) -> None:
        super().__init__()
        self.downsample = Embedding(c_in, c) if c_in != c else nn.Identity()
        self.blocks = nn.Sequential(*(ConvEncoder(c, EXPAND * c) for _ in range(depth - 1)), Block(c))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class SwiftFormer(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c = cfg.channels
        self.stem = nn.Sequential(
            conv(3, c[0] // 2, 3, 2, bias=True),
            nn.BatchNorm2d(c[0] // 2),
            nn.ReLU(),
            conv(c[0] // 2, c[0], 3, 2, bias=True),
            nn.BatchNorm2d(c[0]),
            nn.ReLU(),
        )
        self.stages = nn.Sequential(*(Stage(c[max(i - 1, 0)], c[i], depth) for i, depth in enumerate(cfg.depths)))
        self.norm = nn.BatchNorm2d(c[-1])
        self.head = nn.Linear(c[-1], num_classes)
        self.head_dist = nn.Linear(c[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stages(self.stem(x))).mean((2, 3))
        return (self.head(x) + self.head_dist(x)) / 2


VARIANTS = {
    "swiftformer_xs": Cfg((48, 56, 112, 220), (3, 3, 6, 4)),
    "swiftformer_s": Cfg((48, 64, 168, 224), (3, 3, 9, 6)),
    "swiftformer_l1": Cfg((48, 96, 192, 384), (4, 3, 10, 5)),
    "swiftformer_l3": Cfg((64, 128, 320, 512), (4, 4, 12, 6)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, SwiftFormer, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.95))
register(
    "swiftformer_test",
    SwiftFormer,
    Cfg((16, 24, 32, 40), (2, 1, 1, 1)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 96, 96), crop_pct=0.95),
    num_classes=10,
)
