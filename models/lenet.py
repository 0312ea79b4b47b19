"""Gradient-based learning applied to document recognition (Proc. IEEE 86(11), 1998): LeNet-1, LeNet-4, LeNet-5.

Parameters are named after the paper's layers. The usual modernisation: sub-sampling is a plain 2x2 mean (no trainable
coefficient and bias, no squashing of its own), C3 sees all maps of S2 (table I leaves connections out), squashing is
tanh(a) (the paper: 1.7159 tanh(2a/3)), the output layer is linear (the paper: radial basis functions). LeNet-4, which
the paper describes in a sentence (about 17,000 parameters), is LeNet-1 with a fully connected layer before the output.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from .registry import register
from .spec import PreprocessSpec

PAPER = "doi:10.1109/5.726791"


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    image: int  # height and width
    c1: int
    c3: int
    hidden: tuple[int, ...] = ()  # C5 and F6, or F5 alone; else the output layer follows S4
    channels: int = 1


class LeNet(nn.Module):
    """(n, 1, image, image) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 10) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(cfg.channels, cfg.c1, 5)
        self.s2 = nn.AvgPool2d(2)
        self.c3 = nn.Conv2d(cfg.c1, cfg.c3, 5)
        self.s4 = nn.AvgPool2d(2)
        side = ((cfg.image - 4) // 2 - 4) // 2  # of S4's maps
        c_in = cfg.c3 * side * side
        self.hidden = len(cfg.hidden)
        # C5 is a convolution as large as S4's maps; F5 and F6 are fully connected. All are squashed.
        if self.hidden == 1:
            (f5,) = cfg.hidden
            self.f5 = nn.Linear(c_in, f5)
        elif self.hidden == 2:
            c5, f6 = cfg.hidden
            self.c5 = nn.Conv2d(cfg.c3, c5, side)
            self.f6 = nn.Linear(c5, f6)
        self.output = nn.Linear(cfg.hidden[-1] if cfg.hidden else c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.s2(self.c1(x).tanh())
        x = self.s4(self.c3(x).tanh())
        if self.hidden == 2:
            return self.output(self.f6(self.c5(x).tanh().flatten(1)).tanh())
        x = x.flatten(1)
        return self.output(self.f5(x).tanh() if self.hidden else x)


VARIANTS = {
    "lenet1": Cfg(image=28, c1=4, c3=12),
    "lenet4": Cfg(image=28, c1=4, c3=12, hidden=(84,)),
    "lenet5": Cfg(image=32, c1=6, c3=16, hidden=(120, 84)),
}
for _name, _cfg in VARIANTS.items():
    # §II.B: the background is -0.1 and the ink 1.175; here of images with light ink on black, as MNIST ships.
    _spec = PreprocessSpec(
        input_size=(1, _cfg.image, _cfg.image),
        mean=(0.1 / 1.275,),
        std=(1 / 1.275,),
        interpolation="bilinear",
        crop_pct=1.0,
    )
    register(_name, LeNet, _cfg, paper=PAPER, spec=_spec, num_classes=10)
