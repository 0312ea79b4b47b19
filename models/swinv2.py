"""Swin Transformer V2: Scaling Up Capacity and Resolution (arXiv:2111.09883).

Parameter names and shapes are timm's; torchvision's and the authors' checkpoints are renamed. SwinV2-H and SwinV2-G
follow the paper's §4.1: nobody published their weights.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, cat, nn, zeros
from torch.nn import functional as F

from . import swin
from .layers import split_heads
from .registry import register
from .spec import PreprocessSpec
from .swin import HEAD_WIDTH, TORCHVISION, masked, neighbours, rename_by_rules
from .windows import relative_index

PAPER = "arXiv:2111.09883"
META_HIDDEN = 512  # of the network that computes the position biases; the authors' code


@dataclass(frozen=True)
class Cfg(swin.Cfg):
    """A Swin's, and the windows of pre-training, which scale the coordinates (§3.3), and the norms of §4.1."""

    window: int = 8
    image: int = 256
    pretrained: tuple[int, ...] | None = None  # window of each stage; None: as they are now
    norm_every: int = 0  # blocks of a stage between two further norms of the main branch, "SwinV2-H and SwinV2-G"


class CosineAttention(nn.Module):
    """Cosine attention with a continuous position bias in log-spaced coordinates (eq. 2 to 4).

    (windows, window * window, c) -> same; the mask is (windows of one image, window * window, window * window).
    """

    def __init__(self, width: int, heads: int, window: int, pretrained: int) -> None:
        super().__init__()
        self.heads = heads
        self.logit_scale = nn.Parameter(torch.full((heads, 1, 1), math.log(10)))
        self.q_bias = nn.Parameter(zeros(width))
        self.v_bias = nn.Parameter(zeros(width))
        self.cpb_mlp = nn.Sequential(nn.Linear(2, META_HIDDEN), nn.ReLU(), nn.Linear(META_HIDDEN, heads, bias=False))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)
        self.register_buffer("coordinates", log_coordinates(window, pretrained), persistent=False)
        self.register_buffer("relative_position_index", relative_index(window, window), persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        n, tokens, width = x.shape
        qkv = F.linear(x, self.qkv.weight, cat((self.q_bias, torch.zeros_like(self.q_bias), self.v_bias)))
        q, k, v = (split_heads(part, self.heads) for part in qkv.chunk(3, dim=-1))
        scale = self.logit_scale.clamp(max=math.log(100)).exp()  # 1 / tau, tau > 0.01
        weights = F.normalize(q, dim=-1) * scale @ F.normalize(k, dim=-1).transpose(-2, -1)  # (n, heads, t, t)
        bias = 16 * self.cpb_mlp(self.coordinates).sigmoid()[self.relative_position_index].permute(2, 0, 1)
        weights = (weights + masked(bias, mask, n)).softmax(dim=-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(n, tokens, width))


def log_coordinates(window: int, pretrained: int) -> Tensor:
    """Offsets of a window's pixels, -8..8 at the window of pre-training, log-spaced (eq. 4); ((2 window - 1)^2, 2)."""
    offsets = torch.arange(1 - window, window, dtype=torch.float32) / max(pretrained - 1, 1) * 8
    logs = offsets.sign() * (offsets.abs() + 1).log2() / math.log2(8)
    return torch.cartesian_prod(logs, logs)


class Block(swin.Block):
    """A Swin block that norms the output of each branch (§3.2); (n, grid, grid, c) -> same."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.norm1(self.attend(x))
        return x + self.norm2(self.mlp(x))


class NormedBlock(Block):
    """A block with a norm of the main branch behind it (§4.1); (n, grid, grid, c) -> same."""

    def __init__(self, width: int, attn: nn.Module, grid: int, window: int, shift: int) -> None:
        super().__init__(width, attn, grid, window, shift)
        self.norm3 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm3(super().forward(x))


class PatchMerging(nn.Module):
    """Concatenates each 2x2 neighbours, halves their channels, norms; (n, h, w, c) -> (n, h/2, w/2, 2c)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(2 * width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.reduction(neighbours(x)))


class SwinV2(swin.Swin):
    """(n, 3, image, image) -> logits (n, num_classes). Raises ValueError for images of another size."""

    merging = PatchMerging

    def block(self, cfg: Cfg, stage: int, i: int, width: int, grid: int, window: int, shift: int) -> nn.Module:
        pretrained = cfg.pretrained[stage] if cfg.pretrained else window
        attn = CosineAttention(width, width // HEAD_WIDTH, window, pretrained)
        kind = NormedBlock if cfg.norm_every and (i + 1) % cfg.norm_every == 0 else Block
        return kind(width, attn, grid, window, shift)


def rename_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """A checkpoint of torchvision's swin_v2_t, _s, _b under our names; None where it is none.

    It stores a bias of the keys, which its forward pass zeroes.
    """
    if "features.0.0.weight" not in tensors or "features.1.0.attn.logit_scale" not in tensors:
        return None
    out = {}
    for key, tensor in rename_by_rules(tensors, TORCHVISION).items():
        if key.endswith("attn.qkv.bias"):
            stem = key.removesuffix("qkv.bias")
            out[f"{stem}q_bias"], _, out[f"{stem}v_bias"] = tensor.chunk(3)
        else:
            out[key] = tensor
    return out


FOREIGN = (rename_torchvision, swin.rename_microsoft)

VARIANTS = {
    "swinv2_tiny_window8_256": Cfg(width=96, depths=(2, 2, 6, 2)),
    "swinv2_small_window8_256": Cfg(width=96, depths=(2, 2, 18, 2)),
    "swinv2_base_window8_256": Cfg(width=128, depths=(2, 2, 18, 2)),
    "swinv2_large_window12to16_192to256": Cfg(width=192, depths=(2, 2, 18, 2), window=16, pretrained=(12, 12, 12, 6)),
    "swinv2_huge": Cfg(width=352, depths=(2, 2, 18, 2), window=7, image=224, norm_every=6),
    "swinv2_giant": Cfg(width=512, depths=(2, 2, 42, 4), window=7, image=224, norm_every=6),
}
for _name, _cfg in VARIANTS.items():
    register(
        _name,
        SwinV2,
        _cfg,
        paper=PAPER,
        spec=PreprocessSpec(input_size=(3, _cfg.image, _cfg.image), crop_pct=0.9),
    )
for _name, _pretrained in (("swinv2_test", None), ("swinv2_pretrained_test", (3, 2))):
    register(
        _name,
        SwinV2,
        Cfg(width=32, depths=(2, 1), window=4, image=32, pretrained=_pretrained),
        paper=PAPER,
        spec=PreprocessSpec(input_size=(3, 32, 32), crop_pct=0.9),
        num_classes=10,
    )
