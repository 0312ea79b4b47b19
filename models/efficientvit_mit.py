"""EfficientViT: Multi-Scale Linear Attention for High-Resolution Dense Prediction (arXiv:2205.14756).

MIT's model of that name. Parameter names and shapes are timm's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, cat, nn

from .layers import conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2205.14756"
SCALE = 5  # kernel of the convolution that aggregates tokens, §3.1
ATTENTION_EPS = 1e-5
Act = Callable[[], nn.Module]


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    widths: tuple[int, int, int, int, int]  # of the stem and the four stages
    depths: tuple[int, int, int, int, int]
    head: tuple[int, int]
    head_dim: int = 32  # channels of an attention head
    large: bool = False  # the L series: dense convolutions in the early stages, GELU, another eps


@dataclass(frozen=True)
class Style:
    """What all blocks of a model share."""

    act: Act
    norm: Callable[[int], nn.Module]


B = Style(nn.Hardswish, nn.BatchNorm2d)
L = Style(partial(nn.GELU, approximate="tanh"), partial(nn.BatchNorm2d, eps=1e-7))


class ConvNormAct(nn.Module):
    """Convolution, batch norm or bias, activation; (n, c_in, h, w) -> (n, c_out, h/stride, w/stride)."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        norm: Callable[[int], nn.Module] | None = None,
        act: Act = nn.Identity,
    ) -> None:
        super().__init__()
        self.conv = conv(c_in, c_out, kernel, stride, groups=groups, bias=norm is None)
        self.norm = norm(c_out) if norm else nn.Identity()
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


def separable(c: int, style: Style) -> nn.Module:
    """Depthwise, then linear 1x1."""
    block = nn.Sequential()
    block.depth_conv = ConvNormAct(c, c, 3, groups=c, norm=style.norm, act=style.act)
    block.point_conv = ConvNormAct(c, c, norm=style.norm)
    return block


def dense(c: int, style: Style) -> nn.Module:
    """Two 3x3 convolutions, the second linear."""
    block = nn.Sequential()
    block.conv1 = ConvNormAct(c, c, 3, norm=style.norm, act=style.act)
    block.conv2 = ConvNormAct(c, c, 3, norm=style.norm)
    return block


def inverted(c_in: int, c_out: int, stride: int, expand: int, style: Style, *, norms: bool) -> nn.Module:
    """1x1 expansion, depthwise, linear 1x1; without `norms` only the last has one."""
    mid, norm = c_in * expand, style.norm if norms else None
    block = nn.Sequential()
    block.inverted_conv = ConvNormAct(c_in, mid, norm=norm, act=style.act)
    block.depth_conv = ConvNormAct(mid, mid, 3, stride, groups=mid, norm=norm, act=style.act)
    block.point_conv = ConvNormAct(mid, c_out, norm=style.norm)
    return block


def fused(c_in: int, c_out: int, stride: int, expand: int, style: Style) -> nn.Module:
    """3x3 expansion, linear 1x1."""
    block = nn.Sequential()
    block.spatial_conv = ConvNormAct(c_in, c_in * expand, 3, stride, norm=style.norm, act=style.act)
    block.point_conv = ConvNormAct(c_in * expand, c_out, norm=style.norm)
    return block


class LinearAttention(nn.Module):
    """ReLU linear attention over tokens of two scales (§3.1, eq. 2); (n, c, h, w) -> same."""

    def __init__(self, channels: int, head_dim: int, style: Style) -> None:
        super().__init__()
        self.head_dim = head_dim
        heads = channels // head_dim
        wide = 3 * heads * head_dim
        self.qkv = ConvNormAct(channels, wide, norm=nn.Identity)
        aggregate = nn.Sequential(conv(wide, wide, SCALE, groups=wide), conv(wide, wide, groups=3 * heads))
        self.aggreg = nn.ModuleList([aggregate])
        self.proj = ConvNormAct(2 * heads * head_dim, channels, norm=style.norm)

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        tokens = h * w
        qkv = self.qkv(x)
        qkv = cat((qkv, self.aggreg[0](qkv)), dim=1)
        # (n, 2 * heads * 3 * d, h, w) -> (n, 2 * heads, d, t), three times
        q, k, v = qkv.reshape(n, -1, 3 * self.head_dim, tokens).chunk(3, dim=2)
        q, k = q.relu(), k.relu()
        # Sums over the tokens are means here, above and below the line, so that they fit into float16.
        values = (v @ k.transpose(2, 3)) * (1 / tokens) @ q  # (n, 2 * heads, d, t)
        weights = k.mean(3, keepdim=True).transpose(2, 3) @ q  # (n, 2 * heads, 1, t)
        y = values / (weights + ATTENTION_EPS / tokens)
        return self.proj(y.reshape(n, -1, h, w))


class Residual(nn.Module):
    """x + main(x)"""

    def __init__(self, main: nn.Module) -> None:
        super().__init__()
        self.main = main

    def forward(self, x: Tensor) -> Tensor:
        return x + self.main(x)


class Down(nn.Module):
    """The first block of a stage, without residual, under the names of one that has it."""

    def __init__(self, main: nn.Module) -> None:
        super().__init__()
        self.main = main

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x)


class Block(nn.Module):
    """Attention over all tokens, then a local inverted bottleneck; (n, c, h, w) -> same."""

    def __init__(self, channels: int, head_dim: int, expand: int, style: Style) -> None:
        super().__init__()
        self.context_module = Residual(LinearAttention(channels, head_dim, style))
        self.local_module = Residual(inverted(channels, channels, 1, expand, style, norms=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.local_module(self.context_module(x))


class Stage(nn.Module):
    """A block of stride 2, then blocks of stride 1; (n, c_in, h, w) -> (n, c_out, h/2, w/2)."""

    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


def stage_b(i: int, c_in: int, c: int, depth: int, head_dim: int) -> Stage:
    """Stage i of the B series: attention in the last two."""
    if i >= 2:
        blocks: list[nn.Module] = [Down(inverted(c_in, c, 2, 4, B, norms=False))]
        return Stage(blocks + [Block(c, head_dim, 4, B) for _ in range(depth)])
    rest = [Residual(inverted(c, c, 1, 4, B, norms=True)) for _ in range(depth - 1)]
    return Stage([Down(inverted(c_in, c, 2, 4, B, norms=True)), *rest])


def stage_l(i: int, c_in: int, c: int, depth: int, head_dim: int) -> Stage:
    """Stage i of the L series: dense convolutions in the first two, attention in the last."""
    if i < 2:
        first, rest = fused(c_in, c, 2, 16, L), [Residual(fused(c, c, 1, 4, L)) for _ in range(depth)]
    elif i == 2:
        first = inverted(c_in, c, 2, 16, L, norms=False)
        rest = [Residual(inverted(c, c, 1, 4, L, norms=False)) for _ in range(depth)]
    else:
        first = inverted(c_in, c, 2, 24, L, norms=False)
        rest = [Block(c, head_dim, 6, L) for _ in range(depth)]
    return Stage([Down(first), *rest])


class Head(nn.Module):
    """1x1 convolution, mean over the pixels, two linears; (n, c, h, w) -> (n, num_classes)."""

    def __init__(self, channels: int, widths: tuple[int, int], num_classes: int, act: Act, eps: float) -> None:
        super().__init__()
        self.in_conv = ConvNormAct(channels, widths[0], norm=nn.BatchNorm2d, act=act)
        self.classifier = nn.Sequential(
            nn.Linear(widths[0], widths[1], bias=False),
            nn.LayerNorm(widths[1], eps=eps),
            act(),
            nn.Identity(),  # the place of a dropout
            nn.Linear(widths[1], num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.in_conv(x).mean((2, 3)))


class EfficientViT(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        style, local, stage = (L, dense, stage_l) if cfg.large else (B, separable, stage_b)
        widths, depths = cfg.widths, cfg.depths
        self.stem = nn.Sequential()
        self.stem.in_conv = ConvNormAct(3, widths[0], 3, 2, norm=style.norm, act=style.act)
        for i in range(depths[0]):
            self.stem.add_module(f"res{i}", Residual(local(widths[0], style)))
        self.stages = nn.Sequential(
            *(stage(i, widths[i], widths[i + 1], depths[i + 1], cfg.head_dim) for i in range(4))
        )
        self.head = Head(widths[-1], cfg.head, num_classes, style.act, eps=1e-7 if cfg.large else 1e-5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))


VARIANTS = {
    "efficientvit_b0": Cfg((8, 16, 32, 64, 128), (1, 2, 2, 2, 2), (1024, 1280), head_dim=16),
    "efficientvit_b1": Cfg((16, 32, 64, 128, 256), (1, 2, 3, 3, 4), (1536, 1600), head_dim=16),
    "efficientvit_b2": Cfg((24, 48, 96, 192, 384), (1, 3, 4, 4, 6), (2304, 2560)),
    "efficientvit_b3": Cfg((32, 64, 128, 256, 512), (1, 4, 6, 6, 9), (2304, 2560)),
    "efficientvit_l1": Cfg((32, 64, 128, 256, 512), (1, 1, 1, 6, 6), (3072, 3200), large=True),
    "efficientvit_l2": Cfg((32, 64, 128, 256, 512), (1, 2, 2, 8, 8), (3072, 3200), large=True),
    "efficientvit_l3": Cfg((64, 128, 256, 512, 1024), (1, 2, 2, 8, 8), (6144, 6400), large=True),
}
for _name, _cfg in VARIANTS.items():
    register(_name, EfficientViT, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=1.0 if _cfg.large else 0.95))
register(
    "efficientvit_mit_test",
    EfficientViT,
    Cfg((8, 8, 16, 16, 32), (1, 1, 1, 1, 1), (32, 48), head_dim=8),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 96, 96), crop_pct=0.95),
    num_classes=10,
)
register(
    "efficientvit_mit_large_test",
    EfficientViT,
    Cfg((8, 8, 8, 16, 16), (1, 1, 1, 1, 1), (32, 48), head_dim=8, large=True),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 96, 96), crop_pct=1.0),
    num_classes=10,
)
