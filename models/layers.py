"""Layers that several families are made of. Shapes: images (n, c, h, w), tokens (n, tokens, c)."""

from collections.abc import Callable

from torch import Tensor, nn, ones


def make_divisible(channels: float, by: int = 8, limit: float = 0.9) -> int:
    """The multiple of `by` nearest to `channels`, at least `by`, and not below `limit` times `channels`.

    The rule of the MobileNets for scaled widths (the authors' code; the papers say only "multiples of 8").
    """
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < limit * channels else rounded


def conv(
    c_in: int,
    c_out: int,
    kernel: int | tuple[int, int] = 1,
    stride: int = 1,
    *,
    groups: int = 1,
    dilation: int = 1,
    bias: bool = False,
    pad: bool = True,
) -> nn.Conv2d:
    """A convolution with odd `kernel`, padded so that stride 1 keeps (h, w) and stride 2 gives ceil(h/2), ceil(w/2).

    Without `pad` it has no padding.
    """
    kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (dilation * (kh // 2), dilation * (kw // 2)) if pad else 0
    return nn.Conv2d(c_in, c_out, kernel, stride, padding=padding, dilation=dilation, groups=groups, bias=bias)


class ConvNormAct(nn.Module):
    """Convolution, batch norm, activation; (n, c_in, h, w) -> (n, c_out, h/stride, w/stride)."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        dilation: int = 1,
        pad: bool = True,
        act: type[nn.Module] = nn.Identity,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.conv = conv(c_in, c_out, kernel, stride, groups=groups, dilation=dilation, pad=pad)
        self.bn = nn.BatchNorm2d(c_out, eps=eps)
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate computed from the channel means (arXiv:1709.01507, gate of arXiv:1905.02244)."""

    def __init__(
        self,
        channels: int,
        reduced: int,
        *,
        act: type[nn.Module] = nn.ReLU,
        gate: type[nn.Module] = nn.Hardsigmoid,
    ) -> None:
        super().__init__()
        self.conv_reduce = conv(channels, reduced, bias=True)
        self.act = act()
        self.conv_expand = conv(reduced, channels, bias=True)
        self.gate = gate()

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)  # (n, c, 1, 1)
        return x * self.gate(self.conv_expand(self.act(self.conv_reduce(mean))))


class DepthwiseSeparable(nn.Module):
    """Depthwise then 1x1 convolution, with a residual where the shape allows (arXiv:1704.04861; arXiv:1801.04381).

    `reduced` is the width of the squeeze-and-excite, 0 for none; `excite` makes it of (channels, reduced).
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        stride: int,
        *,
        act: type[nn.Module],
        reduced: int = 0,
        excite: Callable[[int, int], nn.Module] = SqueezeExcite,
        skip: bool = True,
        last_act: type[nn.Module] = nn.Identity,
    ) -> None:
        super().__init__()
        self.conv_dw = conv(c_in, c_in, kernel, stride, groups=c_in)
        self.bn1 = nn.BatchNorm2d(c_in)
        self.act = act()
        self.se = excite(c_in, reduced) if reduced else nn.Identity()
        self.conv_pw = conv(c_in, c_out)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.act2 = last_act()
        self.residual = skip and stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y = self.se(self.act(self.bn1(self.conv_dw(x))))
        y = self.act2(self.bn2(self.conv_pw(y)))
        return x + y if self.residual else y


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise, linear 1x1 projection, residual where the shape allows (arXiv:1801.04381 fig. 3).

    `reduced` is the width of the squeeze-and-excite after the depthwise convolution, 0 for none (arXiv:1905.02244);
    `excite` makes it of (channels, reduced).
    """

    def __init__(
        self,
        c_in: int,
        c_mid: int,
        c_out: int,
        kernel: int,
        stride: int,
        *,
        act: type[nn.Module],
        reduced: int = 0,
        excite: Callable[[int, int], nn.Module] = SqueezeExcite,
        skip: bool = True,
    ) -> None:
        super().__init__()
        self.conv_pw = conv(c_in, c_mid)
        self.bn1 = nn.BatchNorm2d(c_mid)
        self.act1 = act()
        self.conv_dw = conv(c_mid, c_mid, kernel, stride, groups=c_mid)
        self.bn2 = nn.BatchNorm2d(c_mid)
        self.act2 = act()
        self.se = excite(c_mid, reduced) if reduced else nn.Identity()
        self.conv_pwl = conv(c_mid, c_out)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.residual = skip and stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y = self.act1(self.bn1(self.conv_pw(x)))
        y = self.se(self.act2(self.bn2(self.conv_dw(y))))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.residual else y


class FusedInvertedResidual(nn.Module):
    """An inverted residual whose expansion is a full convolution, without a depthwise one (arXiv:2104.00298 fig. 2).

    Or, with `groups`, one in groups (arXiv:2204.14007).
    """

    def __init__(
        self,
        c_in: int,
        c_mid: int,
        c_out: int,
        kernel: int,
        stride: int,
        *,
        act: type[nn.Module],
        groups: int = 1,
        skip: bool = True,
    ) -> None:
        super().__init__()
        self.conv_exp = conv(c_in, c_mid, kernel, stride, groups=groups)
        self.bn1 = nn.BatchNorm2d(c_mid)
        self.act = act()
        self.conv_pwl = conv(c_mid, c_out)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.residual = skip and stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv_pwl(self.act(self.bn1(self.conv_exp(x)))))
        return x + y if self.residual else y


class Head(nn.Module):
    """Mean over the pixels, a norm, a linear; (n, c, h, w) -> (n, num_classes)."""

    def __init__(self, channels: int, num_classes: int, norm: Callable[[int], nn.Module] = nn.Identity) -> None:
        super().__init__()
        self.norm = norm(channels)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(x.mean((2, 3), keepdim=True)).flatten(1))


class Attention(nn.Module):
    """Multi-head self-attention, one linear for queries, keys and values (arXiv:1706.03762 §3.2); (n, t, c) -> same."""

    def __init__(self, width: int, heads: int, *, qkv_bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """`bias` is added to the logits of the softmax: anything that broadcasts to (n, heads, t, t)."""
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        return self.proj(attend(q, k, v, bias))


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Softmax attention of heads (arXiv:1706.03762 eq. 1).

    q (n, heads, tokens, d), k (n, heads, t, d), v (n, heads, t, e) -> (n, tokens, heads * e); bias as of Attention.
    """
    weights = q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)  # (n, heads, tokens, t)
    if bias is not None:
        weights = weights + bias
    return (weights.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(n, t, c) -> (n, heads, t, c/heads)"""
    n, tokens, width = x.shape
    return x.reshape(n, tokens, heads, width // heads).transpose(1, 2)


class Mlp(nn.Module):
    """Two linears with an activation between; (..., width) -> (..., out), `out` being `width` unless it is given."""

    def __init__(self, width: int, hidden: int, act: type[nn.Module], out: int | None = None) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = act()
        self.fc2 = nn.Linear(hidden, out or width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class TransformerBlock(nn.Module):
    """Pre-norm transformer encoder layer (arXiv:2010.11929 eq. 2 and 3); (n, t, width) -> same."""

    def __init__(self, width: int, heads: int, hidden: int, *, act: type[nn.Module], eps: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width, hidden, act)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels at each pixel; (n, c, h, w) -> same."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__(channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class PointwiseLinear(nn.Linear):
    """A 1x1 convolution whose weight is stored as a linear's; (n, c_in, h, w) -> (n, c_out, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.weight[:, :, None, None], self.bias)


class ConvMlp(nn.Module):
    """Two 1x1 convolutions with biases and an activation between; (n, c, h, w) -> same.

    `linear` says that their weights are stored as those of linears.
    """

    def __init__(self, channels: int, hidden: int, act: type[nn.Module] = nn.GELU, *, linear: bool = False) -> None:
        super().__init__()
        self.fc1 = PointwiseLinear(channels, hidden) if linear else conv(channels, hidden, bias=True)
        self.act = act()
        self.fc2 = PointwiseLinear(hidden, channels) if linear else conv(hidden, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class SigmoidExcite(nn.Module):
    """Squeeze-and-excite as in arXiv:1709.01507 fig. 3, under the names fc1 and fc2; (n, c, h, w) -> same."""

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.fc1 = conv(channels, reduced, bias=True)
        self.act = nn.ReLU()
        self.fc2 = conv(reduced, channels, bias=True)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)  # (n, c, 1, 1)
        return x * self.gate(self.fc2(self.act(self.fc1(mean))))


class TanhGELU(nn.GELU):
    """GELU by its tanh approximation, which TensorFlow-trained checkpoints want."""

    def __init__(self) -> None:
        super().__init__(approximate="tanh")


class LayerScale(nn.Module):
    """One learnt factor a channel (arXiv:2103.17239 §2); (..., channels) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class LayerScale2d(LayerScale):
    """The same of images; (n, channels, h, w) -> same."""

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma[:, None, None]
