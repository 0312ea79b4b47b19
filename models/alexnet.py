"""One weird trick for parallelizing convolutional neural networks (arXiv:1404.5997): AlexNet in one tower.

Parameter names and shapes are torchvision's. The net of the 2012 paper with its two towers merged and without local
response normalisation.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from .layers import conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:1404.5997"


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    widths: tuple[int, ...] = (64, 192, 384, 256, 256)  # of the convolutions
    hidden: int = 4096
    image: int = 224  # height and width, which fix the first fully connected layer


class AlexNet(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = cfg.widths
        self.image = cfg.image
        self.features = nn.Sequential(
            nn.Conv2d(3, c1, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            conv(c1, c2, 5, bias=True),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            conv(c2, c3, 3, bias=True),
            nn.ReLU(),
            conv(c3, c4, 3, bias=True),
            nn.ReLU(),
            conv(c4, c5, 3, bias=True),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        side = (cfg.image - 7) // 4 + 1  # of the first convolution's maps
        for _ in range(3):
            side = (side - 3) // 2 + 1
        self.classifier = nn.Sequential(
            nn.Identity(),  # dropout, in training
            nn.Linear(c5 * side * side, cfg.hidden),
            nn.ReLU(),
            nn.Identity(),
            nn.Linear(cfg.hidden, cfg.hidden),
            nn.ReLU(),
            nn.Linear(cfg.hidden, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.image, self.image):
            raise ValueError(f"this AlexNet takes images of {self.image}x{self.image}, not {x.shape[2]}x{x.shape[3]}")
        return self.classifier(self.features(x).flatten(1))


register("alexnet", AlexNet, Cfg(), paper=PAPER, spec=PreprocessSpec(interpolation="bilinear"))
register(
    "alexnet_test",
    AlexNet,
    Cfg(widths=(8, 16, 16, 16, 16), hidden=32, image=64),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
