"""DeiT: Training data-efficient image transformers & distillation through attention (arXiv:2012.12877).

Parameter names and shapes are timm's, which are the authors'.
"""

from dataclasses import dataclass

from torch import Tensor, nn, zeros

from .registry import register
from .spec import PreprocessSpec
from .vit import Cfg as ViTCfg
from .vit import ViT

PAPER = "arXiv:2012.12877"


@dataclass(frozen=True)
class Cfg(ViTCfg):
    """A ViT's, and whether there is a distillation token (§4)."""

    distilled: bool = False


class DistilledViT(ViT):
    """A ViT with a distillation token, whose head's logits are averaged with the class token's (§4, "joint")."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__(cfg, num_classes, prefix_tokens=2)
        self.dist_token = nn.Parameter(zeros(1, 1, cfg.width))
        self.head_dist = nn.Linear(cfg.width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.encode(x, self.cls_token, self.dist_token)
        return 0.5 * (self.head(x[:, 0]) + self.head_dist(x[:, 1]))


def DeiT(cfg: Cfg, num_classes: int = 1000) -> ViT:
    """(n, 3, image, image) -> logits (n, num_classes)."""
    return DistilledViT(cfg, num_classes) if cfg.distilled else ViT(cfg, num_classes)


VARIANTS = {
    "deit_tiny_patch16_224": Cfg(width=192, heads=3),
    "deit_small_patch16_224": Cfg(width=384, heads=6),
    "deit_base_patch16_224": Cfg(width=768, heads=12),
    "deit_tiny_distilled_patch16_224": Cfg(width=192, heads=3, distilled=True),
    "deit_small_distilled_patch16_224": Cfg(width=384, heads=6, distilled=True),
    "deit_base_distilled_patch16_224": Cfg(width=768, heads=12, distilled=True),
}
for _name, _cfg in VARIANTS.items():
    register(_name, DeiT, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.9))
register(
    "deit_test",
    DeiT,
    Cfg(width=32, heads=2, depth=2, patch=8, image=32, distilled=True),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 32, 32), crop_pct=0.9),
    num_classes=10,
)
