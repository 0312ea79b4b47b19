"""CoaT: Co-Scale Conv-Attentional Image Transformers (arXiv:2104.06399).

Parameter names and shapes are timm's, which are the authors'. Layers that blocks share appear once for each block.
"""

from dataclasses import dataclass

from torch import Tensor, cat, nn, zeros
from torch.nn import functional as F

from .layers import Mlp, split_heads
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2104.06399"
HEADS = 8
WINDOWS = ((3, 2), (5, 3), (7, 3))  # side of a window, heads that it serves; the authors' code
EPS = 1e-6  # of the published weights; PyTorch's default is 1e-5


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's tables 1 and 2."""

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int] = (2, 2, 2, 2)  # of the serial blocks
    ratios: tuple[int, int, int, int] = (4, 4, 4, 4)  # of their MLPs
    parallel: int = 0  # parallel blocks over the last three scales; CoaT-Lite has none


def to_map(x: Tensor, side: tuple[int, int]) -> Tensor:
    """Tokens behind the class token (n, 1 + h * w, c) -> (n, c, h, w)."""
    n, _, c = x.shape
    return x[:, 1:].transpose(1, 2).reshape(n, c, *side)


def with_class(x: Tensor, token: Tensor) -> Tensor:
    """(n, c, h, w), class token (n, 1, c) -> (n, 1 + h * w, c)"""
    return cat((token, x.flatten(2).transpose(1, 2)), dim=1)


class PatchEmbed(nn.Module):
    """One normed token for each square of pixels; (n, c_in, h, w) -> (n, c_out, h/patch, w/patch)."""

    def __init__(self, c_in: int, c_out: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(c_in, c_out, patch, stride=patch)
        self.norm = nn.LayerNorm(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvPosition(nn.Module):
    """A depthwise convolution that tells a token its place (§3.2); (n, 1 + h * w, c) -> same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(width, width, 3, padding=1, groups=width)

    def forward(self, x: Tensor, side: tuple[int, int]) -> Tensor:
        y = to_map(x, side)
        return with_class(self.proj(y) + y, x[:, :1])


class ConvRelativePosition(nn.Module):
    """Depthwise convolutions of windows of several sizes, each for some of the heads (§3.2); (n, c, h, w) -> same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = [heads * width // HEADS for _, heads in WINDOWS]
        self.conv_list = nn.ModuleList(
            nn.Conv2d(c, c, window, padding=window // 2, groups=c)
            for c, (window, _) in zip(self.channels, WINDOWS, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = x.split(self.channels, dim=1)
        return cat([conv(part) for conv, part in zip(self.conv_list, parts, strict=True)], dim=1)


class FactorAttention(nn.Module):
    """Attention whose cost is linear in the tokens, plus relative positions (eq. 4 and 6); (n, t, width) -> same."""

    def __init__(self, width: int, crpe: ConvRelativePosition) -> None:
        super().__init__()
        self.scale = (width // HEADS) ** -0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.crpe = crpe

    def forward(self, x: Tensor, side: tuple[int, int]) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        context = split_heads(k, HEADS).softmax(dim=2).transpose(2, 3) @ split_heads(v, HEADS)  # (n, heads, d, d)
        y = (split_heads(q, HEADS) * self.scale @ context).transpose(1, 2).flatten(2)
        position = q[:, 1:] * self.crpe(to_map(v, side)).flatten(2).transpose(1, 2)
        return self.proj(cat((y[:, :1], y[:, 1:] + position), dim=1))


class SerialBlock(nn.Module):
    """Position, attention, MLP (fig. 3); (n, 1 + h * w, width) -> same."""

    def __init__(self, width: int, ratio: int, cpe: ConvPosition, crpe: ConvRelativePosition) -> None:
        super().__init__()
        self.cpe = cpe
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.factoratt_crpe = FactorAttention(width, crpe)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = Mlp(width, ratio * width, nn.GELU)

    def forward(self, x: Tensor, side: tuple[int, int]) -> Tensor:
        x = self.cpe(x, side)
        x = x + self.factoratt_crpe(self.norm1(x), side)
        return x + self.mlp(self.norm2(x))


def rescaled(x: Tensor, side: tuple[int, int], times: int) -> Tensor:
    """The tokens of a map `times` = 2 or 4 times as large, or smaller where negative; (n, 1 + h * w, c), bilinear.

    Shrinking by 4 takes the mean of the inner 2x2 of each 4x4 pixels, by 2 that of each 2x2.
    """
    y = to_map(x, side)
    if times > 0:
        y = F.interpolate(y, scale_factor=times, mode="bilinear")
    else:
        skip = -times // 2 - 1
        y = F.avg_pool2d(y[:, :, skip:, skip:], 2, -times)
    return with_class(y, x[:, :1])


class ParallelBlock(nn.Module):
    """Attention at three scales, whose outputs are added to each other's ("attention with feature interpolation").

    Tokens (n, 1 + h * w, width) of scales 2, 3, 4 -> same. The MLP is one for all.
    """

    def __init__(self, width: int, ratio: int, crpes: list[ConvRelativePosition]) -> None:
        super().__init__()
        mlp = Mlp(width, ratio * width, nn.GELU)
        for scale, crpe in enumerate(crpes, 2):
            self.add_module(f"norm1{scale}", nn.LayerNorm(width, eps=EPS))
            self.add_module(f"factoratt_crpe{scale}", FactorAttention(width, crpe))
            self.add_module(f"norm2{scale}", nn.LayerNorm(width, eps=EPS))
            self.add_module(f"mlp{scale}", mlp)

    def forward(self, xs: list[Tensor], sides: list[tuple[int, int]]) -> list[Tensor]:
        get = self.get_submodule
        attended = [
            get(f"factoratt_crpe{i}")(get(f"norm1{i}")(x), side)
            for i, (x, side) in enumerate(zip(xs, sides, strict=True), 2)
        ]
        for to, x in enumerate(xs):
            y = attended[to]
            for of in range(len(xs)):
                if of != to:
                    times = 2 ** (of - to) if of > to else -(2 ** (to - of))
                    y = y + rescaled(attended[of], sides[of], times)
            x = x + y
            xs[to] = x + get(f"mlp{to + 2}")(get(f"norm2{to + 2}")(x))
        return xs


class CoaT(nn.Module):
    """(n, 3, h, w), h and w multiples of 32 -> logits (n, num_classes), from the class tokens."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        crpes = []
        c_in = 3
        for i, (width, depth, ratio) in enumerate(zip(cfg.widths, cfg.depths, cfg.ratios, strict=True), 1):
            cpe, crpe = ConvPosition(width), ConvRelativePosition(width)
            crpes.append(crpe)
            self.register_parameter(f"cls_token{i}", nn.Parameter(zeros(1, 1, width)))
            self.add_module(f"patch_embed{i}", PatchEmbed(c_in, width, 4 if i == 1 else 2))
            self.add_module(f"cpe{i}", cpe)
            self.add_module(f"crpe{i}", crpe)
            blocks = (SerialBlock(width, ratio, cpe, crpe) for _ in range(depth))
            self.add_module(f"serial_blocks{i}", nn.ModuleList(blocks))
            c_in = width
        self.parallel_blocks = nn.ModuleList(
            ParallelBlock(c_in, cfg.ratios[-1], crpes[1:]) for _ in range(cfg.parallel)
        )
        self.scales = (2, 3, 4) if cfg.parallel else (4,)  # whose class tokens make the logits
        for i in self.scales:
            self.add_module(f"norm{i}", nn.LayerNorm(c_in, eps=EPS))
        self.aggregate = nn.Conv1d(len(self.scales), 1, 1) if cfg.parallel else nn.Identity()
        self.head = nn.Linear(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] % 32 or x.shape[3] % 32:
            raise ValueError(f"CoaT needs images whose sides are multiples of 32, not {x.shape[2]}x{x.shape[3]}")
        get = self.get_submodule
        tokens, sides = [], []
        for i in (1, 2, 3, 4):
            x = get(f"patch_embed{i}")(x)
            side = (x.shape[2], x.shape[3])
            y = with_class(x, self.get_parameter(f"cls_token{i}").expand(x.shape[0], -1, -1))
            for block in self.get_submodule(f"serial_blocks{i}").children():
                y = block(y, side)
            x = to_map(y, side)
            tokens.append(y)
            sides.append(side)
        tokens, sides = [tokens[i - 1] for i in self.scales], [sides[i - 1] for i in self.scales]
        for block in self.parallel_blocks:
            tokens = [get(f"cpe{i}")(y, side) for i, y, side in zip(self.scales, tokens, sides, strict=True)]
            tokens = block(tokens, sides)
        firsts = cat([get(f"norm{i}")(y[:, :1]) for i, y in zip(self.scales, tokens, strict=True)], dim=1)
        return self.head(self.aggregate(firsts)[:, 0])


VARIANTS = {
    "coat_tiny": Cfg(widths=(152, 152, 152, 152), parallel=6),
    "coat_mini": Cfg(widths=(152, 216, 216, 216), parallel=6),
    "coat_small": Cfg(widths=(152, 320, 320, 320), parallel=6),
    "coat_lite_tiny": Cfg(widths=(64, 128, 256, 320), ratios=(8, 8, 4, 4)),
    "coat_lite_mini": Cfg(widths=(64, 128, 320, 512), ratios=(8, 8, 4, 4)),
    "coat_lite_small": Cfg(widths=(64, 128, 320, 512), depths=(3, 4, 6, 3), ratios=(8, 8, 4, 4)),
    "coat_lite_medium": Cfg(widths=(128, 256, 320, 512), depths=(3, 6, 10, 8)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, CoaT, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.9))
register(
    "coat_test",
    CoaT,
    Cfg(widths=(16, 24, 24, 24), depths=(1, 1, 1, 1), ratios=(2, 2, 2, 2), parallel=1),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), crop_pct=0.9),
    num_classes=10,
)
