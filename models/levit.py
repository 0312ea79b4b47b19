"""LeViT: a Vision Transformer in ConvNet's Clothing for Faster Inference (arXiv:2104.01136).

Parameter names and shapes are timm's (`levit_*`, with linears). The images are of one size: the attention biases have
an entry for each offset. The model has the two heads of distillation, whose logits are averaged.
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn, zeros

from .layers import attend, conv
from .registry import register
from .spec import PreprocessSpec
from .windows import distance_index

PAPER = "arXiv:2104.01136"
STRIDE = 2  # of the subsampled attention between the stages


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, in the order of the paper's table 1."""

    key: int  # D, channels of a head's queries and keys
    widths: tuple[int, int, int]
    heads: tuple[int, int, int]
    depths: tuple[int, int, int] = (4, 4, 4)
    image: int = 224  # height and width


class ConvNorm(nn.Module):
    """3x3 convolution of stride 2 and batch norm; (n, c_in, h, w) -> (n, c_out, h/2, w/2)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.linear = conv(c_in, c_out, 3, 2)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.linear(x))


class LinearNorm(nn.Module):
    """Linear and batch norm; (n, t, c_in) -> (n, t, c_out)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(c_in, c_out, bias=False)
        self.bn = nn.BatchNorm1d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        return self.bn(y.flatten(0, 1)).reshape(y.shape)


class Head(nn.Module):
    """Batch norm and linear; (n, c) -> (n, num_classes)."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(width)
        self.linear = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.bn(x))


def project(c_in: int, c_out: int) -> nn.Sequential:
    """The activation and linear behind an attention, §4.2.5 of the paper."""
    return nn.Sequential(OrderedDict(act=nn.Hardswish(), ln=LinearNorm(c_in, c_out)))


class Attention(nn.Module):
    """Attention with a bias for each head and pair of distances (§4.2.4); (n, side * side, c) -> same."""

    distances: Tensor

    ratio = 2  # a head's values have 2 D channels

    def __init__(self, width: int, key: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads, self.key, self.value = heads, key, self.ratio * key
        self.attention_biases = nn.Parameter(zeros(heads, side * side))
        self.qkv = LinearNorm(width, heads * (2 * key + self.value))
        self.proj = project(heads * self.value, width)
        self.register_buffer("distances", distance_index(side), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, _ = x.shape
        # (n, t, c) -> (n, heads, t, 2 key + value)
        q, k, v = (
            self.qkv(x).reshape(n, tokens, self.heads, -1).transpose(1, 2).split((self.key, self.key, self.value), -1)
        )
        return self.proj(attend(q, k, v, self.attention_biases[:, self.distances]))


class Subsample(nn.Module):
    """Every second pixel of every second row; (n, side * side, c) -> (n, ceil(side/2)^2, c)."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        n, _, c = x.shape
        return x.reshape(n, self.side, self.side, c)[:, ::STRIDE, ::STRIDE].reshape(n, -1, c)


class ShrinkAttention(nn.Module):
    """Attention of every second pixel to all (§4.2.5, fig. 5); (n, side^2, c_in) -> (n, ceil(side/2)^2, c_out)."""

    distances: Tensor

    ratio = 4  # a head's values have 4 D channels

    def __init__(self, c_in: int, c_out: int, key: int, side: int) -> None:
        super().__init__()
        self.heads, self.key, self.value = c_in // key, key, self.ratio * key
        self.attention_biases = nn.Parameter(zeros(self.heads, side * side))
        self.kv = LinearNorm(c_in, self.heads * (key + self.value))
        self.q = nn.Sequential(OrderedDict(down=Subsample(side), ln=LinearNorm(c_in, self.heads * key)))
        self.proj = project(self.heads * self.value, c_out)
        self.register_buffer("distances", distance_index(side, STRIDE), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, _ = x.shape
        k, v = self.kv(x).reshape(n, tokens, self.heads, -1).transpose(1, 2).split((self.key, self.value), -1)
        q = self.q(x).reshape(n, -1, self.heads, self.key).transpose(1, 2)
        return self.proj(attend(q, k, v, self.attention_biases[:, self.distances]))


class Mlp(nn.Module):
    """Two linears with batch norms, of twice the width between; (n, t, width) -> same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln1 = LinearNorm(width, 2 * width)
        self.act = nn.Hardswish()
        self.ln2 = LinearNorm(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.ln2(self.act(self.ln1(x)))


class Block(nn.Module):
    """Attention and MLP, each with a residual; (n, t, width) -> same."""

    def __init__(self, width: int, key: int, heads: int, side: int) -> None:
        super().__init__()
        self.attn = Attention(width, key, heads, side)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x)
        return x + self.mlp(x)


class Downsample(nn.Module):
    """Shrinking attention, then an MLP with a residual; (n, side^2, c_in) -> (n, ceil(side/2)^2, c_out)."""

    def __init__(self, c_in: int, c_out: int, key: int, side: int) -> None:
        super().__init__()
        self.attn_downsample = ShrinkAttention(c_in, c_out, key, side)
        self.mlp = Mlp(c_out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attn_downsample(x)
        return x + self.mlp(x)


class Stage(nn.Module):
    """Blocks behind an optional downsampling; (n, t, c_in) -> (n, t', c_out)."""

    def __init__(self, downsample: nn.Module, blocks: list[Block]) -> None:
        super().__init__()
        self.downsample = downsample
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


def stem(width: int) -> nn.Sequential:
    """Four convolutions of stride 2 (§4.2.1); (n, 3, h, w) -> (n, width, h/16, w/16)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, (c_in, c_out) in enumerate(((3, width // 8), (width // 8, width // 4), (width // 4, width // 2))):
        layers[f"conv{i + 1}"], layers[f"act{i + 1}"] = ConvNorm(c_in, c_out), nn.Hardswish()
    layers["conv4"] = ConvNorm(width // 2, width)
    return nn.Sequential(layers)


class LeViT(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes). Raises ValueError for images of another size."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.image = cfg.image
        self.stem = stem(cfg.widths[0])
        side = cfg.image // 16
        stages = []
        c_in = cfg.widths[0]
        for i, (width, heads, depth) in enumerate(zip(cfg.widths, cfg.heads, cfg.depths, strict=True)):
            downsample = Downsample(c_in, width, cfg.key, side) if i else nn.Identity()
            if i:
                side = -(-side // STRIDE)
            stages.append(Stage(downsample, [Block(width, cfg.key, heads, side) for _ in range(depth)]))
            c_in = width
        self.stages = nn.Sequential(*stages)
        self.head = Head(c_in, num_classes)
        self.head_dist = Head(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.image, self.image):
            raise ValueError(f"this LeViT takes images of {self.image}x{self.image}, not {x.shape[2]}x{x.shape[3]}")
        x = self.stages(self.stem(x).flatten(2).transpose(1, 2)).mean(1)
        return 0.5 * (self.head(x) + self.head_dist(x))


VARIANTS = {
    "levit_128s": Cfg(key=16, widths=(128, 256, 384), heads=(4, 6, 8), depths=(2, 3, 4)),
    "levit_128": Cfg(key=16, widths=(128, 256, 384), heads=(4, 8, 12)),
    "levit_192": Cfg(key=32, widths=(192, 288, 384), heads=(3, 5, 6)),
    "levit_256": Cfg(key=32, widths=(256, 384, 512), heads=(4, 6, 8)),
    "levit_384": Cfg(key=32, widths=(384, 512, 768), heads=(6, 9, 12)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, LeViT, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.9))
register(
    "levit_test",
    LeViT,
    Cfg(key=8, widths=(16, 32, 48), heads=(2, 3, 4), depths=(1, 1, 1), image=128),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 128, 128), crop_pct=0.9),
    num_classes=10,
)
