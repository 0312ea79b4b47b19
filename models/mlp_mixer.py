"""MLP-Mixer: An all-MLP Architecture for Vision (arXiv:2105.01601).

Parameter names and shapes are timm's. The images are of one size: an MLP mixes all patches.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from .layers import Mlp
from .registry import register
from .spec import HALF, PreprocessSpec
from .vit import PatchEmbed

PAPER = "arXiv:2105.01601"
EPS = 1e-6


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 1: D_S is width / 2 and D_C 4 * width."""

    width: int
    depth: int
    patch: int
    image: int = 224  # height and width


class Block(nn.Module):
    """Token mixing and channel mixing (eq. 1); (n, t, width) -> same."""

    def __init__(self, width: int, tokens: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.mlp_tokens = Mlp(tokens, width // 2, nn.GELU)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp_channels = Mlp(width, 4 * width, nn.GELU)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mlp_channels(self.norm2(x))


class Mixer(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.image = cfg.image
        self.stem = PatchEmbed(cfg.width, cfg.patch)
        self.blocks = nn.Sequential(*(Block(cfg.width, (cfg.image // cfg.patch) ** 2) for _ in range(cfg.depth)))
        self.norm = nn.LayerNorm(cfg.width, eps=EPS)
        self.head = nn.Linear(cfg.width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.image, self.image):
            takes, given = f"{self.image}x{self.image}", "x".join(map(str, x.shape[2:]))
            raise ValueError(f"this MLP-Mixer takes images of {takes}, not {given}: it has a weight for each patch")
        return self.head(self.norm(self.blocks(self.stem(x))).mean(1))


VARIANTS = {
    "mixer_s32_224": Cfg(512, 8, 32),
    "mixer_s16_224": Cfg(512, 8, 16),
    "mixer_b32_224": Cfg(768, 12, 32),
    "mixer_b16_224": Cfg(768, 12, 16),
    "mixer_l32_224": Cfg(1024, 24, 32),
    "mixer_l16_224": Cfg(1024, 24, 16),
}
for _name, _cfg in VARIANTS.items():
    register(_name, Mixer, _cfg, paper=PAPER, spec=PreprocessSpec(mean=HALF, std=HALF))
register(
    "mixer_test",
    Mixer,
    Cfg(32, 2, 8, 32),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 32, 32), mean=HALF, std=HALF),
    num_classes=10,
)
