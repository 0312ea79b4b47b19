"""TinyViT: Fast Pretraining Distillation for Small Vision Transformers (arXiv:2207.10666).

Parameter names and shapes are timm's. The images are of one size: the windows of every stage tile it.
"""

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn, zeros

from .layers import Head, LayerNorm2d, attend, conv
from .registry import register
from .spec import PreprocessSpec
from .windows import distance_index, from_windows, to_windows

PAPER = "arXiv:2207.10666"
EXPAND = 4  # of the convolutional blocks and of the MLPs


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 1 (its D_i, L_i and 32 channels a head)."""

    widths: tuple[int, ...]
    heads: tuple[int, ...]  # of the stages behind the first
    depths: tuple[int, ...] = (2, 2, 6, 2)
    windows: tuple[int, ...] = (7, 14, 7)  # of the stages behind the first
    image: int = 224  # height and width


class ConvNorm(nn.Module):
    """Convolution and batch norm; (n, c_in, h, w) -> (n, c_out, h/stride, w/stride)."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, *, groups: int = 1) -> None:
        super().__init__()
        self.conv = conv(c_in, c_out, kernel, stride, groups=groups)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class PatchEmbed(nn.Module):
    """Two convolutions of stride 2; (n, 3, h, w) -> (n, width, h/4, w/4)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, width // 2, 3, 2)
        self.act = nn.GELU()
        self.conv2 = ConvNorm(width // 2, width, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.act(self.conv1(x)))


class MBConv(nn.Module):
    """Inverted residual with an activation behind the sum; (n, c_in, h, w) -> (n, c_out, h/stride, w/stride).

    Of stride 2 it has neither: it is what shrinks between the stages.
    """

    def __init__(self, c_in: int, mid: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = ConvNorm(c_in, mid)
        self.act1 = nn.GELU()
        self.conv2 = ConvNorm(mid, mid, 3, stride, groups=mid)
        self.act2 = nn.GELU()
        self.conv3 = ConvNorm(mid, c_out)
        self.act3 = nn.GELU()
        self.residual = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv3(self.act2(self.conv2(self.act1(self.conv1(x)))))
        return self.act3(y + x) if self.residual else y


class Attention(nn.Module):
    """Pre-norm attention with a bias for each head and pair of distances; (windows, side * side, width) -> same.

    The channels of the first linear are a head's queries, keys and values after another's.
    """

    distances: Tensor

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_biases = nn.Parameter(zeros(heads, side * side))
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.register_buffer("distances", distance_index(side), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, _ = x.shape
        # (n, t, c) -> (n, heads, t, c/heads), three times
        q, k, v = self.qkv(self.norm(x)).reshape(n, tokens, self.heads, -1).transpose(1, 2).chunk(3, dim=-1)
        return self.proj(attend(q, k, v, self.attention_biases[:, self.distances]))


class Mlp(nn.Module):
    """Pre-norm MLP; (..., width) -> same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, EXPAND * width)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(EXPAND * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(self.norm(x))))


class Block(nn.Module):
    """Attention in windows, a depthwise convolution, an MLP (§3.3); (n, h, w, width) -> same."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = Attention(width, heads, window)
        self.local_conv = ConvNorm(width, width, 3, groups=width)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        _, h, w, _ = x.shape
        x = x + from_windows(self.attn(to_windows(x, self.window)), self.window, h, w)
        x = self.local_conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x + self.mlp(x)


class ConvStage(nn.Module):
    """Convolutional blocks; (n, width, h, w) -> same."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(MBConv(width, EXPAND * width, width) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class Stage(nn.Module):
    """Shrinking convolutions, then blocks; (n, c_in, h, w) -> (n, width, h/2, w/2)."""

    def __init__(self, c_in: int, width: int, depth: int, heads: int, window: int) -> None:
        super().__init__()
        self.downsample = MBConv(c_in, width, width, 2)
        self.blocks = nn.Sequential(*(Block(width, heads, window) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TinyViT(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes). Raises ValueError for images of another size."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.image = cfg.image
        self.patch_embed = PatchEmbed(cfg.widths[0])
        later = zip(cfg.widths, cfg.widths[1:], cfg.depths[1:], cfg.heads, cfg.windows, strict=False)
        self.stages = nn.Sequential(ConvStage(cfg.widths[0], cfg.depths[0]), *(Stage(*row) for row in later))
        self.head = Head(cfg.widths[-1], num_classes, partial(LayerNorm2d, eps=1e-5))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.image, self.image):
            raise ValueError(f"this TinyViT takes images of {self.image}x{self.image}, not {x.shape[2]}x{x.shape[3]}")
        return self.head(self.stages(self.patch_embed(x)))


LARGE = {"widths": (96, 192, 384, 576), "heads": (6, 12, 18)}
VARIANTS = {
    "tiny_vit_5m_224": Cfg(widths=(64, 128, 160, 320), heads=(4, 5, 10)),
    "tiny_vit_11m_224": Cfg(widths=(64, 128, 256, 448), heads=(4, 8, 14)),
    "tiny_vit_21m_224": Cfg(**LARGE),
    "tiny_vit_21m_384": Cfg(**LARGE, windows=(12, 24, 12), image=384),
    "tiny_vit_21m_512": Cfg(**LARGE, windows=(16, 32, 16), image=512),
}
for _name, _cfg in VARIANTS.items():
    _small = _cfg.image == 224  # the weights of 224 are those of ImageNet-22k
    register(
        _name,
        TinyViT,
        _cfg,
        paper=PAPER,
        spec=PreprocessSpec(input_size=(3, _cfg.image, _cfg.image), crop_pct=0.95 if _small else 1.0),
        num_classes=21841 if _small else 1000,
    )
register(
    "tiny_vit_test",
    TinyViT,
    Cfg(widths=(16, 32, 48), heads=(2, 3), depths=(1, 1, 1), windows=(4, 4), image=64),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), crop_pct=0.95),
    num_classes=10,
)
