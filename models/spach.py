"""SPACH: A Battle of Network Structures: An Empirical Study of CNN, Transformer, and MLP (arXiv:2108.13002).

SPACH: one frame, in which pixels are mixed by a depthwise convolution alone, or by attention or an MLP beside it.
Parameter names and shapes are those of the authors' release. The images of variants with a spatial MLP are of one size.
"""

from dataclasses import dataclass

from torch import Tensor, nn, ones

from .layers import Attention, ConvMlp, LayerNorm2d, conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2108.13002"
Stage = tuple[tuple[str, int], ...]  # ("conv", "attn" or "mlp", blocks), ...


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    width: int  # of the first stage; doubles with each
    heads: int
    stages: tuple[Stage, ...]  # one, or four for the multi-stage variants
    expand: int = 2  # of the MLPs over channels
    image: int = 224  # height and width

    @property
    def patch(self) -> int:
        return 4 if len(self.stages) > 1 else 16


class SpatialAttention(Attention):
    """Self-attention over all pixels; (n, c, h, w) -> same."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(x.shape)


class SpatialMlp(nn.Module):
    """An MLP over all pixels, the same for each channel, of half their number; (n, c, h, w) -> same."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(tokens, tokens // 2)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(tokens // 2, tokens)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] * x.shape[3] != self.fc1.in_features:
            raise ValueError(
                f"this SPACH takes images of its own size only: its MLP is over {self.fc1.in_features} pixels, "
                f"not {x.shape[2]}x{x.shape[3]}"
            )
        return self.fc2(self.act(self.fc1(x.flatten(2)))).reshape(x.shape)


class PositionalEncoding(nn.Module):
    """3x3 depthwise convolution; (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Identity(), conv(channels, channels, 3, groups=channels, bias=True))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Block(nn.Module):
    """Pixels are mixed, then channels (fig. 1); (n, c, h, w) -> same."""

    def __init__(self, kind: str, channels: int, tokens: int, cfg: Cfg) -> None:
        super().__init__()
        self.spatial_func = None
        if kind != "conv":
            self.spatial_func = SpatialAttention(channels, cfg.heads) if kind == "attn" else SpatialMlp(tokens)
            self.norm1 = LayerNorm2d(channels)
            self.gamma_1 = nn.Parameter(ones(1, 1, channels))
        self.channel_func = ConvMlp(channels, cfg.expand * channels, linear=True)
        self.norm2 = LayerNorm2d(channels)
        self.cpe_net = PositionalEncoding(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = x + self.cpe_net(x)
        if self.spatial_func is not None:
            y = y + self.gamma_1.reshape(1, -1, 1, 1) * self.spatial_func(self.norm1(x))
        return y + self.channel_func(self.norm2(y))


class PatchEmbed(nn.Module):
    """One pixel for each square of `patch` pixels; (n, 3, h, w) -> (n, width, h/patch, w/patch)."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x)


class Downsample(nn.Module):
    """2x2 convolution of stride 2 and a norm over channels and pixels; (n, c, h, w) -> (n, 2 * c, h/2, w/2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        down = nn.Conv2d(channels, 2 * channels, 2, stride=2, bias=False)
        self.net = nn.Sequential(nn.Identity(), nn.Sequential(down, nn.GroupNorm(1, 2 * channels)))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Spach(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        width, tokens = cfg.width, (cfg.image // cfg.patch) ** 2
        self.stem = PatchEmbed(width, cfg.patch)
        self.norm1 = LayerNorm2d(width)
        self.names = ["blocks"] if len(cfg.stages) == 1 else [f"layer{i + 1}" for i in range(len(cfg.stages))]
        for i, (name, stage) in enumerate(zip(self.names, cfg.stages, strict=True)):
            blocks: list[nn.Module] = []
            if i:
                blocks.append(Downsample(width))
                width, tokens = 2 * width, tokens // 4
            blocks += [Block(kind, width, tokens, cfg) for kind, depth in stage for _ in range(depth)]
            self.add_module(name, nn.Sequential(*blocks))
        self.norm2 = LayerNorm2d(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self.stem(x))
        for name in self.names:
            x = self.get_submodule(name)(x)
        return self.head(self.norm2(x).mean((2, 3)))


def single(kind: str, depth: int) -> tuple[Stage, ...]:
    return (((kind, depth),),)


def multi(kind: str, *depths: int) -> tuple[Stage, ...]:
    """The first stage is always of convolutions."""
    return tuple(((kind if i else "conv", depth),) for i, depth in enumerate(depths))


VARIANTS = {
    "spach_xxs_patch16_224_conv": Cfg(384, 12, single("conv", 12)),
    "spach_xxs_patch16_224_mlp": Cfg(384, 12, single("mlp", 12)),
    "spach_xxs_patch16_224_attn": Cfg(192, 6, single("attn", 12)),
    "spach_xs_patch16_224_conv": Cfg(384, 12, single("conv", 24)),
    "spach_xs_patch16_224_mlp": Cfg(384, 12, single("mlp", 24)),
    "spach_xs_patch16_224_attn": Cfg(384, 12, single("attn", 12)),
    "spach_s_patch16_224_conv": Cfg(512, 16, single("conv", 24), expand=3),
    "spach_s_patch16_224_mlp": Cfg(512, 16, single("mlp", 24), expand=3),
    "spach_s_patch16_224_attn": Cfg(512, 16, single("attn", 12), expand=3),
    "spach_ms_xxs_patch4_224_conv": Cfg(64, 2, multi("conv", 2, 2, 6, 2)),
    "spach_ms_xxs_patch4_224_mlp": Cfg(64, 2, multi("mlp", 2, 2, 6, 2)),
    "spach_ms_xxs_patch4_224_attn": Cfg(32, 1, multi("attn", 2, 2, 6, 2)),
    "spach_ms_xs_patch4_224_conv": Cfg(96, 3, multi("conv", 3, 4, 12, 3)),
    "spach_ms_xs_patch4_224_mlp": Cfg(96, 3, multi("mlp", 3, 4, 12, 3)),
    "spach_ms_xs_patch4_224_attn": Cfg(64, 2, multi("attn", 3, 4, 12, 3)),
    "spach_ms_xs_patch4_224_hybrid": Cfg(
        96, 3, ((("conv", 3),), (("conv", 4),), (("conv", 2), ("attn", 10)), (("conv", 1), ("attn", 2)))
    ),
    "spach_ms_s_patch4_224_conv": Cfg(128, 4, multi("conv", 3, 4, 12, 3), expand=3),
    "spach_ms_s_patch4_224_mlp": Cfg(128, 4, multi("mlp", 3, 4, 12, 3), expand=3),
    "spach_ms_s_patch4_224_attn": Cfg(96, 3, multi("attn", 3, 4, 12, 3), expand=3),
    "spach_ms_s_patch4_224_hybrid": Cfg(
        128,
        4,
        ((("conv", 3),), (("conv", 2), ("attn", 2)), (("conv", 2), ("attn", 10)), (("conv", 1), ("attn", 2))),
        expand=3,
    ),
}
for _name, _cfg in VARIANTS.items():
    register(_name, Spach, _cfg, paper=PAPER)
register(
    "spach_ms_test",
    Spach,
    Cfg(8, 2, ((("conv", 1),), (("mlp", 1),), (("attn", 1),), (("conv", 1),)), image=64),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
register(
    "spach_test",
    Spach,
    Cfg(32, 2, ((("mlp", 1), ("attn", 1)),), image=64),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
