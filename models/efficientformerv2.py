"""Rethinking Vision Transformers for MobileNet Size and Speed (EfficientFormerV2, arXiv:2212.08059).

Parameter names and shapes are timm's. The images are of one size: the attention biases have an entry for each pair of
distances. The model has the two heads of distillation, whose logits are averaged.
"""

from dataclasses import dataclass

from torch import Tensor, nn, zeros

from .layers import LayerScale2d, conv
from .registry import register
from .spec import PreprocessSpec
from .windows import distance_index

PAPER = "arXiv:2212.08059"
HEADS = 8
KEY, SHRINKING_KEY = 32, 16  # channels of a head's keys; its values have four times as many


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 8 (supplement)."""

    widths: tuple[int, ...]
    ratios: tuple[tuple[int, ...], ...]  # of each block's MLP, by stage
    attention: int  # blocks with attention at the end of each of the last two stages
    image: int = 224  # height and width


class ConvNorm(nn.Module):
    """Convolution with bias, batch norm, activation; (n, c_in, h, w) -> (n, c_out, h/stride, w/stride)."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        act: type[nn.Module] = nn.Identity,
    ) -> None:
        super().__init__()
        self.conv = conv(c_in, c_out, kernel, stride, groups=groups, bias=True)
        self.bn = nn.BatchNorm2d(c_out)
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, *between: nn.Module) -> Tensor:
    """Attention of pixels; q (n, heads * d, h', w'), k (n, heads * d, h, w), v (n, c, h, w) -> (n, c, h', w').

    between: what mixes the heads before the softmax, and behind it.
    """
    n, _, h, w = q.shape
    q, k, v = (x.reshape(n, HEADS, x.shape[1] // HEADS, -1).transpose(2, 3) for x in (q, k, v))  # (n, heads, t, d)
    before, after = between or (nn.Identity(), nn.Identity())
    weights = before(q * q.shape[-1] ** -0.5 @ k.transpose(2, 3) + bias)
    return (after(weights.softmax(dim=-1)) @ v).transpose(2, 3).reshape(n, -1, h, w)


class Attention(nn.Module):
    """Attention with talking heads and local values, at half the resolution where `halved` (§3.3); images -> same."""

    distances: Tensor

    def __init__(self, width: int, side: int, *, halved: bool) -> None:
        super().__init__()
        side = -(-side // 2) if halved else side
        value = HEADS * 4 * KEY
        self.stride_conv = ConvNorm(width, width, 3, 2, groups=width) if halved else nn.Identity()
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear") if halved else nn.Identity()
        self.q = ConvNorm(width, HEADS * KEY)
        self.k = ConvNorm(width, HEADS * KEY)
        self.v = ConvNorm(width, value)
        self.v_local = ConvNorm(value, value, 3, groups=value)
        self.talking_head1 = conv(HEADS, HEADS, bias=True)
        self.talking_head2 = conv(HEADS, HEADS, bias=True)
        self.act = nn.GELU()
        self.proj = ConvNorm(value, width)
        self.attention_biases = nn.Parameter(zeros(HEADS, side * side))
        self.register_buffer("distances", distance_index(side), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stride_conv(x)
        v, bias = self.v(x), self.attention_biases[:, self.distances]
        y = attend(self.q(x), self.k(x), v, bias, self.talking_head1, self.talking_head2)
        return self.proj(self.act(self.upsample(y + self.v_local(v))))


class Query(nn.Module):
    """Queries of every second pixel, from it and its neighbours (§3.4); (n, c_in, h, w) -> (n, c_out, h/2, w/2)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.local = conv(c_in, c_in, 3, 2, groups=c_in, bias=True)
        self.proj = ConvNorm(c_in, c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(self.local(x) + x[:, :, ::2, ::2])


class ShrinkAttention(nn.Module):
    """Attention of every second pixel to all, with local values (§3.4); (n, c_in, h, w) -> (n, c_out, h/2, w/2)."""

    distances: Tensor

    def __init__(self, c_in: int, c_out: int, side: int) -> None:
        super().__init__()
        value = HEADS * 4 * SHRINKING_KEY
        self.q = Query(c_in, HEADS * SHRINKING_KEY)
        self.k = ConvNorm(c_in, HEADS * SHRINKING_KEY)
        self.v = ConvNorm(c_in, value)
        self.v_local = ConvNorm(value, value, 3, 2, groups=value)
        self.act = nn.GELU()
        self.proj = ConvNorm(value, c_out)
        self.attention_biases = nn.Parameter(zeros(HEADS, side * side))
        self.register_buffer("distances", distance_index(side, 2), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        v, bias = self.v(x), self.attention_biases[:, self.distances]
        return self.proj(self.act(attend(self.q(x), self.k(x), v, bias) + self.v_local(v)))


class Downsample(nn.Module):
    """Convolution of stride 2, plus attention in front of the last stage; (n, c_in, h, w) -> (n, c_out, h/2, w/2)."""

    def __init__(self, c_in: int, c_out: int, side: int, *, attention: bool) -> None:
        super().__init__()
        self.conv = ConvNorm(c_in, c_out, 3, 2)
        self.attn = ShrinkAttention(c_in, c_out, side) if attention else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y + self.attn(x) if self.attn is not None else y


class Mlp(nn.Module):
    """1x1, depthwise 3x3, 1x1 convolutions ("unified FFN", §3.1); (n, c, h, w) -> same."""

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        hidden = ratio * channels
        self.fc1 = ConvNorm(channels, hidden, act=nn.GELU)
        self.mid = ConvNorm(hidden, hidden, 3, groups=hidden, act=nn.GELU)
        self.fc2 = ConvNorm(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.mid(self.fc1(x)))


class Block(nn.Module):
    """An MLP, with attention before it where `mixer` is given; (n, c, h, w) -> same."""

    def __init__(self, channels: int, ratio: int, mixer: Attention | None) -> None:
        super().__init__()
        self.token_mixer = mixer
        self.ls1 = LayerScale2d(channels) if mixer is not None else None
        self.mlp = Mlp(channels, ratio)
        self.ls2 = LayerScale2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.token_mixer is not None and self.ls1 is not None:
            x = x + self.ls1(self.token_mixer(x))
        return x + self.ls2(self.mlp(x))


class Stage(nn.Module):
    """Blocks behind an optional downsampling; (n, c_in, h, w) -> (n, width, h', w')."""

    def __init__(self, downsample: nn.Module, blocks: list[Block]) -> None:
        super().__init__()
        self.downsample = downsample
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class Stem(nn.Module):
    """Two convolutions of stride 2; (n, 3, h, w) -> (n, width, h/4, w/4)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, width // 2, 3, 2, act=nn.GELU)
        self.conv2 = ConvNorm(width // 2, width, 3, 2, act=nn.GELU)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x))


class EfficientFormerV2(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes). Raises ValueError for images of another size.

    The first stages only convolve; the one before the last attends at half its resolution.
    """

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.image = cfg.image
        self.stem = Stem(cfg.widths[0])
        last = len(cfg.widths) - 1
        stages = []
        side = cfg.image // 4
        for i, (width, ratios) in enumerate(zip(cfg.widths, cfg.ratios, strict=True)):
            downsample: nn.Module = nn.Identity()
            if i:
                downsample = Downsample(cfg.widths[i - 1], width, side, attention=i == last)
                side = -(-side // 2)
            plain = len(ratios) - cfg.attention if i >= last - 1 else len(ratios)
            blocks = [
                Block(width, ratio, None if j < plain else Attention(width, side, halved=i < last))
                for j, ratio in enumerate(ratios)
            ]
            stages.append(Stage(downsample, blocks))
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(cfg.widths[-1])
        self.head = nn.Linear(cfg.widths[-1], num_classes)
        self.head_dist = nn.Linear(cfg.widths[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.image, self.image):
            raise ValueError(f"this model takes images of {self.image}x{self.image}, not {x.shape[2]}x{x.shape[3]}")
        x = self.norm(self.stages(self.stem(x))).mean((2, 3))
        return 0.5 * (self.head(x) + self.head_dist(x))


VARIANTS = {
    "efficientformerv2_s0": Cfg(
        widths=(32, 48, 96, 176), ratios=((4,) * 2, (4,) * 2, (4, 3, 3, 3, 4, 4), (4, 3, 3, 4)), attention=2
    ),
    "efficientformerv2_s1": Cfg(
        widths=(32, 48, 120, 224),
        ratios=((4,) * 3, (4,) * 3, (4, 4, 3, 3, 3, 3, 4, 4, 4), (4, 4, 3, 3, 4, 4)),
        attention=2,
    ),
    "efficientformerv2_s2": Cfg(
        widths=(32, 64, 144, 288),
        ratios=((4,) * 4, (4,) * 4, (4, 4, *[3] * 6, 4, 4, 4, 4), (4, 4, 3, 3, 3, 3, 4, 4)),
        attention=4,
    ),
    "efficientformerv2_l": Cfg(
        widths=(40, 80, 192, 384),
        ratios=((4,) * 5, (4,) * 5, (4, 4, 4, 4, *[3] * 7, 4, 4, 4, 4), (4, 4, 4, 3, 3, 3, 3, 4, 4, 4)),
        attention=6,
    ),
}
for _name, _cfg in VARIANTS.items():
    register(_name, EfficientFormerV2, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.95))
register(
    "efficientformerv2_test",
    EfficientFormerV2,
    Cfg(widths=(8, 8, 8, 8), ratios=((1,), (1,), (1,), (1,)), attention=1, image=64),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), crop_pct=0.95),
    num_classes=10,
)
