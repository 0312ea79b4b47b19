"""Swin Transformer: Hierarchical Vision Transformer using Shifted Windows (arXiv:2103.14030).

Parameter names and shapes are timm's; checkpoints of torchvision and of the authors are renamed. The images are of one
size: the windows of every stage tile it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, cat, nn, zeros

from .layers import Attention, Mlp
from .registry import register
from .spec import PreprocessSpec
from .windows import from_windows, relative_index, shift_mask, shifted, to_windows

PAPER = "arXiv:2103.14030"
PATCH = 4  # pixels, §3.1
HEAD_WIDTH = 32  # d, §3.3


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, §3.3."""

    width: int  # C
    depths: tuple[int, ...]
    window: int = 7
    image: int = 224  # height and width


class WindowAttention(Attention):
    """Attention inside each window with a learnt bias for each relative position (eq. 4).

    (windows, window * window, c) -> same; the mask is (windows of one image, window * window, window * window).
    """

    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__(width, heads)
        self.relative_position_bias_table = nn.Parameter(zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", relative_index(window, window), persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)  # (heads, t, t)
        return super().forward(x, masked(bias, mask, x.shape[0]))


def masked(bias: Tensor, mask: Tensor | None, windows: int) -> Tensor:
    """(heads, t, t) and the mask of one image's windows, (windows of an image, t, t), -> (windows, heads, t, t)."""
    if mask is None:
        return bias
    return (bias + mask[:, None]).repeat(windows // mask.shape[0], 1, 1, 1)


class Block(nn.Module):
    """Attention in windows that are shifted in every second block, then an MLP (eq. 3); (n, grid, grid, c) -> same."""

    def __init__(self, width: int, attn: nn.Module, grid: int, window: int, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = attn
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width, nn.GELU)
        self.register_buffer("mask", shift_mask(grid, grid, window, shift) if shift else None, persistent=False)

    def attend(self, x: Tensor) -> Tensor:
        _, h, w, _ = x.shape
        y = self.attn(to_windows(shifted(x, self.shift), self.window), self.mask)
        return shifted(from_windows(y, self.window, h, w), -self.shift)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    """Concatenates each 2x2 neighbours and halves their channels (§3.1); (n, h, w, c) -> (n, h/2, w/2, 2c)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.reduction(self.norm(neighbours(x)))


def neighbours(x: Tensor) -> Tensor:
    """(n, h, w, c) -> (n, h/2, w/2, 4c), the channels of upper left, lower left, upper right, lower right."""
    return cat([x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)], dim=-1)


class PatchEmbed(nn.Module):
    """One normed token for each square of PATCH pixels; (n, 3, h, w) -> (n, h/PATCH, w/PATCH, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class Stage(nn.Module):
    """Blocks after an optional merging of patches; (n, h, w, c) -> (n, h/2, w/2, 2c), or the same without."""

    def __init__(self, downsample: nn.Module, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.downsample = downsample
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class Head(nn.Module):
    """Mean over the pixels, then a linear; (n, h, w, c) -> (n, num_classes)."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.mean((1, 2)))


class Swin(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes). Raises ValueError for images of another size."""

    merging: type[nn.Module] = PatchMerging

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.image = cfg.image
        self.patch_embed = PatchEmbed(cfg.width)
        layers = []
        width, grid = cfg.width, cfg.image // PATCH
        for stage, depth in enumerate(cfg.depths):
            downsample = self.merging(width) if stage else nn.Identity()
            if stage:
                width, grid = 2 * width, grid // 2
            window = min(cfg.window, grid)
            shift = window // 2 if grid > window else 0
            layers.append(
                Stage(downsample, [self.block(cfg, stage, i, width, grid, window, i % 2 * shift) for i in range(depth)])
            )
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(width)
        self.head = Head(width, num_classes)

    def block(self, cfg: Cfg, stage: int, i: int, width: int, grid: int, window: int, shift: int) -> nn.Module:
        """The block `i` of a stage."""
        return Block(width, WindowAttention(width, width // HEAD_WIDTH, window), grid, window, shift)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.image, self.image):
            raise ValueError(f"this Swin takes images of {self.image}x{self.image}, not {x.shape[2]}x{x.shape[3]}")
        return self.head(self.norm(self.layers(self.patch_embed(x))))


# torchvision's names -> timm's. Its features alternate: 0 the patches, 1, 3, 5, 7 the stages, 2, 4, 6 the mergings.
TORCHVISION = (
    (r"^features\.0\.0\.", "patch_embed.proj."),
    (r"^features\.0\.2\.", "patch_embed.norm."),
    *((rf"^features\.{2 * i + 1}\.", f"layers.{i}.blocks.") for i in range(4)),
    *((rf"^features\.{2 * i}\.", f"layers.{i}.downsample.") for i in (1, 2, 3)),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.3\.", ".mlp.fc2."),
    (r"^head\.", "head.fc."),
)
BUFFERS = ("relative_position_index", "relative_coords_table", "attn_mask")  # computed, not learnt


def rename_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """A checkpoint of torchvision's swin_t, swin_s, swin_b under our names; None where it is none."""
    if "features.0.0.weight" not in tensors or "features.1.0.attn.relative_position_index" not in tensors:
        return None
    return rename_by_rules(tensors, TORCHVISION)


def rename_microsoft(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """A checkpoint of the authors under our names (they merge at the end of a stage); None where it is none."""
    if "layers.0.downsample.reduction.weight" not in tensors:
        return None
    merged = [(rf"^layers\.{i}\.downsample\.", f"layers.{i + 1}.downsample.") for i in (2, 1, 0)]
    return rename_by_rules(tensors, (*merged, (r"^head\.", "head.fc.")))


def rename_by_rules(tensors: Mapping[str, Tensor], rules: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    """The learnt tensors, each under its key with all rules (pattern, replacement) applied in order."""
    out = {}
    for key, tensor in tensors.items():
        if not key.endswith(BUFFERS):
            for pattern, replacement in rules:
                key = re.sub(pattern, replacement, key)
            out[key] = tensor
    return out


FOREIGN = (rename_torchvision, rename_microsoft)

VARIANTS = {
    "swin_tiny_patch4_window7_224": Cfg(width=96, depths=(2, 2, 6, 2)),
    "swin_small_patch4_window7_224": Cfg(width=96, depths=(2, 2, 18, 2)),
    "swin_base_patch4_window7_224": Cfg(width=128, depths=(2, 2, 18, 2)),
    "swin_large_patch4_window7_224": Cfg(width=192, depths=(2, 2, 18, 2)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, Swin, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.9))
register(
    "swin_test",
    Swin,
    Cfg(width=32, depths=(2, 1), window=4, image=32),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 32, 32), crop_pct=0.9),
    num_classes=10,
)
