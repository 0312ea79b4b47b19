"""A small network of the Inception kind: convolutions, pools and Concat in parallel, channels that fill no register."""

import torch
from torch import nn


class Layer(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1):
        super().__init__(
            nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )


class Branches(nn.Module):
    """(b, c, h, w) -> (b, sum of the branches' channels, h, w)"""

    def __init__(self, inputs: int, widths: tuple[int, int, int, int], pool: nn.Module):
        super().__init__()
        one, three, five, pooled = widths
        self.one = Layer(inputs, one, 1)
        self.three = nn.Sequential(Layer(inputs, three // 2, 1), Layer(three // 2, three, 3))
        self.five = nn.Sequential(Layer(inputs, five // 2, 1), Layer(five // 2, five, 3), Layer(five, five, 3))
        self.pooled = nn.Sequential(pool, Layer(inputs, pooled, 1))

    def forward(self, x):
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], 1)


class Reduction(nn.Module):
    """(b, c, h, w) -> (b, two convolved + c, h / 2, w / 2)"""

    def __init__(self, inputs: int, one: int, two: int):
        super().__init__()
        self.one = Layer(inputs, one, 3, 2)
        self.two = nn.Sequential(Layer(inputs, two, 1), Layer(two, two, 3, 2))
        self.pool = nn.MaxPool2d(3, 2, 1)

    def forward(self, x):
        return torch.cat([self.one(x), self.two(x), self.pool(x)], 1)


class ConcatNetwork(nn.Module):
    def __init__(self, classes: int = 100):
        super().__init__()
        average, largest = nn.AvgPool2d(3, 1, 1), nn.MaxPool2d(3, 1, 1)
        self.stem = nn.Sequential(Layer(3, 32, 3, 2), Layer(32, 43, 3), nn.MaxPool2d(3, 2, 1))
        self.body = nn.Sequential(
            Branches(43, (27, 48, 32, 21), average),  # -> 128
            Reduction(128, 67, 48),  # -> 243
            Branches(243, (64, 96, 64, 32), largest),  # -> 256
            Branches(256, (64, 102, 64, 32), average),  # -> 262
        )
        self.head = nn.Linear(262, classes)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))
