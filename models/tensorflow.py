"""Give a model what checkpoints trained in TensorFlow want: SAME padding and another epsilon."""

from torch import Tensor, nn
from torch.nn.functional import pad

EPS = 1e-3  # of Keras' BatchNormalization


class SameConv2d(nn.Conv2d):
    """A convolution padded like TensorFlow's SAME: to ceil(h/stride) pixels, the odd one below and on the right."""

    def forward(self, input: Tensor) -> Tensor:
        top, bottom = _pads(input.shape[2], self.kernel_size[0], self.stride[0])
        left, right = _pads(input.shape[3], self.kernel_size[1], self.stride[1])
        return super().forward(pad(input, (left, right, top, bottom)))


def _pads(pixels: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-pixels // stride) - 1) * stride + kernel - pixels, 0)
    return total // 2, total - total // 2


def set_eps(model: nn.Module, eps: float = EPS) -> None:
    """Gives all batch norms that epsilon."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = eps


def like_tensorflow(model: nn.Module) -> None:
    """Pads the strided convolutions as TensorFlow does (the others agree), and sets its epsilon; for new models."""
    set_eps(model)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and max(child.stride) > 1:
                shape = (child.in_channels, child.out_channels, child.kernel_size[0], child.stride[0])
                bias = child.bias is not None
                setattr(module, name, SameConv2d(*shape, groups=child.groups, bias=bias))
