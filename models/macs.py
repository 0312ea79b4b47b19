"""Count the multiply-accumulates of a model, on the meta device: no arithmetic is done."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_macs(model: nn.Module, input_size: tuple[int, int, int]) -> int:
    """Multiply-accumulates of one forward pass on an input of (1, *input_size); the model lies on the meta device.

    Counted are convolutions (output elements x input channels / groups x kernel elements), linear layers and all other
    matrix products (m x k times k x n: m k n), those of attention among them. Biases, norms, activations, pooling,
    resizing and every other element-wise operation count nothing. The parameters require no gradients afterwards.
    """
    model.requires_grad_(False)  # the counter would look for the history of a parameter that is a block's input
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *input_size, device="meta"))
    return counter.get_total_flops() // 2  # it counts a multiplication and an addition apart
