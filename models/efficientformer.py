"""EfficientFormer: Vision Transformers at MobileNet Speed (arXiv:2206.01191).

Parameter names and shapes are timm's. The images are of one size: the attention biases have an entry for each pair of
distances. The model has the two heads of distillation, whose logits are averaged.
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn, zeros

from .layers import LayerScale, LayerScale2d, Mlp, attend, conv
from .registry import register
from .spec import PreprocessSpec
from .windows import distance_index

PAPER = "arXiv:2206.01191"
EXPAND = 4
KEY, VALUE, HEADS = 32, 128, 8  # channels of a head's keys and of its values, §B


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 3 (supplement)."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    attention: int  # transformer blocks at the end of the last stage
    image: int = 224  # height and width


class Pooling(nn.Module):
    """What the mean of 3x3 neighbours adds to a pixel (arXiv:2111.11418); (n, c, h, w) -> same."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(x) - x


class ConvMlp(nn.Module):
    """Two 1x1 convolutions with batch norms, an activation between; (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = conv(channels, EXPAND * channels, bias=True)
        self.norm1 = nn.BatchNorm2d(EXPAND * channels)
        self.act = nn.GELU()
        self.fc2 = conv(EXPAND * channels, channels, bias=True)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm2(self.fc2(self.act(self.norm1(self.fc1(x)))))


class PoolBlock(nn.Module):
    """Pooling and convolutional MLP ("MB 4D", eq. 3 and 4); (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.token_mixer = Pooling()
        self.ls1 = LayerScale2d(channels)
        self.mlp = ConvMlp(channels)
        self.ls2 = LayerScale2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.token_mixer(x))
        return x + self.ls2(self.mlp(x))


class Attention(nn.Module):
    """Attention with a bias for each head and pair of distances (eq. 6); (n, side * side, width) -> same.

    The channels of the first linear are a head's queries, keys and values after another's.
    """

    attention_bias_idxs: Tensor

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, HEADS * (2 * KEY + VALUE))
        self.proj = nn.Linear(HEADS * VALUE, width)
        self.attention_biases = nn.Parameter(zeros(HEADS, side * side))
        self.register_buffer("attention_bias_idxs", distance_index(side))

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, _ = x.shape
        # (n, t, c) -> (n, heads, t, 2 key + value)
        q, k, v = self.qkv(x).reshape(n, tokens, HEADS, -1).transpose(1, 2).split((KEY, KEY, VALUE), dim=-1)
        return self.proj(attend(q, k, v, self.attention_biases[:, self.attention_bias_idxs]))


class AttentionBlock(nn.Module):
    """Pre-norm attention and MLP ("MB 3D", eq. 5); (n, side * side, width) -> same."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.token_mixer = Attention(width, side)
        self.ls1 = LayerScale(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, EXPAND * width, nn.GELU)
        self.ls2 = LayerScale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.token_mixer(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class ToTokens(nn.Module):
    """(n, c, h, w) -> (n, h * w, c)"""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


class Downsample(nn.Module):
    """3x3 convolution of stride 2 and batch norm; (n, c_in, h, w) -> (n, c_out, h/2, w/2)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = conv(c_in, c_out, 3, 2, bias=True)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class Stage(nn.Module):
    """Blocks behind an optional downsampling; images, and tokens where the last blocks attend."""

    def __init__(self, downsample: nn.Module, width: int, depth: int, attention: int, side: int) -> None:
        super().__init__()
        self.downsample = downsample
        blocks: list[nn.Module] = [PoolBlock(width) for _ in range(depth - attention)]
        if attention:
            blocks += [ToTokens(), *(AttentionBlock(width, side) for _ in range(attention))]
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


def stem(width: int) -> nn.Sequential:
    """Two convolutions of stride 2; (n, 3, h, w) -> (n, width, h/4, w/4)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, (c_in, c_out) in enumerate(((3, width // 2), (width // 2, width)), 1):
        layers[f"conv{i}"] = conv(c_in, c_out, 3, 2, bias=True)
        layers[f"norm{i}"] = nn.BatchNorm2d(c_out)
        layers[f"act{i}"] = nn.ReLU()
    return nn.Sequential(layers)


class EfficientFormer(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes). Raises ValueError for images of another size."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.image = cfg.image
        self.stem = stem(cfg.widths[0])
        last = len(cfg.widths) - 1
        stages = []
        for i, (width, depth) in enumerate(zip(cfg.widths, cfg.depths, strict=True)):
            downsample = Downsample(cfg.widths[i - 1], width) if i else nn.Identity()
            side = cfg.image // 4 // 2**i
            stages.append(Stage(downsample, width, depth, cfg.attention if i == last else 0, side))
        self.stages = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(cfg.widths[-1])
        self.head = nn.Linear(cfg.widths[-1], num_classes)
        self.head_dist = nn.Linear(cfg.widths[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.image, self.image):
            raise ValueError(f"this model takes images of {self.image}x{self.image}, not {x.shape[2]}x{x.shape[3]}")
        x = self.norm(self.stages(self.stem(x))).mean(1)
        return 0.5 * (self.head(x) + self.head_dist(x))


VARIANTS = {
    "efficientformer_l1": Cfg(widths=(48, 96, 224, 448), depths=(3, 2, 6, 4), attention=1),
    "efficientformer_l3": Cfg(widths=(64, 128, 320, 512), depths=(4, 4, 12, 6), attention=4),
    "efficientformer_l7": Cfg(widths=(96, 192, 384, 768), depths=(6, 6, 18, 8), attention=8),
}
for _name, _cfg in VARIANTS.items():
    register(_name, EfficientFormer, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.95))
register(
    "efficientformer_test",
    EfficientFormer,
    Cfg(widths=(8, 16), depths=(1, 2), attention=1, image=56),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 56, 56), crop_pct=0.95),
    num_classes=10,
)
